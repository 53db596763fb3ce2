"""Picture of the page of `speechmoe demo`, which is open, after it has heard a recording."""

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTH = 1000
COLOURS = 96


def main() -> None:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", help="of the page, as the command prints it")
    parser.add_argument("recording", type=Path)
    parser.add_argument("picture", type=Path, help="PNG to write")
    parser.add_argument("--dark", action="store_true", help="dark mode")
    parser.add_argument("--width", type=int, default=WIDTH, help="of the window in pixels")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds to wait for the page")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--use-fake-device-for-media-stream"]
        )
        page = browser.new_page(
            viewport={"width": args.width, "height": 400},
            color_scheme="dark" if args.dark else "light",
        )
        page.set_default_timeout(1000 * args.timeout)
        page.goto(args.address)
        page.locator("input[type=file]").set_input_files(args.recording)
        page.locator(".speechmoe svg").first.wait_for()
        page.get_by_role("button", name="Stop listening").wait_for(state="hidden")
        page.mouse.move(0, 0)
        picture = Image.open(io.BytesIO(page.screenshot(full_page=True, animations="disabled")))
        browser.close()
    few = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(args.picture, optimize=True)


if __name__ == "__main__":
    main()
