"""Traces as a recorder writes them, by hand: a login, one that fails, a renewal, and one that another process won."""

from __future__ import annotations

from msgspec.structs import replace

from authflow.errors import ErrorInfo
from authflow.trace.story import (
    APPLICATION,
    PROVIDER,
    Call,
    Check,
    Decision,
    Given,
    Hop,
    Shape,
    Story,
    Trace,
    Transition,
    Wait,
)

BEGAN = 1_764_340_000.25
HOST = "accounts.example.com"

WAITING = Shape(state="authorizing", since=BEGAN, pending=(("5f1c09ab", BEGAN + 600.0),))
EXCHANGING = Shape(state="exchanging", since=BEGAN + 2.13, attempt="5f1c09ab", deadline=BEGAN + 62.13)
LIVE = Shape(
    state="authenticated", since=BEGAN + 2.411, epoch=1, generation=1, who="•••b07d", has_token=True,
    has_refresh_token=True, expires_in=3600.0, expires_at=BEGAN + 3602.34, signed_in_at=BEGAN + 2.411,
)  # fmt: skip

_BEGIN = (
    Transition(
        0.0, "authorize", "idle", "authorizing",
        given=Given(BEGAN, pending=("5f1c09ab", BEGAN + 600.0)), before=Shape(), after=WAITING,
    ),
    Call(
        0.0004, "GET", HOST, "/.well-known/openid-configuration", 0.0026, sent={"accept": "application/json"},
        status=200, got={"content-type": "application/json", "cache-control": "max-age=300"}, size=1841,
    ),
    Hop(
        0.0034, APPLICATION, PROVIDER, "authorization request", host=HOST, path="/authorize",
        params={
            "response_type": "code", "client_id": "app-7", "redirect_uri": "http://127.0.0.1:51234/callback",
            "scope": "openid email profile", "state": "•••7f3a", "nonce": "•••e09d", "code_challenge": "•••c91e",
            "code_challenge_method": "S256",
        },
    ),
    Wait(0.0034, 2.1176, "human"),
)  # fmt: skip

_CALLBACK = (
    Hop(
        2.121, PROVIDER, APPLICATION, "authorization response", host="127.0.0.1", path="/callback",
        params={"code": "•••40d1", "state": "•••7f3a", "iss": f"https://{HOST}"},
    ),
    Check(2.1212, "state", True, "callback", "•••7f3a", "•••7f3a"),
    Check(2.1214, "iss", True, "callback", f"https://{HOST}", f"https://{HOST}"),
    Transition(
        2.13, "callback", "authorizing", "exchanging", origin="provider",
        given=Given(BEGAN + 2.13, attempt="5f1c09ab", deadline=BEGAN + 62.13), after=EXCHANGING,
    ),
    Call(
        2.133, "POST", HOST, "/token", 0.182,
        sent={
            "grant_type": "authorization_code", "code": "•••40d1", "redirect_uri": "http://127.0.0.1:51234/callback",
            "code_verifier": "•••5a6f", "authorization": "Basic •••",
        },
        status=200,
        got={
            "access_token": "•••91bb", "token_type": "Bearer", "expires_in": "3600", "refresh_token": "•••08c4",
            "scope": "openid email profile",
            "id_token": "JWT alg=RS256 kid=•••e1f0 typ=JWT, claims: iss sub aud exp iat nonce at_hash email",
        },
        size=1672,
    ),
    Call(
        2.319, "GET", HOST, "/jwks.json", 0.041, status=200, got={"content-type": "application/json"}, size=812
    ),
    Check(2.404, "alg", True, "ID token", "RS256", "RS256"),
    Check(2.405, "signature", True, "ID token"),
    Check(2.4051, "iss", True, "ID token", f"https://{HOST}", f"https://{HOST}"),
    Check(2.4052, "aud", True, "ID token", "app-7", "app-7"),
)  # fmt: skip

LOGIN = Trace(
    stories=(
        Story(
            id="5f1c09ab", kind="login", provider="acme", began=BEGAN, label="Acme", host=HOST, session="s•••d2a9",
            process="4be1c07d", flow="authorization code, PKCE", outcome="authenticate",
            steps=(
                *_BEGIN, *_CALLBACK,
                Check(2.4054, "nonce", True, "ID token", "•••e09d", "•••e09d"),
                Check(2.4055, "at_hash", True, "ID token"),
                Check(2.4056, "exp", True, "ID token"),
                Transition(
                    2.411, "authenticate", "exchanging", "authenticated", live=True, origin="provider",
                    given=Given(BEGAN + 2.411, attempt="5f1c09ab", tokens=LIVE), after=LIVE,
                ),
            ),
        ),
    )
)  # fmt: skip

_WRONG_NONCE = ErrorInfo(
    code="validation_failed", message="The ID token's nonce is not that of this login.",
    hint="The answer may be another login's; begin again.", phase="validate", check="nonce",
)  # fmt: skip

