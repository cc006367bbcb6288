"""How wide text is, without a font: enough to keep labels apart, and to break or cut what is too long.

The widths are those of DejaVu Sans, the widest of the common system fonts: what fits here fits with every
reader. What is not listed is taken for a wide letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

# Advance widths in 1/1000 em.
_ADVANCE: Final = {
    **dict.fromkeys("'ijl", 278), **dict.fromkeys(" ,.·IJ", 318), **dict.fromkeys("/:;\\|", 337), "f": 352,
    **dict.fromkeys("-()[]t", 392), **dict.fromkeys("!r", 411), **dict.fromkeys("*_`–\"", 500),
    **dict.fromkeys("sz?cL", 557), **dict.fromkeys("Fk•vxyP", 603), **dict.fromkeys("TYoae", 615),
    **dict.fromkeys("EhnuSbdgpq$0123456789{}", 636), **dict.fromkeys("KAVXZBRC", 698),
    **dict.fromkeys("UNHDG&OQ", 787), "m": 974, "w": 818, "W": 989, "M": 863, "@": 1000, "…": 1000, "—": 1000,
}  # fmt: skip
_WIDE: Final = 840
_BOLD: Final = 1.1
_FIXED: Final = 0.602  # em, of a monospaced letter


class Box(NamedTuple):
    """A rectangle by its edges."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def x(self) -> float:
        return (self.left + self.right) / 2

    @property
    def y(self) -> float:
        return (self.top + self.bottom) / 2

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def width(text: str, size: float, *, bold: bool = False) -> float:
    """How wide `text` is at most, in a font of `size`."""
    return sum(_ADVANCE.get(letter, _WIDE) for letter in text) * size / 1000 * (_BOLD if bold else 1)


def fixed_width(text: str, size: float) -> float:
    """The same in a monospaced font; a letter that is no ASCII may take two places."""
    return sum(1 if letter < "\u2e80" else 2 for letter in text) * _FIXED * size


def cut(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """`text`, or as much of its beginning as fits into `room`, with `…` at the end."""
    if width(text, size, bold=bold) <= room:
        return text
    while text and width(text + "…", size, bold=bold) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def wrap_fixed(parts: Iterable[str], room: float, size: float, *, most: int = 3) -> tuple[str, ...]:
    """The parts, ` · ` between them, in lines that fit into `room`; a part that is too long is cut, and what does
    not fit into `most` lines is told by `…`."""
    lines: list[str] = []
    for part in parts:
        if fixed_width(part, size) > room:
            part = _cut_fixed(part, room, size)
        joined = f"{lines[-1]} · {part}" if lines else part
        if lines and fixed_width(joined, size) <= room:
            lines[-1] = joined
        else:
            lines.append(part)
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[: most - 1], _cut_fixed(f"{lines[most - 1]} · …", room, size))


def _cut_fixed(text: str, room: float, size: float) -> str:
    if fixed_width(text, size) <= room:
        return text
    while text and fixed_width(text + "…", size) > room:
        text = text[:-1]
    return text + "…"


def printable(text: str) -> str:
    """`text` with `�` for what no drawing may hold: control characters (a terminal obeys them, XML refuses
    them), halves of pairs, and what turns the direction of the text around it."""
    return "".join(ch if _may_stand(ch) else "\ufffd" for ch in text)


def _may_stand(ch: str) -> bool:
    if ch in "\t\n" or " " <= ch < "\x7f":
        return True
    if "\ud800" <= ch <= "\udfff" or "\u202a" <= ch <= "\u202e" or "\u2066" <= ch <= "\u2069":
        return False
    return ch >= "\xa0" and ch not in "\ufffe\uffff"
