"""Colours of pages and charts, each with a value for light and one for dark mode.

Charts draw with the light values. `figure.py` replaces each of them by the CSS variable of its
name, so that a chart changes with the page around it; hence no two names share a light value.
"""

_VALUES = {
    "paper": ("#ffffff", "#14171c"),
    "card": ("#f6f7f9", "#1c2127"),
    "ink": ("#1c2026", "#e6e9ee"),
    "faint": ("#667080", "#98a2b0"),
    "rule": ("#dde1e7", "#333a44"),
    "c0": ("#0072b2", "#4fb0ee"),
    "c1": ("#d55e00", "#ff8c42"),
    "c2": ("#7a828e", "#a3abb7"),
    "c3": ("#009e73", "#2fc99a"),
    "c4": ("#b0528c", "#e08cc0"),
    "c5": ("#3d9bd6", "#9ad4f7"),
    "better": ("#00795a", "#35c997"),
    "worse": ("#c04a00", "#ff8c43"),
    "sub": ("#c77f00", "#f0b23c"),
    "del": ("#3d84c6", "#6db3f2"),
    "ins": ("#b0528d", "#e08cc1"),
    "heat": ("#0b5c94", "#58b4f0"),
    "heat-ink": ("#fffffe", "#0b1118"),
}
_NAMES = {light: name for name, (light, _) in _VALUES.items()}

PAPER, INK, FAINT, RULE = (_VALUES[name][0] for name in ("paper", "ink", "faint", "rule"))
HEAT, HEAT_INK = (_VALUES[name][0] for name in ("heat", "heat-ink"))
SERIES = tuple(_VALUES[f"c{index}"][0] for index in range(6))
"""Colours that tell systems apart; the third is grey."""
ERROR_KINDS = {
    "substituted": _VALUES["sub"][0],
    "deleted": _VALUES["del"][0],
    "inserted": _VALUES["ins"][0],
}
VERDICTS = {
    "better": _VALUES["better"][0],
    "worse": _VALUES["worse"][0],
    "no difference shown": FAINT,
}


def _block(index: int) -> str:
    return " ".join(f"--{name}: {values[index]};" for name, values in _VALUES.items())


COLOURS = (
    f":root {{ color-scheme: light dark; {_block(0)} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_block(1)} }} }}\n"
)
"""The style sheet that defines the variables for both modes."""


def colours_within(light: str, dark: str) -> str:
    """Return the style sheet that defines the variables for parts of a page of others.

    Args:
        light: Selector of these parts.
        dark: Selector of these parts in dark mode.
    """
    return f"{light} {{ {_block(0)} }}\n{dark} {{ {_block(1)} }}\n"


def css(colour: str) -> str:
    """Return a colour as CSS: the variable of its name, or a colour without a name as it is."""
    return f"var(--{_NAMES[colour]})" if colour in _NAMES else colour