FAILED_LOGIN = Trace(
    stories=(
        Story(
            id="5f1c09ab", kind="login", provider="acme", began=BEGAN, label="Acme", host=HOST, session="s•••d2a9",
            process="4be1c07d", flow="authorization code, PKCE", outcome="fail",
            steps=(
                *_BEGIN, *_CALLBACK,
                Check(2.4054, "nonce", False, "ID token", "•••e09d", "•••3c11", str(_WRONG_NONCE)),
                Transition(
                    2.411, "fail", "exchanging", "idle", origin="provider", reason="failed", error=_WRONG_NONCE,
                    given=Given(BEGAN + 2.411, attempt="5f1c09ab"),
                    after=Shape(since=BEGAN + 2.411, reason="failed", error="validation_failed"),
                ),
                Call(
                    2.414, "POST", HOST, "/revoke", 0.012, status=200,
                    sent={"token": "•••08c4", "token_type_hint": "refresh_token"},
                ),
            ),
        ),
    )
)  # fmt: skip

_RENEWS = BEGAN + 3300.0
_CLAIMED = Shape(
    state="refreshing", since=_RENEWS + 0.002, epoch=1, generation=1, who="•••b07d", has_token=True,
    has_refresh_token=True, expires_in=3600.0, expires_at=BEGAN + 3602.34,
    signed_in_at=BEGAN + 2.411, deadline=_RENEWS + 25.0,
    refresher="4be1c07d", claim=(_RENEWS + 0.002, 0),
)  # fmt: skip
_RENEWED = Shape(
    state="authenticated", since=_RENEWS + 0.051, epoch=1, generation=2, who="•••b07d", has_token=True,
    has_refresh_token=True, expires_in=3600.0, expires_at=_RENEWS + 3600.05, signed_in_at=BEGAN + 2.411,
    refreshed_at=_RENEWS + 0.051, refresher="4be1c07d",
)  # fmt: skip
_VIEW = {
    "rotation": "strict", "same": True, "newer": False, "renewable": True, "held": False, "left": None, "retries": 0,
    "token_lives": True,
}  # fmt: skip

REFRESH = Trace(
    stories=(
        Story(
            id="a3d90e17", kind="refresh", provider="acme", began=_RENEWS, label="Acme", host=HOST, session="s•••d2a9",
            process="4be1c07d", flow="refresh token", outcome="refreshed",
            steps=(
                Decision(0.001, "before_sending", "claim", _VIEW),
                Transition(
                    0.002, "refresh", "authenticated", "refreshing", live=True, origin="clock",
                    given=Given(
                        _RENEWS + 0.002, epoch=1, generation=1, deadline=_RENEWS + 25.0, refresher="4be1c07d",
                        claim=(_RENEWS + 0.002, 0),
                    ),
                    before=LIVE, after=_CLAIMED,
                ),
                Call(
                    0.003, "POST", HOST, "/token", 0.047,
                    sent={"grant_type": "refresh_token", "refresh_token": "•••11d8", "authorization": "Basic •••"},
                    status=200,
                    got={
                        "access_token": "•••77e0", "token_type": "Bearer", "expires_in": "3600",
                        "refresh_token": "•••b9c2", "scope": "openid email profile",
                    },
                    size=611,
                ),
                Transition(
                    0.051, "refreshed", "refreshing", "authenticated", live=True, origin="provider",
                    given=Given(_RENEWS + 0.051, epoch=1, tokens=_RENEWED), after=_RENEWED,
                ),
            ),
        ),
    )
)  # fmt: skip

REFRESH_ELSEWHERE = Trace(
    stories=(
        Story(
            id="c81f55d0", kind="refresh", provider="acme", began=_RENEWS, label="Acme", host=HOST, session="s•••d2a9",
            process="77aa0c3e", flow="refresh token", outcome="adopt",
            steps=(
                Transition(
                    0.0004, "refresh", "authenticated", "refreshing", live=True, origin="other_process",
                    process="4be1c07d",
                    given=Given(
                        _RENEWS + 0.0004, deadline=_RENEWS + 25.0, refresher="4be1c07d", claim=(_RENEWS + 0.002, 0),
                        stored=_CLAIMED,
                    ),
                    before=LIVE, after=replace(_CLAIMED, since=_RENEWS + 0.0004),
                ),
                Decision(0.001, "before_sending", "wait", {**_VIEW, "held": True, "left": 0.0}),
                Wait(0.001, 0.1, "other_process"),
                Transition(
                    0.1012, "adopt", "refreshing", "authenticated", live=True, origin="other_process",
                    process="4be1c07d", given=Given(_RENEWS + 0.1012, stored=_RENEWED),
                    after=replace(_RENEWED, since=_RENEWS + 0.1012),
                ),
                Decision(0.1015, "before_sending", "adopt", {**_VIEW, "newer": True}),
            ),
        ),
    )
)  # fmt: skip

SESSION = Trace(stories=(*LOGIN.stories, *REFRESH.stories))
EXAMPLES = {
    "login": LOGIN,
    "failed_login": FAILED_LOGIN,
    "refresh": REFRESH,
    "refresh_elsewhere": REFRESH_ELSEWHERE,
    "session": SESSION,
}
