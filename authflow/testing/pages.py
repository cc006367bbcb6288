"""The development provider's HTML: sign in, consent, a message, and the form that posts a response.

Rule 1: whatever comes from a request or a user is escaped, here and nowhere else.
Rule 2: a page loads nothing. Its one style sheet (and, for `form_post`, its one line of script) is allowed by
        hash; `form-action` names where the form and the redirect after it may go, because browsers apply it to both.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape
from urllib.parse import urlsplit

from .grants import DevUser

SCOPE_MEANINGS = {
    "openid": ("Know who you are", "A stable identifier, and nothing else"),
    "profile": ("See your profile", "Your name and user name"),
    "email": ("See your e-mail address", "And whether it was verified"),
    "groups": ("See your groups", "The teams and roles you belong to"),
    "offline_access": ("Stay signed in", "Renew access while you are away"),
    "user:email": ("See your e-mail addresses", "The private ones too"),
    "read:user": ("See your profile", "Your name and user name"),
    "read:org": ("See your teams", "And the organizations they belong to"),
}

STYLE = """
:root{color-scheme:light dark;--page:#f3f4f8;--glow:rgba(79,70,229,.13);--card:#fff;--line:#e3e5ee;--ink:#15172a;
--soft:#5a6079;--brand:#4f46e5;--brand-ink:#fff;--brand-deep:#4338ca;--hover:#f6f6fd;--note:#fff7e6;
--note-ink:#7a4b00;
--note-line:#f3ddb0;--good:#0f7a4f;--good-wash:#e6f5ee;
--shade:0 1px 2px rgba(20,22,50,.06),0 18px 48px -16px rgba(20,22,50,.22)}
.teal{--brand:#0f766e;--brand-deep:#115e59;--glow:rgba(15,118,110,.14);--hover:#f2f9f8}
.rose{--brand:#be185d;--brand-deep:#9d174d;--glow:rgba(190,24,93,.12);--hover:#fdf4f8}
.slate{--brand:#24292f;--brand-deep:#0d1117;--glow:rgba(36,41,47,.11);--hover:#f5f6f8}
@media (prefers-color-scheme:dark){
:root{--page:#0c0d14;--glow:rgba(129,120,255,.17);--card:#161823;--line:#2a2d3d;--ink:#eef0fa;--soft:#a0a6c0;
--brand:#a5a0ff;--brand-ink:#12122b;--brand-deep:#bdb9ff;--hover:#1e2030;--note:#2a2110;--note-ink:#f2c879;
--note-line:#4a3a17;
--good:#6ee0ae;--good-wash:#12291f;--shade:0 0 0 1px rgba(255,255,255,.02),0 24px 64px -20px #000}
.teal{--brand:#5eead4;--brand-ink:#06201d;--brand-deep:#8ff3e3;--glow:rgba(45,212,191,.13);--hover:#162422}
.rose{--brand:#f9a8d4;--brand-ink:#300a1d;--brand-deep:#fbc4e2;--glow:rgba(244,114,182,.13);--hover:#251a23}
.slate{--brand:#e6edf3;--brand-ink:#0d1117;--brand-deep:#fff;--glow:rgba(180,190,205,.10);--hover:#1d2029}
}
*{box-sizing:border-box}
html{height:100%}
body{margin:0;min-height:100%;display:flex;flex-direction:column;align-items:center;
padding:clamp(20px,6vh,72px) 16px 28px;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans","Helvetica Neue",Arial,sans-serif;
color:var(--ink);
background:radial-gradient(60rem 30rem at 50% -8rem,var(--glow),transparent 70%) no-repeat var(--page);
-webkit-font-smoothing:antialiased}
main{width:100%;max-width:27rem;background:var(--card);border:1px solid var(--line);border-radius:20px;
box-shadow:var(--shade);
padding:32px;overflow-wrap:anywhere}
.brand{display:flex;align-items:center;gap:10px;font-weight:600;font-size:.94rem;letter-spacing:-.005em;
margin:0 0 26px}
.mark{flex:none;width:34px;height:34px;border-radius:10px;background:var(--brand);color:var(--brand-ink);
display:grid;place-items:center}
h1{font-size:1.5rem;line-height:1.25;letter-spacing:-.02em;font-weight:650;margin:0 0 6px;text-wrap:balance}
.lead{color:var(--soft);margin:0 0 22px}
.lead strong{color:var(--ink);font-weight:600}
form{margin:0}
ul{list-style:none;margin:0;padding:0}
.people{display:grid;gap:10px}
.person{width:100%;display:flex;align-items:center;gap:14px;text-align:left;padding:12px 14px;
border:1px solid var(--line);
border-radius:14px;background:transparent;color:inherit;font:inherit;cursor:pointer;
transition:border-color .12s,background-color .12s}
.person:hover{border-color:var(--brand);background:var(--hover)}
.person svg{margin-left:auto;flex:none;color:var(--soft);transition:transform .12s}
.person:hover svg{transform:translateX(3px);color:var(--brand)}
.hinted{border-color:var(--brand);background:var(--hover)}
.face{flex:none;width:40px;height:40px;border-radius:50%;display:grid;place-items:center;font-weight:600;
font-size:.88rem;
letter-spacing:.02em;color:#fff;background:#5b54e8}
.face.b{background:#0c7d74}.face.c{background:#b4305f}.face.d{background:#a35200}.face.e{background:#2a66c8}
.who{min-width:0;display:block}
.name{font-weight:600;display:block;line-height:1.35}
.mail{color:var(--soft);font-size:.88rem;display:block;line-height:1.4}
.chip{display:flex;align-items:center;gap:12px;border:1px solid var(--line);border-radius:14px;padding:10px 14px;
margin:0 0 22px}
.chip .face{width:34px;height:34px;font-size:.78rem}
.scopes{display:grid;gap:14px;margin:0 0 26px}
.scopes li{display:flex;gap:12px}
.tick{flex:none;width:24px;height:24px;border-radius:50%;background:var(--good-wash);color:var(--good);
display:grid;place-items:center;margin-top:1px}
.scopes .what{display:block;font-weight:550;line-height:1.4}
.scopes .why{display:block;color:var(--soft);font-size:.88rem;line-height:1.4}
.why code{white-space:nowrap;padding:1px 6px;border-radius:6px;background:var(--hover);border:1px solid var(--line)}
code{font:500 .86em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.answers{display:grid;grid-template-columns:1fr 1fr;gap:12px}
.one{grid-template-columns:1fr}
.button{font:inherit;font-weight:600;min-height:48px;padding:10px 18px;border-radius:12px;
border:1px solid var(--line);background:transparent;
color:inherit;cursor:pointer;transition:background-color .12s,border-color .12s}
.button:hover{background:var(--hover);border-color:var(--soft)}
.go{background:var(--brand);border-color:var(--brand);color:var(--brand-ink)}
.go:hover{background:var(--brand-deep);border-color:var(--brand-deep)}
a.button{display:grid;place-items:center;text-decoration:none}
.field{display:block;margin:0 0 22px;color:var(--soft);font-size:.88rem}
.code{display:block;width:100%;min-height:56px;margin-top:6px;padding:10px 16px;border:1px solid var(--soft);
border-radius:12px;background:transparent;color:var(--ink);text-align:center;text-transform:uppercase;letter-spacing:.12em;
font:600 1.25rem/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.quiet{display:block;width:100%;margin:16px 0 0;border:0;background:transparent;color:var(--soft);font:inherit;
font-weight:550;
min-height:40px;border-radius:12px;cursor:pointer}
.quiet:hover{color:var(--ink);background:var(--hover)}
.back{color:var(--soft);font-size:.85rem;margin:16px 0 0;text-align:center}
.said{border:1px solid var(--line);border-radius:14px;padding:14px 16px;margin:0}
.said dt{color:var(--soft);font-size:.8rem}
.said dd{margin:0 0 10px}
.said dd:last-child{margin:0}
button:focus-visible,a:focus-visible,input:focus-visible{outline:3px solid var(--brand);outline-offset:3px}
.note{width:100%;max-width:27rem;margin:18px 0 0;display:flex;gap:10px;align-items:center;justify-content:center;
font-size:.86rem;font-weight:550;
color:var(--note-ink);background:var(--note);border:1px solid var(--note-line);border-radius:14px;padding:10px 16px}
.note svg{flex:none}
@media (max-width:26rem){main{padding:24px 20px;border-radius:16px}}
@media (prefers-reduced-motion:reduce){*{transition:none!important}}
"""
SCRIPT = "document.forms[0].submit()"



def _svg(size: int, width: str, path: str) -> str:
    return (
        f'<svg width="{size}" height="{size}" viewBox="0 0 24 24" fill="none" stroke="currentColor" '
        f'stroke-width="{width}" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{path}</svg>'
    )


_KEY = _svg(20, "2", '<circle cx="8" cy="15" r="4.5"/><path d="M11.4 11.6 20 3m-3.5 3.5 3 3M13.8 9.2l2 2"/>')
_NEXT = _svg(18, "2.2", '<path d="m9 5 7 7-7 7"/>')
_TICK = _svg(14, "3", '<path d="m5 13 4.5 4.5L19 7.5"/>')
_FLASK = _svg(
    17, "2", '<path d="M9 3h6M10 3v6.5L4.6 18a2 2 0 0 0 1.7 3h11.4a2 2 0 0 0 1.7-3L14 9.5V3M7.5 14.5h9"/>'
)
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' "
    "height='32' rx='9' fill='%234f46e5'/%3E%3Cg fill='none' stroke='white' stroke-width='2.6' "
    "stroke-linecap='round'%3E%3Cpath d='M15 17 24 8m-4 4 3 3'/%3E%3Ccircle cx='12' cy='20' r='5'/%3E%3C/g%3E%3C/svg%3E"
)
_TINTS = ("indigo", "teal", "rose")  # "slate" is for the GitHub-like one


def login_page(
    label: str, client: str, users: Iterable[DevUser], action: str, transaction: str, hint: str = "", tint: str = ""
) -> str:
    """Choose who to sign in as; the hinted account stands first."""
    ordered = sorted(users, key=lambda user: hint not in (user.login, user.email))
    people = "".join(
        f'<li><button class="person{" hinted" if hint in (user.login, user.email) else ""}" name="login" '
        f'value="{escape(user.login)}">{_face(user)}<span class="who"><span class="name">{escape(user.name)}</span>'
        f'<span class="mail">{escape(user.email)}</span></span>{_NEXT}</button></li>'
        for user in ordered
    )
    return _page(
        "Sign in",
        label,
        f'<h1>Choose an account</h1><p class="lead">to continue to <strong>{escape(client)}</strong></p>'
        f'<form method="post" action="{escape(action)}">{_hidden({"transaction": transaction})}'
        f'<ul class="people">{people}</ul>'
        '<button class="quiet" name="answer" value="deny">Cancel</button></form>',
        tint,
    )


def consent_page(
    label: str,
    client: str,
    user: DevUser,
    scopes: Sequence[str],
    action: str,
    transaction: str,
    returns_to: str,
    tint: str = "",
) -> str:
    """Allow or deny what the client asks for."""
    wanted = "".join(_scope(scope) for scope in scopes) or _scope("")
    return _page(
        "Allow access",
        label,
        f"<h1>{escape(client)} wants to use your account</h1>"
        f'<p class="lead">It will be able to do the following.</p>'
        f'<div class="chip">{_face(user)}<span class="who"><span class="name">{escape(user.name)}</span>'
        f'<span class="mail">{escape(user.email)}</span></span></div>'
        f'<ul class="scopes">{wanted}</ul>'
        f'<form method="post" action="{escape(action)}">{_hidden({"transaction": transaction})}'
        '<div class="answers"><button class="button" name="answer" value="deny">Deny</button>'
        '<button class="button go" name="answer" value="allow">Allow</button></div></form>'
        f'<p class="back">Either way you go back to {escape(returns_to)}</p>',
        tint,
    )


def enter_code_page(label: str, action: str, problem: str = "", tint: str = "") -> str:
    """Where the code of another device is entered (RFC 8628 §3.3)."""
    lead = problem or "Enter the code that your other device shows."
    return _page(
        "Connect a device",
        label,
        f'<h1>Connect a device</h1><p class="lead">{escape(lead)}</p>'
        f'<form method="post" action="{escape(action)}">'
        '<label class="field">Code<input class="code" name="user_code" autocomplete="off" autocapitalize="characters" '
        'required></label><div class="answers one"><button class="button go">Continue</button></div></form>',
        tint,
    )


def sign_out_page(label: str, action: str, transaction: str, tint: str = "") -> str:
    """Asks whether to sign out, when no ID token says who asks (RP-Initiated Logout §2)."""
    return _page(
        "Sign out",
        label,
        '<h1>Sign out?</h1><p class="lead">An application asks to end your session here.</p>'
        f'<form method="post" action="{escape(action)}">{_hidden({"transaction": transaction})}'
        '<div class="answers"><button class="button" name="answer" value="deny">Stay</button>'
        '<button class="button go" name="answer" value="sign_out">Sign out</button></div></form>',
        tint,
    )


def message_page(label: str, title: str, text: str, said: Mapping[str, str] | None = None, tint: str = "") -> str:
    """The end of the road: signed out, or an error that must not be sent to the redirect URI."""
    body = f'<h1>{escape(title)}</h1><p class="lead">{escape(text)}</p>'
    if said:
        rows = (f"<dt>{escape(name)}</dt><dd><code>{escape(value)}</code></dd>" for name, value in said.items())
        body += f'<dl class="said">{"".join(rows)}</dl>'
    return _page(title, label, body, tint)


def signed_out_page(label: str, frames: Iterable[str], target: str, tint: str = "") -> str:
    """The end of the road, with a frame for each application that wants to be told (Front-Channel Logout §2)."""
    loaded = "".join(f'<iframe src="{escape(url)}" title="Signing out" hidden></iframe>' for url in frames)
    onward = f'<p><a class="button go" href="{escape(target)}">Continue</a></p>' if target else ""
    lead = '<p class="lead">Here, and where you were signed in with this.</p>'
    body = f"<h1>You are signed out</h1>{lead}{onward}{loaded}"
    return _page("You are signed out", label, body, tint)


def form_post_page(label: str, action: str, params: Iterable[tuple[str, str]], tint: str = "") -> str:
    """OAuth 2.0 Form Post Response Mode: posts itself, or by its button where no script runs."""
    return _page(
        "Going back",
        label,
        '<h1>Going back…</h1><p class="lead">If nothing happens, continue by hand.</p>'
        f'<form method="post" action="{escape(action)}">{_hidden(params)}'
        '<div class="answers one"><button class="button go">Continue</button></div></form>'
        f"<script>{SCRIPT}</script>",
        tint,
    )


def page_headers(*goes_to: str, script: bool = False, frames: Iterable[str] = ()) -> dict[str, str]:
    """The headers of every page. `goes_to` are URLs that the form, or the redirect after it, leads to; `frames` those
    that it loads in a frame."""
    targets = " ".join(dict.fromkeys(["'self'", *(source for url in goes_to if (source := _source(url)))]))
    framed = " ".join(dict.fromkeys(source for url in frames if (source := _source(url))))
    policy = (
        f"default-src 'none'; style-src '{_digest(STYLE)}'; img-src data:; form-action {targets}; "
        f"base-uri 'none'; frame-ancestors 'none'"
        + (f"; frame-src {framed}" if framed else "")
        + (f"; script-src '{_digest(SCRIPT)}'" if script else "")
    )
    return {
        "content-security-policy": policy,
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }


def tint_of(label: str) -> str:
    """One of three colours, the same for the same label, so that two providers side by side look different."""
    return _TINTS[sha256(label.encode()).digest()[0] % len(_TINTS)]


def _page(title: str, label: str, body: str, tint: str) -> str:
    return (
        f'<!doctype html><html lang="en" class="{escape(tint)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="robots" content="noindex">'
        f'<title>{escape(title)} · {escape(label)}</title><link rel="icon" href="{_ICON}"><style>{STYLE}</style></head>'
        f'<body><main><p class="brand"><span class="mark">{_KEY}</span>{escape(label)}</p>{body}</main>'
        f'<footer class="note">{_FLASK}Development provider: no real accounts here</footer></body></html>'
    )


def _hidden(params: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    pairs = params.items() if isinstance(params, Mapping) else params
    return "".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">' for name, value in pairs)


def _face(user: DevUser) -> str:
    words = [word.strip("<>\"'.,()") for word in user.name.split()]
    initials = "".join(word[0] for word in words if word)[:2].upper() or "?"
    return f'<span class="face {"abcde"[(user.number >> 6) % 5]}" aria-hidden="true">{escape(initials)}</span>'


def _scope(scope: str) -> str:
    what, why = SCOPE_MEANINGS.get(scope, ("Use a permission of its own", "") if scope else ("Sign you in", ""))
    named = f"<code>{escape(scope)}</code>" if scope else ""
    detail = " ".join(part for part in (escape(why), named) if part)
    text = f'<span class="what">{what}</span><span class="why">{detail}</span>'
    return f'<li><span class="tick">{_TICK}</span><span>{text}</span></li>'


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode()).digest()).decode()


def _source(url: str) -> str:
    """A URL as a CSP source: its origin, or its scheme when it is an application's own."""
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        # CSP cannot name an IPv6 literal; the scheme is the narrowest that works.
        return f"{parts.scheme}:" if "[" in parts.netloc else f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"
