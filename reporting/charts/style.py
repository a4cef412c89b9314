"""Colours, shapes and fonts of a chart."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.font_manager import findfont, get_font

from reporting.names import flat

FONT = "DejaVu Sans"
"""Shipped with matplotlib, so a chart looks the same everywhere."""
INK, SOFT, FAINT, RECONSTRUCTED, LIMIT = "#1f2933", "#616e7c", "#d9dee4", "#7fb3e6", "#c0392b"
LONGEST_NAME = 56
"""Longer texts are shortened in the middle."""


@dataclass(frozen=True, slots=True)
class Look:
    """How a severity is marked: by colour, and by shape and size for those who see no colours and for grey printers."""

    colour: str
    edge: str
    shape: str
    size: float


LOOKS = {
    1: Look("#f5d400", "#8a7500", "o", 22.0),
    2: Look("#f08c00", "#8a5000", "s", 24.0),
    3: Look("#d9480f", "#7a2405", "D", 28.0),
    4: Look("#7a0177", "#3d003b", "X", 48.0),
}
"""By severity code. A higher severity is darker, so the order is visible with every kind of colour blindness."""


def drawable(text: str) -> str:
    """``text`` on one line, shortened if it is too long, with a box for each character that the font lacks."""
    font = get_font(findfont(FONT))
    line = flat(text, longest=LONGEST_NAME) if text else ""
    return "".join(c if font.get_char_index(ord(c)) else "\N{WHITE SQUARE}" for c in line)
