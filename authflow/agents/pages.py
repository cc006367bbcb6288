"""The page a browser shows when a login comes back: its true outcome, on one card, without foreign parts.

Rule 1: every text is escaped and made printable; a provider's words never become markup or a link.
Rule 2: nothing is loaded. The Content-Security-Policy allows this file's one style and its two scripts, by
their hashes. A script takes code and state out of the address bar and the history entry (RFC 9700 §4.3.1); the second
one closes the window too.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from html import escape

from ..errors import printable
from .base import Page

DEFAULT_HINT = "You can close this tab and return to the application."

SCRIPT = 'history.replaceState(null,"",location.pathname)'
CLOSING_SCRIPT = f"{SCRIPT};window.close()"

STYLE = """
:root{color-scheme:light dark;--paper:#f5f6f9;--card:#fff;--edge:#e4e7ee;--ink:#161a24;--soft:#5b6475;
--tone:#12805c;--glow:#12805c1f;--shade:0 1px 2px #1018280a,0 18px 48px -12px #10182826}
.failure{--tone:#c2343f;--glow:#c2343f1f}.neutral{--tone:#3d63c9;--glow:#3d63c91f}
@media(prefers-color-scheme:dark){:root{--paper:#0e1117;--card:#171b24;--edge:#272d3a;--ink:#edf0f6;--soft:#9aa4b8;
--tone:#3ecf9b;--glow:#3ecf9b24;--shade:0 1px 2px #0006,0 24px 56px -16px #000a}
.failure{--tone:#ff7a80;--glow:#ff7a8024}.neutral{--tone:#8daaff;--glow:#8daaff24}}
*{box-sizing:border-box;margin:0}
body{min-height:100vh;min-height:100svh;display:grid;place-items:center;padding:24px;background:
radial-gradient(60rem 32rem at 50% -12rem,var(--glow),transparent),var(--paper);color:var(--ink);
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;-webkit-font-smoothing:antialiased}
main{width:100%;max-width:27rem;padding:44px 36px 32px;text-align:center;background:var(--card);
border:1px solid var(--edge);border-radius:20px;box-shadow:var(--shade);overflow-wrap:anywhere}
svg{display:block;width:72px;height:72px;margin:0 auto 24px;border-radius:50%;background:var(--glow);
color:var(--tone);fill:none;stroke:currentColor;stroke-width:2.6;stroke-linecap:round;stroke-linejoin:round}
h1{font-size:1.5rem;line-height:1.25;font-weight:650;letter-spacing:-.015em;text-wrap:balance}
h1+p{margin-top:10px;color:var(--soft);text-wrap:pretty}
.hint{margin-top:28px;padding-top:22px;border-top:1px solid var(--edge);font-size:.9375rem;color:var(--soft);
text-wrap:pretty}
nav{display:grid;gap:10px;margin-top:26px}
nav a{padding:11px 18px;border:1px solid var(--edge);border-radius:12px;color:var(--ink);font-weight:550;
text-decoration:none}
nav a:first-child{background:var(--ink);border-color:var(--ink);color:var(--card)}
nav a:hover{text-decoration:underline;text-underline-offset:3px}
nav a:focus-visible{outline:3px solid var(--tone);outline-offset:3px}
.label{display:inline-block;max-width:100%;margin-bottom:20px;padding:3px 12px;border:1px solid var(--edge);
border-radius:99px;font-size:.8125rem;font-weight:550;color:var(--soft)}
path{stroke-dasharray:40;animation:draw .5s .1s ease-out backwards}
@keyframes draw{from{stroke-dashoffset:40}}
@media(prefers-reduced-motion:reduce){path{animation:none}}
@media(max-width:26rem){main{padding:36px 22px 26px}}
@media(forced-colors:active){main,.label{border:1px solid}}
"""

_MARKS = {
    "success": ("Success", "M14.5 24.8l6.4 6.4 13-14"),
    "failure": ("Failure", "M17 17l14 14M31 17l-14 14"),
    "neutral": ("Information", "M15 24h17M25 16.5l7.5 7.5-7.5 7.5"),
}

_DOCUMENT = """<!doctype html>
<html lang="en" class="{tone}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<link rel="icon" href="data:,">
<title>{head}</title>
<style>{style}</style>
<script>{script}</script>
</head>
<body>
<main>
{label}<svg viewBox="0 0 48 48" role="img" aria-label="{meaning}"><path d="{mark}"/></svg>
<h1>{title}</h1>
<p>{text}</p>
{onward}<p class="hint">{hint}</p>
</main>
</body>
</html>
"""


def _hashed(source: str) -> str:
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {_hashed(STYLE)}; script-src {_hashed(SCRIPT)} {_hashed(CLOSING_SCRIPT)}; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# The application's own page may style and script itself, and show pictures. It may load no foreign script
# and call nobody: its address still holds the code.
APPLICATION_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: 'self'; "
    "font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def render(page: Page, provider_label: str = "") -> bytes:
    """The page as a whole UTF-8 HTML document; `page.html`, if it has one and is ok."""
    if page.ok and page.html is not None:
        return page.html.encode("utf-8", "replace")

    tone = "neutral" if page.neutral else "success" if page.ok else "failure"
    meaning, mark = _MARKS[tone]
    label, title = _shown(provider_label), _shown(page.title)
    return _DOCUMENT.format(
        tone=tone,
        head=f"{title} · {label}" if label else title,
        style=STYLE,
        script=CLOSING_SCRIPT if page.closes else SCRIPT,
        label=f'<p class="label">{label}</p>\n' if label else "",
        meaning=meaning,
        mark=mark,
        title=title,
        text=_shown(page.text),
        onward=_links(page.onward),
        hint=_shown(page.hint or DEFAULT_HINT),
    ).encode()


def headers(page: Page) -> list[tuple[str, str]]:
    """The response headers that belong to `render(page)`; Content-Length is the sender's."""
    own = page.ok and page.html is not None
    return [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", APPLICATION_CONTENT_SECURITY_POLICY if own else CONTENT_SECURITY_POLICY),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ]


def _links(onward: Sequence[tuple[str, str]]) -> str:
    links = "".join(f'<a href="{escape(url, quote=True)}">{_shown(words)}</a>' for words, url in onward)
    return f"<nav>{links}</nav>\n" if links else ""


def _shown(text: str) -> str:
    return escape(printable(text), quote=True)
