"""The development provider's logins without a redirect: by a code on another screen (RFC 8628), or by a question on
the user's own phone (OpenID Connect CIBA Core 1.0, poll and ping).

Rule: what a client waits for is one entry, found by its code, good for one answer and for one set of tokens.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from .grants import DevClient, DevUser, Grant, Refused, random_secret
from .messages import NO_STORE, read_form, read_params, refusal
from .pages import consent_page, enter_code_page, login_page, message_page, page_headers

if TYPE_CHECKING:
    from .dev_provider import DevProvider

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CIBA_GRANT = "urn:openid:params:grant-type:ciba"
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628 §6.1: no vowels, so no words
_SLOWER_SECONDS = 5.0
_MOST_ENTRIES = 1000


@dataclass(eq=False)
class _Entry:
    """Somebody waits for an answer."""

    client: DevClient
    grant_type: str
    scope: tuple[str, ...]
    expires_at: float
    interval: float
    user_code: str = ""
    user: DevUser | None = None
    acr: str | None = None
    binding_message: str = ""
    notify: str = ""  # the client's token for a ping
    asked_at: float | None = None
    grant: Grant | None = None
    denied: bool = False
    spent: bool = False


class OtherScreen:
    """The endpoints and pages. `lifetime` and `interval` are seconds."""

    def __init__(self, provider: DevProvider) -> None:
        self.lifetime = 600.0
        self.interval = 5.0
        self._provider = provider
        self._entries: dict[str, _Entry] = {}
        self._open: dict[str, str] = {}  # transaction of a page → the entry's code

    def routes(self) -> list[Route]:
        github = self._provider.style == "github"
        page = "/login/device" if github else "/device"
        return [
            Route("/login/device/code" if github else "/device_authorization", self.authorize, methods=["POST"]),
            Route(page, self.page, methods=["GET", "POST"]),
            *([] if github else [
                Route("/bc-authorize", self.authenticate, methods=["POST"]),
                Route("/phone", self.phone),
            ]),
            Route("/device/login", self.login, methods=["POST"]),
            Route("/device/answer", self.answer, methods=["POST"]),
        ]  # fmt: skip

    # ── what the client asks ─────────────────────────────────────────────────────────────────────────

    async def authorize(self, request: Request) -> Response:
        """RFC 8628 §3.1, §3.2."""
        form, doubled = await read_form(request)
        provider = self._provider
        try:
            client = self._client(request, form, doubled)
            code = provider.mint("device")
            entry = self._keep(code, client, DEVICE_GRANT, form, self.lifetime)
        except Refused as refused:
            return refusal(refused)
        letters = [secrets.choice(_LETTERS) for _ in range(8)]
        entry.user_code = "".join(letters[:4]) + "-" + "".join(letters[4:])
        page = f"{provider.url}{'/login/device' if provider.style == 'github' else '/device'}"
        answer: dict[str, Any] = {
            "device_code": code,
            "user_code": entry.user_code,
            "verification_uri": page,
            "expires_in": int(self.lifetime),
            "interval": int(self.interval),
        }
        if provider.style != "github":
            answer["verification_uri_complete"] = f"{page}?{urlencode({'user_code': entry.user_code})}"
        return JSONResponse(provider.tamper.apply("device_response", answer), headers=NO_STORE)

    async def authenticate(self, request: Request) -> Response:
        """CIBA Core §7.1, §7.3: the user is asked where they are, and the client polls, or is pinged."""
        form, doubled = await read_form(request)
        provider = self._provider
        try:
            client = self._client(request, form, doubled)
            entry = self._read_authentication(client, provider.asked.signed(client, form))
        except Refused as refused:
            return refusal(refused)
        code = provider.mint("ciba")
        self._put(code, entry)
        answer = {
            "auth_req_id": code,
            "expires_in": int(entry.expires_at - provider.now()),
            "interval": int(self.interval),
        }
        if provider.auto is not None:
            self._approve(code, entry, entry.user or provider.known_user(provider.auto), ping=False)
        return JSONResponse(provider.tamper.apply("ciba_response", answer), headers=NO_STORE)

    def _read_authentication(self, client: DevClient, form: Mapping[str, str]) -> _Entry:
        provider = self._provider
        hints = [name for name in ("login_hint", "login_hint_token", "id_token_hint") if form.get(name)]
        if len(hints) != 1:
            raise Refused("invalid_request", "Exactly one hint says who the user is.")
        if "openid" not in form.get("scope", "").split():
            raise Refused("invalid_scope", "openid is missing.")
        if client.ciba_ping and not form.get("client_notification_token"):
            raise Refused("invalid_request", "client_notification_token is missing: this client is pinged.")
        hint = form[hints[0]]
        if hints[0] == "id_token_hint":
            hint = str((provider.read_hint(hint) or {}).get("sub"))
        user = provider.user(hint)
        if user is None:
            raise Refused("unknown_user_id", "Nobody is known by that hint.")
        message = form.get("binding_message", "")
        if len(message) > 64 or not message.isprintable():
            raise Refused("invalid_binding_message", "The binding_message is too long to be shown.")
        seconds = form.get("requested_expiry", "")
        if seconds and not seconds.isdecimal():
            raise Refused("invalid_request", "requested_expiry is a number of seconds.")
        entry = self._entry(client, CIBA_GRANT, form, float(seconds[:9]) if seconds else self.lifetime)
        entry.user, entry.binding_message = user, message
        entry.notify = form.get("client_notification_token", "") if client.ciba_ping else ""
        provider.note(entry.notify)
        return entry

    def _client(self, request: Request, form: Mapping[str, str], doubled: list[str]) -> DevClient:
        if doubled:
            raise Refused("invalid_request", f"{doubled[0]} was given more than once.")
        return self._provider.proofs.client(request, form)

    def _entry(self, client: DevClient, grant_type: str, form: Mapping[str, str], seconds: float) -> _Entry:
        scope = tuple(dict.fromkeys(form.get("scope", "").replace(",", " ").split()))
        acr = next(iter(form.get("acr_values", "").split()), None)
        return _Entry(client, grant_type, scope, self._provider.now() + seconds, self.interval, acr=acr)

    def _keep(
        self, code: str, client: DevClient, grant_type: str, form: Mapping[str, str], seconds: float
    ) -> _Entry:
        return self._put(code, self._entry(client, grant_type, form, seconds))

    def _put(self, code: str, entry: _Entry) -> _Entry:
        while len(self._entries) >= _MOST_ENTRIES:
            del self._entries[next(iter(self._entries))]
        self._entries[code] = entry
        return entry

    def redeem(self, form: Mapping[str, str], client: DevClient) -> Grant:
        """The grant that a poll is for. Raises `Refused`: not yet, too often, no, or too late (RFC 8628 §3.5)."""
        grant_type = form["grant_type"]
        code = form.get("device_code" if grant_type == DEVICE_GRANT else "auth_req_id", "")
        entry, now = self._entries.get(code), self._provider.now()
        if entry is None or entry.client is not client or entry.grant_type != grant_type or entry.spent:
            raise Refused("invalid_grant", "Unknown code, or another client's, or used.")
        if now >= entry.expires_at:
            raise Refused("expired_token", "The code has expired.")
        asked_at, entry.asked_at = entry.asked_at, now
        if entry.denied:
            raise Refused("access_denied", "The user said no.")
        if entry.grant is None and asked_at is not None and now - asked_at < entry.interval - 0.01:
            entry.interval += _SLOWER_SECONDS
            raise Refused("slow_down", "You ask too often.")
        if entry.grant is None:
            raise Refused("authorization_pending", "The user has not answered yet.")
        entry.spent = True
        return entry.grant

    # ── what the human sees ──────────────────────────────────────────────────────────────────────────

    async def page(self, request: Request) -> Response:
        """Where the code is entered; with a code in the URL or form, the question that it stands for."""
        params, _ = await read_params(request)
        entered = params.get("user_code", "")
        if not entered:
            return self._html(enter_code_page(self._provider.label, request.url.path, "", self._provider.tint))
        plain = "".join(ch for ch in entered.upper() if ch.isalnum())
        for code, entry in self._entries.items():
            if entry.user_code.replace("-", "") == plain and self._waits(entry):
                return self._ask(code, entry)
        page = enter_code_page(
            self._provider.label, request.url.path, "This code is not known, or no longer good.", self._provider.tint
        )
        return self._html(page, 404)

    async def phone(self, request: Request) -> Response:
        """The user's phone (CIBA): the latest question that waits for an answer."""
        for code, entry in reversed(self._entries.items()):
            if entry.grant_type == CIBA_GRANT and self._waits(entry):
                return self._ask(code, entry)
        return self._say("Nothing to answer", "No application asks for you.")

    def _waits(self, entry: _Entry) -> bool:
        return not (entry.grant or entry.denied or entry.spent) and self._provider.now() < entry.expires_at

    def _ask(self, code: str, entry: _Entry) -> Response:
        provider = self._provider
        if provider.auto is not None:
            return self._approve(code, entry, entry.user or provider.known_user(provider.auto))
        key = random_secret()
        self._open[key] = code
        if entry.user is not None:
            return self._consent(entry, entry.user, key)
        return self._html(
            login_page(provider.label, entry.client.client_id, provider.users, "/device/login", key, "", provider.tint)
        )

    async def login(self, request: Request) -> Response:
        """Who answers, or nobody."""
        params, _ = await read_params(request)
        key = params.get("transaction", "")
        code = self._open.get(key, "")
        entry = self._entries.get(code)
        if entry is None or not self._waits(entry):
            return self._lapsed()
        if params.get("answer") == "deny":
            return self._deny(code, entry)
        user = self._provider.user(params.get("login", ""))
        if user is None:
            return self._say("Unknown account", "Nobody of that name has an account here.", 400)
        entry.user = user
        if not self._provider.consent:
            return self._approve(code, entry, user)
        return self._consent(entry, user, key)

    async def answer(self, request: Request) -> Response:
        """Allowed or denied."""
        params, _ = await read_params(request)
        code = self._open.pop(params.get("transaction", ""), "")
        entry = self._entries.get(code)
        if entry is None or entry.user is None or not self._waits(entry):
            return self._lapsed()
        if params.get("answer") != "allow":
            return self._deny(code, entry)
        return self._approve(code, entry, entry.user)

    def _consent(self, entry: _Entry, user: DevUser, key: str) -> Response:
        where = entry.binding_message or entry.user_code or "your other device"
        provider = self._provider
        return self._html(
            consent_page(
                provider.label, entry.client.client_id, user, entry.scope, "/device/answer", key, where, provider.tint
            )
        )

    def _approve(self, code: str, entry: _Entry, user: DevUser, *, ping: bool = True) -> Response:
        now = self._provider.now()
        entry.grant = Grant(
            entry.client.client_id, user, entry.scope, now, random_secret()[:16], acr=entry.acr, request_id=code
            if entry.grant_type == CIBA_GRANT else None,
        )  # fmt: skip
        if ping:
            self._ping(code, entry)
        return self._say("You are signed in", "Go back to your other device.")

    def _deny(self, code: str, entry: _Entry) -> Response:
        entry.denied = True
        self._ping(code, entry)
        return self._say("Denied", "Nothing was allowed.")

    def _ping(self, code: str, entry: _Entry) -> None:
        """CIBA Core §10.2: tells the client that there is an answer, and nothing of it."""
        if entry.notify and entry.client.ciba_ping is not None:
            entry.client.ciba_ping(f"Bearer {entry.notify}", {"auth_req_id": code})

    def _lapsed(self) -> Response:
        return self._say("This page has lapsed", "Begin the sign-in again in your application.", 400)

    def _say(self, title: str, text: str, status: int = 200) -> Response:
        return self._html(message_page(self._provider.label, title, text, None, self._provider.tint), status)

    def _html(self, page: str, status: int = 200) -> Response:
        return HTMLResponse(page, status, {**page_headers(), **self._provider.page_headers})
