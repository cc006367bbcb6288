"""`DevProvider`: a small identity provider for development and tests, made to be logged in to and to be broken.

    with DevProvider(auto="ada").serve() as provider:              # uvicorn on 127.0.0.1, any free port
        manager = SessionManager([provider.settings("acme")])

    provider = DevProvider(issuer="https://op.example")            # or in the test's own process
    http = httpx.AsyncClient(transport=httpx.ASGITransport(provider.app))

It keeps the rules that a strict provider keeps (PKCE, exact redirect URIs, codes and refresh tokens that work once,
RFC 9207) and has real pages for the human. `lie`, `fail_next`, `delay` and `hold` make it lie, fail and dawdle;
`requests`, `count` and `secrets` tell what a client did.

Rule 1: never beyond loopback. There are no passwords here: whoever reaches it is whoever they say.
Rule 2: it exists only where a program makes one, with a client secret nobody can know beforehand.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..errors import ConfigurationError, MissingExtra

try:
    from starlette.applications import Starlette
    from starlette.responses import Response
    from starlette.routing import Route

    from .served import Served
except ImportError as missing:
    raise MissingExtra(
        f"DevProvider needs {missing.name or 'starlette and uvicorn'}, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[testing]'",
    ) from missing

from .asked import Asked
from .back_channel import BackChannel
from .back_end import GRANT_TYPES, issue_without_human
from .front_channel import FrontChannel
from .github_style import GitHubStyle
from .grants import DEFAULT_CLIENT, DEFAULT_USERS, DevClient, DevUser, Grants, Issued, Refused, Rotation, random_secret
from .logouts import build_front_channel_url, build_logout_token, send_logout_tokens
from .observed import Gate, host_of
from .other_screen import CIBA_GRANT, DEVICE_GRANT, OtherScreen
from .pages import tint_of
from .proofs import Proofs
from .protected_api import METADATA_PATH, PATH, Demand, ProtectedAPI
from .registration import PATH as REGISTRATION_PATH
from .registration import Registration
from .signing import Algorithm, SigningProvider, check_algorithm

if TYPE_CHECKING:
    from starlette.requests import Request as HTTPRequest
    from starlette.types import ASGIApp

    from ..providers.base import Provider

Style = Literal["oidc", "github"]

log = logging.getLogger("authflow.testing")

_PREFIXES = {
    "oidc": {"access": "dev_at_", "refresh": "dev_rt_"},
    "github": {"access": "gho_", "refresh": "ghr_"},
}
_OIDC_ENDPOINTS = {
    "/authorize": "authorize",
    "/token": "token",
    "/userinfo": "userinfo",
    "/revoke": "revoke",
    "/introspect": "introspect",
    "/par": "par",
    "/jwks": "jwks",
    "/device_authorization": "device_authorization",
    "/device": "device",
    "/bc-authorize": "ciba",
    "/phone": "phone",
    "/.well-known/openid-configuration": "metadata",
    "/.well-known/oauth-authorization-server": "metadata",
    "/.well-known/webfinger": "webfinger",
    REGISTRATION_PATH: "register",
    METADATA_PATH: "resource_metadata",
    METADATA_PATH + PATH: "resource_metadata",
}
_GITHUB_ENDPOINTS = {
    "/login/oauth/authorize": "authorize",
    "/login/oauth/access_token": "token",
    "/login/device/code": "device_authorization",
    "/login/device": "device",
    "/user": "userinfo",
    "/user/emails": "emails",
    "/user/teams": "teams",
}
_COMMON_ENDPOINTS = {"/login": "login", "/consent": "consent", "/end_session": "end_session", PATH: "api"}


class _HasTime(Protocol):
    def time(self) -> float: ...


class DevProvider(SigningProvider):
    """An identity provider of your own. Settings are plain attributes: change them between two requests.

    `style`: `"oidc"`, or `"github"` for a provider without OpenID Connect. `issuer`: only when it is not served but
    called in process. `users`: `DevUser`s or login names; ada, grace and alan when not given. `auto`: this user
    signs in and allows everything without a page. `consent`: whether the human is asked to allow. `algorithm` signs
    ID tokens. `rotation` and `grace` (seconds) say what happens to a refresh token when it is used.
    `access_token_ttl` and `id_token_ttl` are in seconds, None for an access token without expiry. `refresh_tokens`:
    None means yes for `oidc`, and no for `github`, whose tokens then do not expire. `clock` needs only `time()`.
    `page_headers` are added to every page (a Cross-Origin-Opener-Policy, say). `client_secret_ttl`, in seconds, is how
    long the secret of a client that registers itself lives.

    Raises `ConfigurationError` for settings that cannot work.
    """

    def __init__(
        self,
        *,
        style: Style = "oidc",
        issuer: str | None = None,
        label: str = "",
        users: Iterable[DevUser | str] | None = None,
        auto: str | None = None,
        consent: bool = True,
        algorithm: Algorithm = "RS256",
        rotation: Rotation = "strict",
        grace: float = 10.0,
        access_token_ttl: float | None = 3600.0,
        id_token_ttl: float = 3600.0,
        refresh_tokens: bool | None = None,
        clock: _HasTime | None = None,
        page_headers: Mapping[str, str] | None = None,
    ) -> None:
        _check(style in _PREFIXES, f"style={style!r} is not served.", "Use 'oidc' or 'github'.")
        check_algorithm(algorithm)
        _check(not isinstance(users, str), "users is a list, not one name.", f"Write users=[{users!r}].")
        _check(rotation in ("none", "grace", "strict"), f"rotation={rotation!r} is unknown.", "Use 'strict'.")
        super().__init__(algorithm)
        self.style = style
        self.label = label or ("Dev Hub" if style == "github" else "Dev Provider")
        self.consent = consent
        self.rotation: Rotation = rotation
        self.grace = grace
        self.access_token_ttl = access_token_ttl
        self.id_token_ttl = id_token_ttl
        self.refresh_tokens = (style == "oidc") if refresh_tokens is None else refresh_tokens
        self.page_headers = dict(page_headers or {})
        self.users = [DevUser(one) if isinstance(one, str) else one for one in users or DEFAULT_USERS]
        self.auto = auto
        if auto is not None:
            self.known_user(auto)
        self.tint = "slate" if style == "github" else tint_of(self.label)
        self._clock: _HasTime = clock or time
        self._url = None if issuer is None else _clean(issuer)
        self._served: Served | None = None
        self.grants = Grants(self.mint)
        self.proofs = Proofs(self.grants, self.now, lambda: (self.issuer, f"{self.url}/token"))
        self.asked = Asked(self)
        self._front = FrontChannel(self)
        self._api = ProtectedAPI(self)
        self._registration = Registration(self)
        self.client_secret_ttl: float | None = None
        self.reads_client_documents = False
        self.other_screen = OtherScreen(self)
        self._gate = Gate(self._starlette(), self._endpoint_of, {*self._endpoints().values(), "other"})
        self._gate.issuer_host = lambda: host_of(self.url)
        self.client(DEFAULT_CLIENT, redirect_uris=["http://127.0.0.1/callback", "http://[::1]/callback"])

    # ── where it is ──────────────────────────────────────────────────────────────────────────────────

    @property
    def app(self) -> ASGIApp:
        """The ASGI application, for `httpx.ASGITransport`. It answers loopback and in-process callers only."""
        return self._gate

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT` while it is served, or the `issuer` it was given."""
        if self._url is None:
            raise ConfigurationError(
                "The development provider is not being served.", hint="Use `with DevProvider().serve() as provider:`."
            )
        return self._url

    @property
    def issuer(self) -> str:
        """Its name in metadata, ID tokens and callbacks: `url`; posing as GitHub, `{url}/login/oauth`."""
        return f"{self.url}/login/oauth" if self.style == "github" else self.url

    @contextmanager
    def serve(self, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[DevProvider]:
        """Serves it in a thread of its own until the block ends. Any other host is refused."""
        self._start(host, port)
        try:
            yield self
        finally:
            self._stop()

    @asynccontextmanager
    async def aserve(self, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[DevProvider]:
        """`serve()` for a test on a loop: it starts and stops without blocking it."""
        await asyncio.to_thread(self._start, host, port)
        try:
            yield self
        finally:
            await asyncio.to_thread(self._stop)

    def _start(self, host: str, port: int) -> None:
        _check(
            host == "127.0.0.1",
            f"The development provider is not served on {host}: it lets in whoever comes.",
            "It is for this machine only: leave host= away.",
        )
        _check(self._url is None, "It has an issuer already.", "Serve one without issuer=, and once at a time.")
        served = Served(self.app, port)
        self._url = served.url
        try:
            served.start()
        except BaseException:
            self._url = None
            raise
        self._served = served
        log.warning("development provider at %s: for development only, it asks nobody for a password", self._url)

    def _stop(self) -> None:
        served, self._served = self._served, None
        self._gate.release_all()
        if served is not None:
            served.stop()
        self._url = None

    # ── who may use it ───────────────────────────────────────────────────────────────────────────────

    @property
    def clients(self) -> dict[str, DevClient]:
        return self.grants.clients

    def client(
        self,
        client_id: str = DEFAULT_CLIENT,
        client_secret: str | None = "",
        redirect_uris: Sequence[str] = (),
        post_logout_redirect_uris: Sequence[str] = (),
        keys: Sequence[Mapping[str, Any]] = (),
        dpop: bool = False,
        *,
        backchannel_logout_uri: str | None = None,
        frontchannel_logout_uri: str | None = None,
        ciba_ping: Callable[[str, Mapping[str, str]], object] | None = None,
    ) -> DevClient:
        """Registers a client, or registers it anew. A secret is made when none is given; None: a public client.

        With `keys` (public JWKs) it must sign its assertions; `dpop`: it must prove a key for its tokens (RFC 9449).
        A redirect URI on a loopback IP literal fits any port (RFC 8252 §7.3), every other byte for byte.
        `ciba_ping(authorization, body)` is called when a user has answered (CIBA ping), and must return at once;
        without it the client polls.
        """
        secret = random_secret() if client_secret == "" else client_secret
        self.note(secret)
        made = DevClient(
            client_id,
            secret,
            list(redirect_uris),
            list(post_logout_redirect_uris),
            list(keys),
            dpop,
            backchannel_logout_uri=backchannel_logout_uri,
            frontchannel_logout_uri=frontchannel_logout_uri,
            ciba_ping=ciba_ping,
        )
        self.clients[client_id] = made
        return made

    def settings(self, name: str = "acme", *, client_id: str = DEFAULT_CLIENT, **settings: Any) -> Provider:
        """This provider as authflow's users configure one, its redirect URIs registered: for `SessionManager([…])`."""
        from .settings import provider_settings

        return provider_settings(self, name, client_id, settings)

    def user(self, who: str) -> DevUser | None:
        """The user with this login, e-mail address or subject identifier."""
        return next((user for user in self.users if who and who in (user.login, user.email, user.sub)), None)

    def known_user(self, who: str) -> DevUser:
        """The same, or `ConfigurationError`."""
        found = self.user(who)
        if found is None:
            names = ", ".join(user.login for user in self.users)
            raise ConfigurationError(f"The development provider has no user {who!r}.", hint=f"It has {names}.")
        return found

    def end_grants(self, login: str | None = None, client_id: str | None = None) -> int:
        """Revokes everything granted to a user or client, or all of it, as a provider's administrator does."""
        return self.grants.end(login, client_id)

    def sign_everybody_out(self) -> None:
        """Ends all browser sessions here and forgets all consents; tokens live on."""
        self._front.forget()

    def client_document(self, document: Mapping[str, Any]) -> DevClient:
        """From now on this provider takes the URL of a client id metadata document as a client id, and says so. It
        fetches nothing: this is what it would find there."""
        self.reads_client_documents = True
        return self.client(str(document["client_id"]), None, redirect_uris=document["redirect_uris"])

    def logout_token(self, login: str, *, client_id: str = DEFAULT_CLIENT, by: Literal["sid", "sub"] = "sid") -> str:
        """The token that this provider sends to say that a user signed out (OpenID Connect Back-Channel Logout §2.4):
        of the last browser session that the client has a grant from, or `by="sub"` of all of them.

        Raises `ConfigurationError` when the client has no grant of this user.
        """
        return build_logout_token(self, login, client_id, by)

    def sign_out(self, login: str) -> list[int]:
        """Signs a user out here and sends a logout token to every client that registered for it. Gives the statuses
        of their answers."""
        return send_logout_tokens(self, login)

    def front_channel_logout_url(self, login: str, *, client_id: str = DEFAULT_CLIENT) -> str:
        """What this provider's sign-out page loads in a frame (OpenID Connect Front-Channel Logout §2)."""
        return build_front_channel_url(self, login, client_id)

    def demand(
        self, *, scope: Sequence[str] = (), acr_values: Sequence[str] = (), max_age: float | None = None
    ) -> None:
        """What `/api/me` wants from now on beside a valid token (RFC 6750 §3.1, RFC 9470); nothing without arguments.

        A request for one of the `acr_values` is granted as asked. `max_age` is in seconds.
        """
        self._api.demand = Demand(tuple(scope), tuple(acr_values), max_age)

    @property
    def resource(self) -> str:
        """The identifier of the API at `/api/me` (RFC 9728 §1.2)."""
        return self._api.resource

    def end_browser_sessions(self, sids: Iterable[str]) -> None:
        """Nobody is signed in here any more in the browser sessions of these names."""
        self._front.end(frozenset(sids))

    def accepts(self, token: str) -> bool:
        """Whether an access token opens the API now, or a refresh token would be taken."""
        return self.grants.look_up(token, self.now()) is not None or self.grants.usable_refresh(token)

    @property
    def dpop_nonces(self) -> bool:
        """Whether a DPoP proof must hold the provider's nonce (RFC 9449 §8, §9). Setting it makes a new nonce."""
        return self.proofs.nonces

    @dpop_nonces.setter
    def dpop_nonces(self, wanted: bool) -> None:
        self.proofs.nonces, self.proofs.nonce = wanted, random_secret()

    # ── for its own endpoints ────────────────────────────────────────────────────────────────────────

    def now(self) -> float:
        """Seconds since the epoch, by its clock."""
        return self._clock.time()

    def mint(self, kind: str) -> str:
        """A new secret of a kind, on the ledger from the start."""
        made = _PREFIXES[self.style].get(kind, "") + random_secret()
        self.note(made)
        return made

    def issue_tokens(
        self, form: Mapping[str, str], client: DevClient, jkt: str | None = None
    ) -> tuple[Issued, bool]:
        """What a token request of `client` earns, and whether it is the grant's first. `jkt`: the thumbprint of the
        key that it has proved, and that the tokens are bound to. Raises `Refused`."""
        now = self.now()
        if client.dpop and jkt is None:
            raise Refused("invalid_dpop_proof", "This client must prove a key (DPoP).")
        ttl = self.access_token_ttl if self.style == "oidc" or self.refresh_tokens else None
        grant_type = form.get("grant_type", "")
        if grant_type == "authorization_code":
            for name in ("code", "redirect_uri", "code_verifier"):
                if name not in form:
                    raise Refused("invalid_request", f"{name} is missing.")
            grant = self.grants.redeem(client, form["code"], form["redirect_uri"], form["code_verifier"], now, jkt)
            return self.grants.issue(grant, now, ttl, refreshable=self.refresh_tokens, jkt=jkt), True
        if grant_type == "refresh_token":
            if "refresh_token" not in form:
                raise Refused("invalid_request", "refresh_token is missing.")
            scope = form.get("scope", "").replace(",", " ").split()
            resource = tuple(form.get("resource", "").split())
            renewed = self.grants.refresh(
                client, form["refresh_token"], scope, now, ttl, self.rotation, self.grace, jkt, resource
            )
            return renewed, False
        if grant_type in (DEVICE_GRANT, CIBA_GRANT):
            grant = self.other_screen.redeem(form, client)
            return self.grants.issue(grant, now, ttl, refreshable=self.refresh_tokens, jkt=jkt), True
        if grant_type in GRANT_TYPES and self.style == "oidc":
            return issue_without_human(self, form, client, jkt), True
        if not grant_type:
            raise Refused("invalid_request", "grant_type is missing.")
        raise Refused("unsupported_grant_type", "There is no such grant here.")

    def _starlette(self) -> Starlette:
        routes: list[Route] = [*self._api.routes(), *self.other_screen.routes(), Route("/favicon.ico", _no_icon)]
        if self.style == "github":
            routes += self._front.routes("/login/oauth/authorize") + GitHubStyle(self).routes()
        else:
            routes += self._front.routes("/authorize") + BackChannel(self).routes() + self._registration.routes()
            routes += self.asked.routes()
        return Starlette(routes=routes)

    def _endpoints(self) -> dict[str, str]:
        own = {**_GITHUB_ENDPOINTS, "/applications": "revoke"} if self.style == "github" else _OIDC_ENDPOINTS
        return {**own, **_COMMON_ENDPOINTS}

    def _endpoint_of(self, path: str) -> str:
        path = path.removeprefix("/api/v3") if self.style == "github" else path
        path = "/applications" if path.startswith("/applications/") else path
        path = REGISTRATION_PATH if path.startswith(f"{REGISTRATION_PATH}/") else path
        return self._endpoints().get(path, "other")

    def __repr__(self) -> str:
        return f"DevProvider({self.label!r}, style={self.style!r}, at {self._url or 'nowhere yet'})"


async def _no_icon(request: HTTPRequest) -> Response:
    return Response(status_code=404)


def _check(fine: bool, message: str, hint: str) -> None:
    if not fine:
        raise ConfigurationError(message, hint=hint)


def _clean(issuer: str) -> str:
    fine = issuer.startswith(("http://", "https://")) and host_of(issuer) == issuer.lower().partition("://")[2]
    _check(fine, f"{issuer!r} cannot be its issuer.", "Use scheme://host[:port], without a path or a final slash.")
    return issuer
