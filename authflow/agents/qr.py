"""A URL as a QR code made of characters, where a terminal can show it and the extra `qr` (segno) is installed."""

from __future__ import annotations

import io
import sys
from importlib.util import find_spec
from typing import TextIO


def qr_code(url: str, terminal: TextIO | None = None) -> str | None:
    """The code in half blocks; None without segno, in a pipe, and where the characters cannot be written."""
    shown_on = sys.stdout if terminal is None else terminal
    if not shown_on.isatty() or find_spec("segno") is None:
        return None
    import segno

    drawn = io.StringIO()
    segno.make(url, micro=False).terminal(drawn, compact=True)
    text = drawn.getvalue()
    try:
        text.encode(shown_on.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return None
    return text
