"""Prints pip's settings as uv's environment variables, NAME=VALUE each ended by a NUL.

uv reads none of pip's configuration: without this, a user of a mirror, a proxy or a company's
certificates would have to write everything down twice. Variables that are set already are left
alone. Runs in the environment that is being set up, so it needs nothing but Python and its pip.
"""

import ast
import os
import subprocess
import sys

# From pip's option to uv's variable and what uv puts between several values.
_LISTS = {
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "constraint": ("UV_CONSTRAINT", " "),
    "trusted-host": ("UV_INSECURE_HOST", " "),
}
_VALUES = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "cert": ("SSL_CERT_FILE",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY"),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
}
# Later ones win: what `pip install` heeds, as pip itself ranks it.
_SECTIONS = ("global", "install", ":env:")


def uv_variables(listing: str) -> dict[str, str]:
    """Translate what `pip config list` prints.

    Args:
        listing: Lines such as `global.index-url='https://mirror/simple'`.

    Returns:
        Variables for uv.
    """
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in listing.splitlines():
        name, equals, value = line.partition("=")
        section, _, option = name.rpartition(".")
        if equals and section in found:
            found[section][option] = str(ast.literal_eval(value))
    options = {name: value for section in _SECTIONS for name, value in found[section].items()}
    # pip takes the best version of all its indexes, uv by default the first index's.
    variables = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    for option, value in options.items():
        if option in _LISTS:
            variable, separator = _LISTS[option]
            variables[variable] = separator.join(value.split())
        for variable in _VALUES.get(option, ()):
            variables[variable] = value
        if option == "no-index" and value.lower() in ("1", "true", "yes", "on"):
            variables["UV_NO_INDEX"] = "1"
    return variables


def main() -> int:
    """Print the variables."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        check=True,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ).stdout
    for name, value in uv_variables(listing).items():
        if name not in os.environ:
            sys.stdout.write(f"{name}={value}\0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
