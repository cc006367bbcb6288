"""What goes over the wire in each flow: one sequence for each, with the names that the specifications use.

Values are left out where they are secret or new every time; the band is the chart's state. The tests run the flows
that the development provider has, and compare what it was asked with what is drawn here.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from .sequence import Check, Lane, Message, Sequence

BROWSER: Final = Lane("browser", "Browser")
APP: Final = Lane("app", "Application · authflow")
STORE: Final = Lane("store", "Store")
PROVIDER: Final = Lane("provider", "Provider")
OTHER: Final = Lane("other", "Another process")
API: Final = Lane("api", "API")
DEVICE: Final = Lane("browser", "Phone or other screen")


class Flow(NamedTuple):
    """A sequence with its place in the documentation: what it is for, and where it is specified."""

    name: str
    sequence: Sequence
    about: str
    specified: str


def flow(
    name: str, title: str, lanes: tuple[Lane, ...], about: str, specified: str, *parts: tuple[str, tuple[Message, ...]]
) -> Flow:
    messages = tuple(message._replace(band=band) for band, said in parts for message in said)
    return Flow(name, Sequence(title, lanes, messages), about, specified)


def say(route: str, text: str, *detail: str, checks: str = "", failed: bool = False) -> Message:
    """`app>provider` for a request, `provider<app` … written `app<provider` for its answer, `app` for oneself."""
    reply = "<" in route
    ends = route.replace("<", ">").split(">")
    if reply:
        ends.reverse()
    return Message(
        ends[0], ends[-1], text, detail, reply, checks=tuple(map(Check, checks.split())), failed=failed
    )


_ID_TOKEN: Final = say("app", "verify the ID token", checks="signature iss aud nonce exp at_hash")
_DISCOVERY: Final = (
    say("app>provider", "GET …/openid-configuration"),
    say("app<provider", "200", "issuer", "endpoints"),
)
_SIGN_IN: Final = (
    say("provider", "the human signs in and consents"),
    say("browser<provider", "302 → redirect_uri", "code", "state", "iss"),
)
_TOKENS: Final = ("access_token", "expires_in", "refresh_token", "id_token")
_PROFILE: Final = (
    _ID_TOKEN,
    say("app>provider", "GET userinfo_endpoint", "Authorization: Bearer"),
    say("app<provider", "200", "sub", "name", "email"),
)
_AFTER: Final = (say("app>provider", "GET jwks_uri"), say("app<provider", "200", "keys"), *_PROFILE)
_EXCHANGE: Final = (
    say("app>provider", "POST token_endpoint", "grant_type=authorization_code", "code", "redirect_uri",
        "code_verifier"),
    say("app<provider", "200", *_TOKENS),
    *_AFTER,
)  # fmt: skip

FLOWS: Final[tuple[Flow, ...]] = (
    flow(
        "code-pkce", "A login on the user's machine", (BROWSER, APP, PROVIDER),
        "The system browser, a redirect to 127.0.0.1, and a code that is worth nothing without the verifier.",
        "RFC 6749 §4.1, RFC 7636, RFC 8252, RFC 9207, OpenID Connect Core",
        ("authorizing", (
            *_DISCOVERY,
            say("app>browser", "open authorization_endpoint", "response_type=code", "client_id", "scope", "state",
                "nonce", "code_challenge", "code_challenge_method=S256", "redirect_uri=http://127.0.0.1:port/callback/…"),
            say("browser>provider", "GET authorization_endpoint"),
            *_SIGN_IN,
            say("browser>app", "GET /callback/…", "code", "state", "iss", checks="host path state iss"),
        )),
        ("exchanging", _EXCHANGE),
        ("authenticated", (
            say("app", "stored, then told: on_login"),
            say("browser<app", "200", "a page that says who is signed in"),
        )),
    ),
    flow(
        "web", "A login in a web application", (BROWSER, APP, STORE, PROVIDER),
        "The callback may reach another process: the pending login lies in the store, under the hash of its state.",
        "RFC 6749 §4.1, RFC 7636, RFC 9207, OpenID Connect Core, RFC 9700 §4.7",
        ("authorizing", (
            say("browser>app", "GET /login/…"),
            *_DISCOVERY,
            say("app>store", "pending login", "hash of state", "hash of binding", "nonce", "code_verifier", "deadline"),
            say("browser<app", "303 → authorization_endpoint", "state", "nonce", "code_challenge",
                "Set-Cookie: __Host- binding"),
            say("browser>provider", "GET authorization_endpoint"),
            *_SIGN_IN,
            say("browser>app", "GET /callback/…", "code", "state", "iss", "Cookie: binding"),
            say("app>store", "take the pending login", "compare and swap", checks="state binding deadline once"),
        )),
        ("exchanging", _EXCHANGE),
        ("authenticated", (
            say("app>store", "the session", "compare and swap"),
            say("app", "on_login"),
            say("browser<app", "303 → the application", "Set-Cookie: a fresh owner"),
        )),
    ),
    flow(
        "refresh", "A refresh", (APP, STORE, PROVIDER),
        "Once, whoever asks: callers share one flight, processes a claim. What is not stored is not told.",
        "RFC 6749 §6, RFC 9700 §4.14, OpenID Connect Core §12.2",
        ("authenticated", (
            say("app", "the token is about to end", "one flight for all who ask"),
            say("app>store", "lock, read again", "newer: adopt it", "gone: signed out"),
        )),
        ("refreshing", (
            say("app>store", "claim", "epoch", "generation", "compare and swap"),
            say("app>provider", "POST token_endpoint", "grant_type=refresh_token", "refresh_token"),
            say("app<provider", "200", *_TOKENS),
            say("app", "verify the refreshed ID token", checks="iss sub aud azp auth_time"),
            say("app>store", "the new tokens, the claim cleared", "compare and swap"),
        )),
        ("authenticated", (say("app", "on_refresh"),)),
    ),
    flow(
        "refresh-elsewhere", "A refresh that another process won", (APP, STORE, OTHER, PROVIDER),
        "Two processes find the token about to end. One swap wins; the other adopts what the winner stored.",
        "RFC 6749 §6, RFC 9700 §4.14",
        ("authenticated", (
            say("app", "the token is about to end"),
            say("other>store", "claim", "compare and swap"),
            say("app>store", "claim", "compare and swap", failed=True),
            say("other>provider", "POST token_endpoint", "grant_type=refresh_token", "refresh_token"),
            say("other<provider", "200", *_TOKENS),
            say("other>store", "the new tokens, the claim cleared", "compare and swap"),
            say("app>store", "read again", checks="generation epoch iss sub"),
            say("app", "adopt: on_refresh", "origin: other_process"),
        )),
    ),
    flow(
        "logout", "Signing out", (BROWSER, APP, STORE, PROVIDER),
        "Here at once; then at the provider, each step for itself. What failed there is in the result.",
        "RFC 7009, OpenID Connect RP-Initiated Logout 1.0",
        ("logged_out", (
            say("app", "no token is given out any more: on_logout"),
            say("app>store", "a tombstone"),
            say("app>provider", "POST revocation_endpoint", "token", "token_type_hint=refresh_token"),
            say("app<provider", "200"),
            say("app>provider", "POST revocation_endpoint", "token", "token_type_hint=access_token"),
            say("app<provider", "200"),
            say("app>browser", "open end_session_endpoint", "id_token_hint", "post_logout_redirect_uri", "state"),
            say("browser>provider", "GET end_session_endpoint"),
            say("browser<provider", "302 → post_logout_redirect_uri", "state"),
        )),
    ),
    flow(
        "back-channel-logout", "Signed out by the provider", (BROWSER, APP, STORE, PROVIDER),
        "The human signed out somewhere else; the provider tells the application, past the browser.",
        "OpenID Connect Back-Channel Logout 1.0",
        ("authenticated", (
            say("browser>provider", "signs out at the provider"),
            say("provider>app", "POST backchannel_logout_uri", "logout_token"),
            say("app", "verify the logout token", checks="signature iss aud iat jti events sid no-nonce"),
        )),
        ("logged_out", (
            say("app>store", "a tombstone", "revoke: by sid, or by sub"),
            say("app", "on_logout", "reason", "recoverable"),
            say("provider<app", "200", "Cache-Control: no-store"),
            say("app>provider", "POST revocation_endpoint", "token", "token_type_hint=refresh_token"),
            say("app<provider", "200"),
            say("app>provider", "POST revocation_endpoint", "token", "token_type_hint=access_token"),
            say("app<provider", "200"),
        )),
    ),
    flow(
        "device", "A login on another screen", (DEVICE, APP, PROVIDER),
        "For a terminal, a container, a television: a short code here, the sign-in on a phone.",
        "RFC 8628",
        ("authorizing", (
            say("app>provider", "POST device_authorization_endpoint", "client_id", "scope"),
            say("app<provider", "200", "device_code", "user_code", "verification_uri", "expires_in", "interval"),
            say("app>browser", "shows the user_code and where to type it"),
            say("app>provider", "POST token_endpoint", "grant_type=…:device_code", "device_code"),
            say("app<provider", "400", "error=authorization_pending", "again after interval seconds"),
            say("browser>provider", "GET verification_uri", "user_code"),
            say("provider", "the human signs in and consents"),
            say("app>provider", "POST token_endpoint", "grant_type=…:device_code", "device_code"),
            say("app<provider", "200", *_TOKENS),
        )),
        ("exchanging", _PROFILE),
        ("authenticated", (say("app", "stored, then told: on_login"),)),
    ),
    flow(
        "par-dpop", "A pushed login with bound tokens", (BROWSER, APP, PROVIDER, API),
        "The request never passes through the browser, and a stolen token is of no use without the key.",
        "RFC 9126 (PAR), RFC 9449 (DPoP), RFC 9207",
        ("authorizing", (
            say("app>provider", "POST pushed_authorization_request_endpoint", "state", "nonce", "code_challenge",
                "dpop_jkt"),
            say("app<provider", "201", "request_uri", "expires_in"),
            say("app>browser", "open authorization_endpoint", "client_id", "request_uri"),
            say("browser>provider", "GET authorization_endpoint"),
            *_SIGN_IN,
            say("browser>app", "GET /callback/…", "code", "state", "iss", checks="state iss"),
        )),
        ("exchanging", (
            say("app>provider", "POST token_endpoint", "grant_type=authorization_code", "code", "code_verifier",
                "DPoP: proof"),
            say("app<provider", "400 use_dpop_nonce", "DPoP-Nonce"),
            say("app>provider", "POST token_endpoint", "the same", "DPoP: proof with nonce"),
            say("app<provider", "200", "token_type=DPoP", *_TOKENS),
            _ID_TOKEN,
        )),
        ("authenticated", (
            say("app", "stored, then told: on_login"),
            say("app>api", "GET …", "Authorization: DPoP", "DPoP: proof with ath"),
            say("app<api", "200"),
        )),
    ),
    flow(
        "ciba", "A login that the phone confirms", (DEVICE, APP, PROVIDER),
        "The application names the user; the provider asks on the user's own device.",
        "OpenID Connect CIBA Core 1.0 (poll)",
        ("authorizing", (
            say("app>provider", "POST backchannel_authentication_endpoint", "login_hint", "scope", "binding_message"),
            say("app<provider", "200", "auth_req_id", "expires_in", "interval"),
            say("provider>browser", "asks, and shows the binding_message"),
            say("app>provider", "POST token_endpoint", "grant_type=…:ciba", "auth_req_id"),
            say("app<provider", "400", "error=authorization_pending", "again after interval seconds"),
            say("provider<browser", "the human confirms"),
            say("app>provider", "POST token_endpoint", "grant_type=…:ciba", "auth_req_id"),
            say("app<provider", "200", *_TOKENS),
        )),
        ("exchanging", (_ID_TOKEN,)),
        ("authenticated", (say("app", "stored, then told: on_login"),)),
    ),
    flow(
        "token-exchange", "One token for another", (APP, PROVIDER, API),
        "No human and no session: a token source for one API, from the token of another.",
        "RFC 8693",
        ("", (
            say("app>provider", "POST token_endpoint", "grant_type=…:token-exchange", "subject_token",
                "subject_token_type", "audience", "scope"),
            say("app<provider", "200", "access_token", "issued_token_type", "expires_in"),
            say("app>api", "GET …", "Authorization: Bearer"),
            say("app<api", "200"),
        )),
    ),
)  # fmt: skip
