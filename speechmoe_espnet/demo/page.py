"""The page: Gradio's microphone and upload, and what systems answer. It asks no other server."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from speechmoe_espnet.data.audio_blocks import seconds_promised
from speechmoe_espnet.demo.answer_page import answer_html, complaint_html, style
from speechmoe_espnet.demo.hearing import Answer, System, hear
from speechmoe_espnet.inference.transcription import reason
from speechmoe_espnet.system.cli import OUT_OF_MEMORY

TITLE = "SpeechMoE: speech in, text out"
LARGEST_UPLOAD = "1gb"
"""A recording in the memory of a browser takes as much; longer ones are for the command line."""
MICROPHONE = "Microphone"
_ABOUT = (
    "Speak, or choose a recording: any format, rate and length. It stays on this machine and is "
    "deleted when it has been transcribed."
)
# Whatever Gradio's page would like to load from elsewhere, the browser does not.
_POLICY = (
    "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'; connect-src 'self' data: blob:; "
    "form-action 'self'; base-uri 'self'; object-src 'none'"
)


def import_gradio(uploads: Path) -> Any:
    """Import Gradio, without statistics for others.

    Args:
        uploads: Folder for what it keeps; it reads this when it is imported.

    Raises:
        ValueError: It is not installed.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    try:
        import gradio
    except ImportError as error:
        raise ValueError(
            f"the page is made by Gradio, which is not installed ({error}); "
            f'`pip install "speechmoe_espnet[demo]"`'
        ) from None
    return gradio


def answer_of(
    systems: Sequence[System], path: Path, name: str, keep: Path | None = None
) -> Iterator[str]:
    """Transcribe a recording and delete it, whatever becomes of it.

    Args:
        systems: The systems that listen.
        path: The recording.
        name: What the page calls it.
        keep: Folder that is not deleted; the others between it and the recording are. None: only
            the recording is.

    Yields:
        HTML: what was heard so far, and at last everything, or one line that says what is wrong.
    """
    try:
        answers: tuple[Answer, ...] = ()
        promised = seconds_promised(path)
        for answers in hear(systems, path):
            yield answer_html(name, answers, promised=promised, is_finished=False)
        yield answer_html(name, answers)
    except (ValueError, OSError) as error:
        yield complaint_html(name, reason(error))
    except MemoryError:
        yield complaint_html(name, OUT_OF_MEMORY)
    finally:
        path.unlink(missing_ok=True)
        for folder in path.parents if keep in path.parents else ():
            if folder == keep or any(folder.iterdir()):
                break
            folder.rmdir()


def make_app(gradio: Any, systems: Sequence[System], uploads: Path) -> Any:
    """Make the page as an ASGI application.

    Args:
        gradio: From `import_gradio`.
        systems: The systems that listen.
        uploads: Folder for recordings until they are deleted.
    """
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None)

    async def forbid_others(request: Any, call_next: Callable[[Any], Any]) -> Any:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = _POLICY
        return response

    app.middleware("http")(forbid_others)
    return gradio.mount_gradio_app(
        app,
        _blocks(gradio, systems, uploads),
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
        max_file_size=LARGEST_UPLOAD,
        theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
        head=f"<style>{style()}</style>",
    )


def _blocks(gradio: Any, systems: Sequence[System], uploads: Path) -> Any:
    hidden, shown = gradio.update(visible=False), gradio.update(visible=True)

    def listen(path: str | None, name: str | None) -> Iterator[tuple[Any, ...]]:
        if path is None:
            return
        wanted = Path(path)
        yield "", shown, gradio.skip(), gradio.skip()
        for html in answer_of(systems, wanted, name or wanted.name, uploads):
            yield html, shown, gradio.skip(), gradio.skip()
        yield gradio.skip(), hidden, None, None  # what was deleted cannot be played

    def recorded(path: str | None) -> Iterator[tuple[Any, ...]]:
        yield from listen(path, MICROPHONE)

    def uploaded(path: str | None) -> Iterator[tuple[Any, ...]]:
        yield from listen(path, None)

    with gradio.Blocks(title=TITLE, analytics_enabled=False) as blocks:
        gradio.Markdown(f"# {TITLE}\n\n{_ABOUT}")
        with gradio.Row():
            microphone = gradio.Audio(
                sources=["microphone"],
                type="filepath",
                label=MICROPHONE,
                buttons=[],
                editable=False,
            )
            file = gradio.File(type="filepath", label="Recording", height=160)
        stop = gradio.Button("Stop listening", visible=False)
        result = gradio.HTML(apply_default_css=False, padding=False)
        common: dict[str, Any] = {
            "outputs": [result, stop, microphone, file],
            "show_progress": "minimal",
            "show_progress_on": [result],
            "concurrency_limit": 1,  # both share the models, and memory is that of one recording
            "concurrency_id": "listen",
            "api_visibility": "private",
        }
        events = [
            microphone.stop_recording(recorded, inputs=[microphone], **common),
            file.upload(uploaded, inputs=[file], **common),
        ]
        stop.click(
            lambda: (hidden, None, None),
            outputs=[stop, microphone, file],
            cancels=events,
            api_visibility="private",
        )
    return blocks
