"""A drawing as PNG, by `resvg` and with a font that comes along: `pip install 'authflow-sessions[png]'`.

The same drawing gives the same bytes on every machine: no font of the system is used. A PNG carries the hash of
the drawing that it was made from (`drawn_from`), so it can be checked where nothing can draw it.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

from ..errors import ConfigurationError

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEYWORD: Final = b"Source\0sha256:"
_FONT: Final = "Source Sans Pro"


def render(svg: str, *, zoom: float = 2.0) -> bytes:
    """`svg` as PNG; `zoom`: pixels for each of its units. Raises `ConfigurationError` when the extra is missing."""
    try:
        import font_source_sans_pro
        import resvg_py
    except ImportError as error:
        raise ConfigurationError(
            f"A picture needs the module {error.name}.", hint="pip install 'authflow-sessions[png]'"
        ) from error
    fonts = font_source_sans_pro.font_files_ttf
    drawn = resvg_py.svg_to_bytes(
        svg_string=svg,
        zoom=zoom,
        skip_system_fonts=True,
        font_files=[fonts[name] for name in ("SourceSansPro", "SourceSansProSemibold", "SourceSansProBold")],
        font_family=_FONT,
        sans_serif_family=_FONT,
        monospace_family=_FONT,
    )
    return _signed(bytes(drawn), svg)


def drawn_from(png: bytes, svg: str) -> bool:
    """Whether `png` says that it was drawn from `svg`."""
    return _note(svg) in png[:512]


def _signed(png: bytes, svg: str) -> bytes:
    header = len(_SIGNATURE) + 25  # IHDR always comes first, and has 13 bytes
    return png[:header] + _note(svg) + png[header:]


def _note(svg: str) -> bytes:
    """A text chunk (PNG §11.3.4.3)."""
    body = b"tEXt" + _KEYWORD + hashlib.sha256(svg.encode()).hexdigest().encode()
    return (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
