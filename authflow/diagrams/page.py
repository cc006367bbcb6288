"""A page around drawings: one file that needs nothing else and asks nobody for anything.

Rule 1: the policy is `default-src 'none'`; the one style and the one script are admitted by their hashes. So no
        element carries a style of its own, and a page that somebody mails can load nothing and send nothing.
Rule 2: it follows the reader: light or dark, wide or narrow, on a screen or on paper, which is light.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from ..chart import CHART, Row, State
from . import svg
from .paint import MONO, PALETTE, clean, dark_rules

FONT: Final = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', 'Liberation Sans', Arial, system-ui, sans-serif"

_NAMES: Final = (
    "page", "ink", "text", "muted", "line", "panel", "panel-line", "start", "start-line", "busy", "busy-line", "good",
    "good-line", "end", "end-line", "enter-text", "fail", "fail-text", "hot", "on-hot", "missed", "current",
    "band-start", "band-busy", "band-good", "band-bad",
)  # fmt: skip


def _colours(side: int) -> str:
    return "".join(f"--{name}:{PALETTE[name][side]};" for name in _NAMES)


STYLE: Final = f"""
:root{{color-scheme:light dark;{_colours(0)}}}
@media screen and (prefers-color-scheme:dark){{:root{{{_colours(1)}}}{dark_rules("svg")}}}
*{{box-sizing:border-box}}
html{{-webkit-text-size-adjust:100%}}
body{{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 {FONT};font-feature-settings:"cv11","ss01"}}
main{{max-width:1180px;margin:0 auto;padding:32px 28px 56px}}
h1{{font-size:23px;line-height:1.25;letter-spacing:-.01em;margin:0}}
h2{{font-size:12px;letter-spacing:.08em;text-transform:uppercase;font-weight:650;color:var(--muted);margin:34px 0 10px}}
h3{{font-size:16px;margin:0 0 2px}}
p{{margin:0 0 10px;max-width:74ch;color:var(--text)}}
a{{color:var(--hot)}}
code,.mono{{font-family:{MONO};font-size:.92em}}
.card{{border:1px solid var(--line);border-radius:14px;padding:14px;overflow-x:auto;background:var(--page)}}
.card svg{{display:block;width:100%;height:auto;min-width:690px}}
table{{border-collapse:collapse;width:100%;font-size:14px}}
td:not(:last-child){{white-space:nowrap}}
.wide{{overflow-x:auto}}
th,td{{text-align:left;vertical-align:top;padding:7px 14px 7px 0;border-bottom:1px solid var(--line)}}
th{{font-size:12.5px;color:var(--muted);font-weight:600}}
:focus-visible{{outline:2px solid var(--hot);outline-offset:3px;border-radius:6px}}
@media (max-width:720px){{.card svg{{min-width:820px}}}}
@media (max-width:640px){{main{{padding:22px 16px 40px}}h1{{font-size:20px}}.card{{padding:8px;border-radius:10px}}}}
@media print{{.card{{overflow:visible;break-inside:avoid}}.card svg{{min-width:0}}main{{max-width:none;padding:0}}}}
"""


def page(title: str, body: str, *, style: str = "", script: str = "") -> str:
    """`body` as a whole HTML file. `style` comes after the style of all pages; `script` runs when it is read."""
    css = STYLE + style
    policy = ["default-src 'none'", f"style-src {_hash(css)}", "base-uri 'none'", "form-action 'none'"]
    if script:
        policy.append(f"script-src {_hash(script)}")
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{"; ".join(policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{clean(title)}</title>",
        f"<style>{css}</style>",
        "</head>",
        "<body>",
        body.rstrip("\n"),
        *([f"<script>{script}</script>"] if script else []),
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def render(chart: tuple[Row, ...] = CHART, *, current: State | None = None, title: str = "A login") -> str:
    """The chart as a page of its own."""
    drawing = svg.render(chart, theme="page", current=current, title=title, id="chart")
    lit = f"<p>Now: <strong>{current}</strong></p>\n" if current else ""
    return page(title, f'<main>\n<h1>{clean(title)}</h1>\n{lit}<div class="card">{drawing}</div>\n</main>')


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
