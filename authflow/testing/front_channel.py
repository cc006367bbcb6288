"""The development provider's half of what goes through a browser: authorize, sign in, consent, sign out.

Rule 1: an error is sent to a redirect URI only after that URI was found registered (RFC 6749 §4.1.2.1).
Rule 2: what a human answers belongs to a transaction, whose id nobody can guess; answering twice changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from .answers import RESPONSE_MODES, RESPONSE_TYPES, id_token, response
from .grants import DevClient, DevUser, Grant, Refused, check_challenge, random_secret, registered
from .logouts import front_channel_frames, tell_of_logout
from .messages import read_params
from .pages import (
    consent_page,
    form_post_page,
    login_page,
    message_page,
    page_headers,
    sign_out_page,
    signed_out_page,
)

if TYPE_CHECKING:
    from .dev_provider import DevProvider

MOST_TRANSACTIONS = 1000
SESSION_SECONDS = 3600


@dataclass(eq=False)
class _Transaction:
    """One authorization request on its way through the pages."""

    client: DevClient
    redirect_uri: str
    state: str
    response_mode: str = "query"
    response_type: str = "code"
    scope: tuple[str, ...] = ()
    nonce: str = ""
    code_challenge: str = ""
    prompt: frozenset[str] = frozenset()
    max_age: float | None = None
    acr: str | None = None
    resource: tuple[str, ...] = ()
    dpop_jkt: str = ""
    authorization_details: list[Any] | None = None
    login_hint: str = ""
    session: str = ""
    ended: list[tuple[str, str]] | None = None


@dataclass(frozen=True)
class _BrowserSession:
    """Somebody is signed in at the provider, in one browser."""

    user: DevUser
    auth_time: float
    sid: str = field(default_factory=lambda: random_secret()[:16])


class FrontChannel:
    """The pages, and what they do."""

    def __init__(self, provider: DevProvider) -> None:
        self._provider = provider
        self._transactions: dict[str, _Transaction] = {}
        self._sessions: dict[str, _BrowserSession] = {}
        self._consents: dict[tuple[str, str], set[str]] = {}
        self._sign_outs: dict[str, str] = {}

    def routes(self, authorize: str) -> list[Route]:
        return [
            Route(authorize, self.authorize, methods=["GET", "POST"]),
            Route("/login", self.login, methods=["POST"]),
            Route("/consent", self.consent, methods=["GET", "POST"]),
            Route("/end_session", self.end_session, methods=["GET", "POST"]),
        ]

    def forget(self) -> None:
        """Nobody is signed in any more, and nobody has consented to anything."""
        self._sessions.clear()
        self._consents.clear()

    def end(self, sids: frozenset[str]) -> None:
        """The browser sessions of these names are over."""
        self._sessions = {key: one for key, one in self._sessions.items() if one.sid not in sids}

    # ── authorize ────────────────────────────────────────────────────────────────────────────────────

    async def authorize(self, request: Request) -> Response:
        """RFC 6749 §4.1.1, OpenID Connect Core §3.1.2.1."""
        params, doubled = await read_params(request)
        client = self._provider.clients.get(params.get("client_id", ""))
        if client is None or "client_id" in doubled:
            text = "No client with this client_id is registered here."
            return self._stop("Unknown application", text, params, "client_id")
        try:
            params = await self._provider.asked.resolve(client, params)
        except Refused as refused:
            return self._stop("This request is not taken", refused.description, params, "client_id")
        redirect_uri = params.get("redirect_uri", "")
        if "redirect_uri" in doubled or not registered(redirect_uri, client.redirect_uris):
            return self._stop(
                "Unknown redirect URI",
                "It is not registered for this application. It must fit byte for byte; only the port of a "
                "loopback address may differ.",
                params,
                "client_id",
                "redirect_uri",
            )
        mode = params.get("response_mode", "query")
        it = _Transaction(client, redirect_uri, params.get("state", ""), mode if mode in RESPONSE_MODES else "query")
        try:
            self._read(it, params, doubled)
            return self._go_on(request, it)
        except Refused as refusal:
            return self._send_back(it, [("error", refusal.error), ("error_description", refusal.description)])

    def _read(self, it: _Transaction, params: Mapping[str, str], doubled: Iterable[str]) -> None:
        for name in doubled:
            raise Refused("invalid_request", f"{name} was given more than once.")
        if params.get("response_type") not in RESPONSE_TYPES:
            raise Refused("unsupported_response_type", f"response_type must be one of {', '.join(RESPONSE_TYPES)}.")
        if params.get("response_mode", "query") not in RESPONSE_MODES:
            raise Refused("invalid_request", f"response_mode must be one of {', '.join(RESPONSE_MODES)}.")
        it.response_type = params["response_type"]
        if "code" in it.response_type.split():
            check_challenge(params.get("code_challenge", ""), params.get("code_challenge_method", "plain"))
            it.code_challenge = params["code_challenge"]
        if "id_token" in it.response_type and not (params.get("nonce") and "form_post" in it.response_mode):
            raise Refused("invalid_request", "An ID token from here needs a nonce, and response_mode=form_post.")
        it.scope = tuple(dict.fromkeys(params.get("scope", "").replace(",", " ").split()))
        it.nonce = params.get("nonce", "")
        it.acr = next(iter(params.get("acr_values", "").split()), None)
        it.dpop_jkt = params.get("dpop_jkt", "")
        it.resource = tuple(params.get("resource", "").split())
        it.authorization_details = _details(params.get("authorization_details", "null"))
        it.prompt = frozenset(params.get("prompt", "").split())
        it.login_hint = params.get("login_hint", "")
        if "none" in it.prompt and len(it.prompt) > 1:
            raise Refused("invalid_request", "prompt=none stands alone.")
        if "max_age" in params:
            if not params["max_age"].isdecimal():
                raise Refused("invalid_request", "max_age is a number of seconds.")
            it.max_age = float(params["max_age"][:12])

    def _go_on(self, request: Request, it: _Transaction) -> Response:
        """The next page this transaction needs, or its end."""
        provider = self._provider
        hinted = provider.user(it.login_hint)
        if provider.auto is not None:
            user = hinted or provider.known_user(provider.auto)
            return self._grant(it, _BrowserSession(user, provider.now()))

        key = request.cookies.get(self._cookie, "")
        session = self._sessions.get(key)
        if session is None or self._must_sign_in(it, session, hinted):
            if "none" in it.prompt:
                raise Refused("login_required", "Nobody is signed in who would do.")
            page = login_page(
                provider.label,
                it.client.client_id,
                provider.users,
                "/login",
                self._open(it),
                it.login_hint,
                provider.tint,
            )
            return self._page(page, it.redirect_uri)
        it.session = key
        if self._must_consent(it, session):
            if "none" in it.prompt:
                raise Refused("consent_required", "The user has not allowed this yet.")
            return self._consent_page(it, session, self._open(it))
        return self._grant(it, session)

    def _must_sign_in(self, it: _Transaction, session: _BrowserSession, hinted: DevUser | None) -> bool:
        if it.prompt & {"login", "select_account"} or (hinted is not None and hinted != session.user):
            return True
        # max_age=0 asks for a fresh sign-in (OpenID Connect Core §3.1.2.1).
        return it.max_age is not None and (it.max_age == 0 or self._provider.now() - session.auth_time > it.max_age)

    def _must_consent(self, it: _Transaction, session: _BrowserSession) -> bool:
        allowed = self._consents.get((session.user.login, it.client.client_id))
        return "consent" in it.prompt or (self._provider.consent and (allowed is None or not allowed >= set(it.scope)))

    # ── the human's answers ──────────────────────────────────────────────────────────────────────────

    async def login(self, request: Request) -> Response:
        """Who signs in, or nobody."""
        params, _ = await read_params(request)
        key = params.get("transaction", "")
        it = self._transactions.get(key)
        if it is None:
            return self._lapsed()
        if it.ended is not None:
            return self._send(it, it.ended)
        if params.get("answer") == "deny":
            return self._deny(it)
        user = self._provider.user(params.get("login", ""))
        if user is None:
            return self._stop("Unknown account", "Nobody of that name has an account here.", {})
        session = _BrowserSession(user, self._provider.now())
        it.session = self._provider.mint("session")
        self._sessions[it.session] = session
        if self._must_consent(it, session):
            response: Response = RedirectResponse(f"/consent?{urlencode({'transaction': key})}", 303)
        else:
            response = self._grant(it, session)
        response.set_cookie(self._cookie, it.session, max_age=SESSION_SECONDS, httponly=True, samesite="lax")
        return response

    async def consent(self, request: Request) -> Response:
        """GET asks, POST answers; both only in the browser that signed in."""
        params, _ = await read_params(request)
        key = params.get("transaction", "")
        it = self._transactions.get(key)
        if it is None:
            return self._lapsed()
        if it.ended is not None:
            return self._send(it, it.ended)
        session = self._sessions.get(it.session)
        if session is None or request.cookies.get(self._cookie) != it.session:
            return self._lapsed()
        if request.method == "GET":
            return self._consent_page(it, session, key)
        if params.get("answer") != "allow":
            return self._deny(it)
        self._consents.setdefault((session.user.login, it.client.client_id), set()).update(it.scope)
        return self._grant(it, session)

    def _consent_page(self, it: _Transaction, session: _BrowserSession, key: str) -> Response:
        where = urlsplit(it.redirect_uri)
        provider = self._provider
        page = consent_page(
            provider.label,
            it.client.client_id,
            session.user,
            it.scope,
            "/consent",
            key,
            where.netloc if where.scheme in ("http", "https") else f"{where.scheme}:",
            provider.tint,
        )
        return self._page(page, it.redirect_uri)

    # ── the way back ─────────────────────────────────────────────────────────────────────────────────

    def _grant(self, it: _Transaction, session: _BrowserSession) -> Response:
        provider = self._provider
        grant = Grant(
            it.client.client_id,
            session.user,
            it.scope,
            session.auth_time,
            session.sid,
            it.nonce or None,
            it.acr,
            it.resource,
            it.dpop_jkt or None,
            it.authorization_details,
        )
        answer: list[tuple[str, str]] = []
        code = None
        if "code" in it.response_type.split():
            code = provider.grants.issue_code(grant, it.redirect_uri, it.code_challenge, provider.now())
            answer.append(("code", code))
        if "id_token" in it.response_type:
            made = id_token(provider, grant, it.scope, nonce=grant.nonce, code=code, state=it.state)
            answer.append(("id_token", made))
        return self._send_back(it, answer)

    def _deny(self, it: _Transaction) -> Response:
        return self._send_back(it, [("error", "access_denied"), ("error_description", "The user said no.")])

    def _send_back(self, it: _Transaction, answer: list[tuple[str, str]]) -> Response:
        params = dict(answer)
        if it.state:
            params["state"] = it.state
        params["iss"] = self._provider.issuer  # RFC 9207
        told = self._provider.tamper.apply("callback_params", params)
        it.ended = list(told.items()) if isinstance(told, Mapping) else list(told)
        self._provider.note(*(value for name, value in it.ended if name in ("code", "state")))
        if "jwt" in it.response_mode:
            it.ended = [("response", response(self._provider, it.client.client_id, dict(it.ended)))]
        return self._send(it, it.ended)

    def _send(self, it: _Transaction, params: list[tuple[str, str]]) -> Response:
        if "form_post" in it.response_mode:
            page = form_post_page(self._provider.label, it.redirect_uri, params, self._provider.tint)
            return self._page(page, it.redirect_uri, script=True)
        joint = "&" if "?" in it.redirect_uri else "?"
        headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
        # 303: the browser must not post the form on to the client (RFC 9700 §4.12).
        return RedirectResponse(it.redirect_uri + joint + urlencode(params), 303, headers=headers)

    # ── signing out ──────────────────────────────────────────────────────────────────────────────────

    async def end_session(self, request: Request) -> Response:
        """OpenID Connect RP-Initiated Logout §2."""
        params, _ = await read_params(request)
        target = self._sign_outs.pop(params.get("transaction", ""), None)
        params_sid = ""
        if target is None:
            hint = self._provider.read_hint(params.get("id_token_hint", ""))
            client = self._provider.clients.get(str((hint or {}).get("aud")) if hint else params.get("client_id", ""))
            target = self._target(client, params)
            if target is None:
                return self._stop(
                    "Unknown return address",
                    "post_logout_redirect_uri is not registered for this application.",
                    params,
                    "post_logout_redirect_uri",
                )
            if hint is None:
                key = self._provider.mint("transaction")
                self._sign_outs[key] = target
                return self._page(sign_out_page(self._provider.label, "/end_session", key, self._provider.tint), target)
            params_sid = str(hint.get("sid", ""))
        elif params.get("answer") != "sign_out":
            return self._stop("Still signed in", "Nothing was changed.", {}, status=200)
        left = self._sessions.get(request.cookies.get(self._cookie, ""))
        sids = frozenset(sid for sid in (params_sid, None if left is None else left.sid) if sid)
        self.end(sids)
        # Everybody else who was in it is told: by a token from here, or by a frame of this page.
        await asyncio.to_thread(tell_of_logout, self._provider, sids)
        frames = front_channel_frames(self._provider, sids)
        if frames:
            page = signed_out_page(self._provider.label, frames, target, self._provider.tint)
            headers = {**page_headers(target, frames=frames), **self._provider.page_headers}
            response: Response = HTMLResponse(page, headers=headers)
        elif target:
            response = RedirectResponse(target, 303, headers={"cache-control": "no-store"})
        else:
            response = self._stop("You are signed out", "You can close this window.", {}, status=200)
        response.delete_cookie(self._cookie, httponly=True, samesite="lax")
        return response

    def _target(self, client: DevClient | None, params: Mapping[str, str]) -> str | None:
        """Where to go afterwards: empty for nowhere, None for a URI that is not registered."""
        uri = params.get("post_logout_redirect_uri", "")
        if not uri:
            return ""
        if client is None or not registered(uri, client.post_logout_redirect_uris):
            return None
        state = params.get("state", "")
        return uri + (("&" if "?" in uri else "?") + urlencode({"state": state}) if state else "")

    # ── odds and ends ────────────────────────────────────────────────────────────────────────────────

    @property
    def _cookie(self) -> str:
        # Cookies of 127.0.0.1 go to all its ports: two providers side by side must not share a name.
        port = urlsplit(self._provider.url).port
        return f"dev_session_{port or 'main'}"

    def _open(self, it: _Transaction) -> str:
        while len(self._transactions) >= MOST_TRANSACTIONS:
            del self._transactions[next(iter(self._transactions))]
        key = self._provider.mint("transaction")
        self._transactions[key] = it
        return key

    def _lapsed(self) -> Response:
        return self._stop("This page has lapsed", "Begin the sign-in again in your application.", {})

    def _stop(self, title: str, text: str, params: Mapping[str, str], *shown: str, status: int = 400) -> Response:
        said = {name: params[name] for name in shown if params.get(name)}
        return self._page(message_page(self._provider.label, title, text, said, self._provider.tint), status=status)

    def _page(self, page: str, *goes_to: str, script: bool = False, status: int = 200) -> Response:
        headers = {**page_headers(*goes_to, script=script), **self._provider.page_headers}
        return HTMLResponse(page, status, headers)


def _details(text: str) -> list[Any] | None:
    """RFC 9396 §5."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    if found is not None and not isinstance(found, list):
        raise Refused("invalid_authorization_details", "authorization_details is a list of objects.")
    return found
