"""`Session` and `AsyncSession`: the two faces of one session. They have the same names and differ in `await`.

What a session is stands in `core.py`, what can be read of it in `reading.py`, what it does in `operations/`; here an
operation meets its shell.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeVar, Unpack, cast

from . import operations
from .agents.loopback import Loopback
from .core import SessionCore
from .drive import AsyncShell, Op, SyncShell, closed_error
from .errors import ConfigurationError, InvalidCall, LoginFailed
from .events import AuthEvent, StepUp
from .house import House
from .operations import Begun, Completion, LoginOptions, LogoutResult
from .protocol.asked_claims import build_claims_parameter
from .protocol.authorization import OUR_PARAMETERS
from .protocol.rar import build_authorization_details
from .protocol.urls import origin_of
from .reading import ReadableSession
from .records import Target, Token
from .run import Attempt

if TYPE_CHECKING:
    from .agents.base import Agent
    from .auth import SessionAuth
    from .protocol.introspection import Introspection

__all__ = [
    "AsyncAuthorizationRequest",
    "AsyncSession",
    "Attempt",
    "AuthorizationRequest",
    "LoginArguments",
    "Session",
]

T = TypeVar("T")
OpenURL = Callable[[str], Any]


class LoginArguments(TypedDict, total=False):
    """What `login` and `begin` take by name, besides their own.

    `scope`: further scopes. `fetch_user`, `fetch_groups`: whether the profile and the groups are asked for (groups
    are the user's, so asking for them asks for the user).
    `timeout`: seconds until the human must be back. `agent`: how the human is reached. `prompt`, `max_age`
    (seconds), `acr_values`, `login_hint`, `id_token_hint`, `domain_hint`, `ui_locales`, `display`: OpenID Connect
    Core §3.1.2.1. `claims`: single claims, asked for by name (§5.5). `authorization_details`: RFC 9396 §2.
    `resource`: the APIs that the tokens are for (RFC 8707). `params`: any further parameter of the authorization
    request.
    """

    scope: Sequence[str]
    fetch_user: bool
    fetch_groups: bool
    timeout: float
    agent: Agent | None
    prompt: str | None
    max_age: float | None
    acr_values: Sequence[str]
    login_hint: str | None
    domain_hint: str | None
    id_token_hint: str | None
    ui_locales: str | None
    display: str | None
    claims: Mapping[str, Any] | None
    authorization_details: Sequence[Mapping[str, Any]] | None
    resource: Sequence[str] | None
    params: Mapping[str, str]


class AuthorizationRequest:
    """A login that was begun. Send the human to `url`; `binding`, where there is one, into an HttpOnly cookie.

    `binding` ties the redirect to the browser that began; it is None where the attempt stays in this process
    (loopback, paste). `repr` shows no secret.
    """

    def __init__(self, session: Session, begun: Begun) -> None:
        self._session = session
        self._begun = begun

    @property
    def url(self) -> str:
        return self._begun.url

    @property
    def state(self) -> str:
        return self._begun.state

    @property
    def binding(self) -> str | None:
        return self._begun.binding

    @property
    def request_object(self) -> str | None:
        """The JWT to serve at the `request_uri` that `begin` was given, as `application/oauth-authz-req+jwt`."""
        return self._begun.request_object

    @property
    def expires_at(self) -> float:
        """When the attempt ends by itself (seconds since the epoch)."""
        return self._begun.expires_at

    @property
    def user_code(self) -> str | None:
        """What the human enters at `verification_uri` (RFC 8628 §3.2); None where there is a redirect."""
        return None if self._begun.told is None else self._begun.told.user_code

    @property
    def verification_uri(self) -> str | None:
        """The page to open on any device."""
        return None if self._begun.told is None else self._begun.told.verification_uri

    @property
    def verification_uri_complete(self) -> str | None:
        """The page with the code in its URL, for a QR code; None where the provider makes none."""
        return None if self._begun.told is None else self._begun.told.verification_uri_complete

    @property
    def attempt(self) -> str:
        """The attempt's public name; events of a step-up carry it."""
        return self._begun.attempt

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._session.provider.name!r} attempt={self.attempt}>"

    def wait(self, complete_page: str | None = None) -> AuthEvent:
        """Waits until the login has come to rest; raises `LoginFailed`."""
        return self._session._do(operations.wait(self._session, self._begun, complete_page))

    def cancel(self) -> bool:
        """Ends the login; False when there was nothing to end."""
        return self._session.cancel()


class AsyncAuthorizationRequest(AuthorizationRequest):
    """The twin of `AuthorizationRequest` for `AsyncSession`: `wait` and `cancel` are awaited."""

    _session: AsyncSession  # type: ignore[assignment]

    async def wait(self, complete_page: str | None = None) -> AuthEvent:  # type: ignore[override]
        return await self._session._do(operations.wait(self._session, self._begun, complete_page))

    async def cancel(self) -> bool:  # type: ignore[override]
        return await self._session.cancel()


class Session(ReadableSession):
    """One login of one account at one provider, explicit at every step."""

    __slots__ = ()

    def _do(self, operation: Op[T]) -> T:
        refuse_when_closed(self._house, operation)
        try:
            return cast(SyncShell, self._house.shell).run(str(self._key), operation)
        except LoginFailed as error:
            operations.with_trace(self, error)
            raise

    def login(
        self,
        *,
        saved_token: str | Token | None = None,
        open_url: OpenURL | None = None,
        complete_page: str | None = None,
        **arguments: Unpack[LoginArguments],
    ) -> Session:
        """Signs in and returns this session, live. By default: the system browser and a redirect to 127.0.0.1; where no
        browser can be had, a code on another screen, or a paste.

        `saved_token`: what `dump()` or `Token.to_json()` gave, in place of the human. `open_url(url)` shows
        the URL instead of the system browser. `complete_page`: an HTML page of yours for a success.

        Raises `LoginFailed` (`LoginDenied`, `LoginCancelled`, `LoginTimedOut`), `LoginInProgress`,
        `AlreadyAuthenticated`, `ConfigurationError`.
        """
        options = login_options(arguments, complete_page=complete_page)
        check_opener(open_url)
        if saved_token is not None:
            check_saved(saved_token)
            self._do(operations.restore(self, saved_token, options))
        else:
            self._do(operations.login(self, with_waiting_agent(options, open_url), open_url))
        return self

    def begin(
        self,
        *,
        redirect_uri: str | None = None,
        request_uri: str | None = None,
        app_data: Any = None,
        step_up: bool = False,
        **arguments: Unpack[LoginArguments],
    ) -> AuthorizationRequest:
        """Begins a login whose redirect arrives at a route of yours; finish it with `manager.complete`.

        `app_data` (plain data) comes back in the `Completion`. `step_up`: beside the live session, as `step_up()`.
        `request_uri`: where you serve this login's `request_object` to the provider (RFC 9101 §5.2).
        Raises `OwnerRequired` for a web login without an owner, `LoginFailed` when the provider's metadata cannot
        be had.
        """
        arguments = with_asked(self, arguments) if step_up else arguments
        options = login_options(
            arguments, redirect_uri=redirect_uri, request_uri=request_uri, app_data=app_data, step_up=step_up
        )
        return AuthorizationRequest(self, self._do(operations.begin(self, options)))

    def complete(self, callback: str | Mapping[str, str], *, binding: str | None = None) -> Completion:
        """Finishes a login by its redirect URL (or `form_post` parameters). See `SessionManager.complete`."""
        return self._do(operations.complete(self._house, callback, binding, self))

    def cancel(self) -> bool:
        """Ends a pending login; False when there is none."""
        return not self._house.closed and self._do(operations.cancel(self))

    def _cancel_beside(self) -> bool:
        return self._do(operations.cancel(self, beside_only=True))

    def step_up(
        self,
        *,
        open_url: OpenURL | None = None,
        complete_page: str | None = None,
        **arguments: Unpack[LoginArguments],
    ) -> Session:
        """Signs the same user in again, beside the live session: stronger, fresher, or with more scopes.

        Without `acr_values`, `max_age` and `scope` it asks for what an API has asked for (`step_up_required`), and
        always for the scopes that the session has. It fails without touching the live session. Raises
        `LoginFailed`, `SignInRequired`.
        """
        check_opener(open_url)
        arguments = with_asked(self, arguments)
        options = with_waiting_agent(login_options(arguments, complete_page=complete_page, step_up=True), open_url)
        self._do(operations.login(self, options, open_url))
        return self

    def token(self, min_ttl: float = 0.0, resource: str | None = None, scope: Sequence[str] | None = None) -> Token:
        """The present token, renewed first when that is due: once, whoever asks.

        `min_ttl`: seconds it must still live. `resource` (RFC 8707) or `scope`: not the login's own token but one for
        that API, or with that part of the scope; it is got with the refresh token and kept beside. Raises
        `SignInRequired`, `TemporarilyUnavailable`, `InvalidTarget`, `InvalidScope`.
        """
        fresh = self._fresh
        if fresh is not None and not min_ttl and resource is None and scope is None:
            monotonic = self._house.monotonic()
            if monotonic < self._sure_until or self._is_fresh(fresh, monotonic):
                return fresh[0]
        target = target_of(self, resource, scope)
        if target is None:
            return self._do(operations.token(self, min_ttl))
        found = self._fresh_further(target, min_ttl)
        return found if found is not None else self._do(operations.token_for(self, target, min_ttl))

    def auth_for(self, resource: str | None = None, scope: Sequence[str] | None = None) -> SessionAuth:
        """`auth` for another API: its tokens are those of `token(resource=…, scope=…)`, and go to that API too."""
        from .auth import SessionAuth

        return SessionAuth(Elsewhere(self, resource, scope))

    def refresh(self) -> AuthEvent | None:
        """Renews the token now, or joins the renewal under way. Raises why it could not."""
        return self._do(operations.refresh(self))

    def renew_if_current(self, access_token: str) -> Token:
        """For an API's 401: renews if `access_token` is still the present one, and gives the present token."""
        return self._do(operations.renew_after(self, access_token))

    def introspect(
        self, kind: Literal["access_token", "refresh_token"] = "access_token", *, signed: bool = False
    ) -> Introspection:
        """What the provider says of the present token now (RFC 7662). It changes nothing here.

        `signed` asks for a signed answer, and takes no other (RFC 9701). Raises `MissingEndpoint` when the provider
        has no introspection, `SignInRequired`, and what the provider's refusal is.
        """
        return self._do(operations.introspect(self, kind, signed=signed))

    def notice_step_up(self, access_token: str, asked: StepUp) -> None:
        """For an API that asks for more than `access_token` has: `on_step_up_required`, if that is the present one.

        `session.auth` calls it. Another HTTP client's answers are read by `protocol.challenge.read_step_up`.
        """
        self._do(operations.notice_step_up(self, access_token, asked))

    @property
    def auth(self) -> SessionAuth:
        """`httpx.get(url, auth=session.auth)`: a valid token on every request to the provider's APIs."""
        return session_auth(self)

    def restore(self, saved: str | Token, *, fetch_user: bool = True, fetch_groups: bool = False) -> Session:
        """Brings a saved session back: validated, renewed and the user fetched first where that is needed."""
        check_saved(saved)
        options = LoginOptions(fetch_user=fetch_user or fetch_groups, fetch_groups=fetch_groups)
        self._do(operations.restore(self, saved, options))
        return self

    def dump(self) -> str:
        """The session as sealed text, for `restore` or `login(saved_token=…)`. Raises `SealingKeyRequired`."""
        return operations.seal(self)

    def dump_plaintext(self) -> str:
        """The token as plain JSON. Whoever reads it is signed in: keep it where you would keep a password."""
        return operations.dump_token(self).to_json()

    def logout(
        self, *, revoke: bool = True, end_session: bool = True, post_logout_redirect_uri: str | None = None
    ) -> LogoutResult:
        """Signs out: here at once, then at the provider (revocation, its own logout), 10 s in all.

        A pending login is cancelled. Signing out twice is no error. Remote failures are in the result.
        """
        return self._do(
            operations.sign_out(
                self, revoke=revoke, end_session=end_session, post_logout_redirect_uri=post_logout_redirect_uri
            )
        )

    def forget(self) -> AuthEvent:
        """Drops what is left of a session that has ended: back to idle."""
        return self._do(operations.forget(self))

    def move(self, *, owner: str) -> Session:
        """Puts the session under another owner; its subscriptions follow."""
        self._do(operations.move(self, owner))
        return self


class AsyncSession(ReadableSession):
    """The twin of `Session` for asyncio."""

    __slots__ = ()

    async def _do(self, operation: Op[T]) -> T:
        refuse_when_closed(self._house, operation)
        try:
            return await cast(AsyncShell, self._house.shell).run(str(self._key), operation)
        except LoginFailed as error:
            operations.with_trace(self, error)
            raise

    async def login(
        self,
        *,
        saved_token: str | Token | None = None,
        open_url: OpenURL | None = None,
        complete_page: str | None = None,
        **arguments: Unpack[LoginArguments],
    ) -> AsyncSession:
        """See `Session.login`. `open_url` may be a coroutine function."""
        options = login_options(arguments, complete_page=complete_page)
        check_opener(open_url)
        if saved_token is not None:
            check_saved(saved_token)
            await self._do(operations.restore(self, saved_token, options))
        else:
            await self._do(operations.login(self, with_waiting_agent(options, open_url), open_url))
        return self

    async def begin(
        self,
        *,
        redirect_uri: str | None = None,
        request_uri: str | None = None,
        app_data: Any = None,
        step_up: bool = False,
        **arguments: Unpack[LoginArguments],
    ) -> AsyncAuthorizationRequest:
        """See `Session.begin`."""
        arguments = with_asked(self, arguments) if step_up else arguments
        options = login_options(
            arguments, redirect_uri=redirect_uri, request_uri=request_uri, app_data=app_data, step_up=step_up
        )
        begun = await self._do(operations.begin(self, options))
        return AsyncAuthorizationRequest(self, begun)  # type: ignore[arg-type]

    async def complete(self, callback: str | Mapping[str, str], *, binding: str | None = None) -> Completion:
        """See `Session.complete`."""
        return await self._do(operations.complete(self._house, callback, binding, self))

    async def cancel(self) -> bool:
        """See `Session.cancel`."""
        return not self._house.closed and await self._do(operations.cancel(self))

    def _cancel_beside(self) -> Coroutine[Any, Any, bool]:
        return self._do(operations.cancel(self, beside_only=True))

    async def step_up(
        self,
        *,
        open_url: OpenURL | None = None,
        complete_page: str | None = None,
        **arguments: Unpack[LoginArguments],
    ) -> AsyncSession:
        """See `Session.step_up`."""
        check_opener(open_url)
        arguments = with_asked(self, arguments)
        options = with_waiting_agent(login_options(arguments, complete_page=complete_page, step_up=True), open_url)
        await self._do(operations.login(self, options, open_url))
        return self

    async def token(
        self, min_ttl: float = 0.0, resource: str | None = None, scope: Sequence[str] | None = None
    ) -> Token:
        """See `Session.token`. A valid token is returned without waiting for anything."""
        fresh = self._fresh
        if fresh is not None and not min_ttl and resource is None and scope is None:
            monotonic = self._house.monotonic()
            if monotonic < self._sure_until or self._is_fresh(fresh, monotonic):
                return fresh[0]
        target = target_of(self, resource, scope)
        if target is None:
            return await self._do(operations.token(self, min_ttl))
        found = self._fresh_further(target, min_ttl)
        return found if found is not None else await self._do(operations.token_for(self, target, min_ttl))

    def auth_for(self, resource: str | None = None, scope: Sequence[str] | None = None) -> SessionAuth:
        """See `Session.auth_for`."""
        from .auth import SessionAuth

        return SessionAuth(AsyncElsewhere(self, resource, scope))

    async def refresh(self) -> AuthEvent | None:
        """See `Session.refresh`."""
        return await self._do(operations.refresh(self))

    async def renew_if_current(self, access_token: str) -> Token:
        """See `Session.renew_if_current`."""
        return await self._do(operations.renew_after(self, access_token))

    async def introspect(
        self, kind: Literal["access_token", "refresh_token"] = "access_token", *, signed: bool = False
    ) -> Introspection:
        """See `Session.introspect`."""
        return await self._do(operations.introspect(self, kind, signed=signed))

    async def notice_step_up(self, access_token: str, asked: StepUp) -> None:
        """See `Session.notice_step_up`."""
        await self._do(operations.notice_step_up(self, access_token, asked))

    @property
    def auth(self) -> SessionAuth:
        """`await client.get(url, auth=session.auth)`."""
        return session_auth(self)

    async def restore(self, saved: str | Token, *, fetch_user: bool = True, fetch_groups: bool = False) -> AsyncSession:
        """See `Session.restore`."""
        check_saved(saved)
        options = LoginOptions(fetch_user=fetch_user or fetch_groups, fetch_groups=fetch_groups)
        await self._do(operations.restore(self, saved, options))
        return self

    def dump(self) -> str:
        """See `Session.dump`."""
        return operations.seal(self)

    def dump_plaintext(self) -> str:
        """See `Session.dump_plaintext`."""
        return operations.dump_token(self).to_json()

    async def logout(
        self, *, revoke: bool = True, end_session: bool = True, post_logout_redirect_uri: str | None = None
    ) -> LogoutResult:
        """See `Session.logout`."""
        return await self._do(
            operations.sign_out(
                self, revoke=revoke, end_session=end_session, post_logout_redirect_uri=post_logout_redirect_uri
            )
        )

    async def forget(self) -> AuthEvent:
        """See `Session.forget`."""
        return await self._do(operations.forget(self))

    async def move(self, *, owner: str) -> AsyncSession:
        """See `Session.move`."""
        await self._do(operations.move(self, owner))
        return self


# ── what both faces share ────────────────────────────────────────────────────────────────────────────

_AS_PARAMETERS = ("login_hint", "domain_hint", "id_token_hint", "ui_locales", "display")
_TEXTS = (*_AS_PARAMETERS, "prompt")
_LISTS = ("scope", "acr_values", "resource")
_SECONDS = ("timeout", "max_age")


def login_options(arguments: LoginArguments, **more: Any) -> LoginOptions:
    """The options of a login from its named arguments. Raises `ConfigurationError` for one that cannot be."""
    given: dict[str, Any] = dict(arguments)
    check_arguments(given)
    timeout = arguments.get("timeout", 600.0)
    if not 0 < timeout <= 86_400:
        raise ConfigurationError("timeout must lie between 0 and 86,400 seconds.", hint="Leave it at 600.")
    params = {str(name): str(value) for name, value in (arguments.get("params") or {}).items()}
    params.update({name: str(given[name]) for name in _AS_PARAMETERS if given.get(name) is not None})
    return LoginOptions(
        scope=tuple(arguments.get("scope") or ()),
        fetch_user=arguments.get("fetch_user", True) or arguments.get("fetch_groups", False),
        fetch_groups=arguments.get("fetch_groups", False),
        timeout=float(timeout),
        agent=arguments.get("agent"),
        prompt=arguments.get("prompt"),
        max_age=arguments.get("max_age"),
        acr_values=tuple(arguments.get("acr_values") or ()),
        claims=dict(arguments.get("claims") or {}),
        authorization_details=tuple(dict(one) for one in arguments.get("authorization_details") or ()),
        resource=tuple(arguments.get("resource") or ()),
        params=params,
        **more,
    )


def with_asked(session: ReadableSession, arguments: LoginArguments) -> LoginArguments:
    """The arguments of a step-up: the caller's, or else what an API asked for. Raises `SignInRequired`."""
    if not session.live:
        raise operations.sign_in_required(session)
    asked = session.step_up_required
    if asked is None or any(arguments.get(name) is not None for name in ("acr_values", "max_age", "scope")):
        return arguments
    return {**arguments, "acr_values": asked.acr_values, "max_age": asked.max_age, "scope": asked.scope}


def check_arguments(given: Mapping[str, Any]) -> None:
    """What no login can be made from is refused before anything begins. Raises `ConfigurationError`."""
    known = LoginArguments.__annotations__.keys()
    for name, value in given.items():
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" It takes {', '.join(sorted(known))}."
            raise TypeError(f"A login has no argument {name!r}.{hint}")
        if name in _LISTS and isinstance(value, str):
            raise ConfigurationError(
                f"{name} must be a list of strings, not one string.", hint=f"Write {name}={value.split()!r}."
            )
        if name in _LISTS and not all(isinstance(one, str) for one in value or ()):
            raise ConfigurationError(f"{name} must be a list of strings.", hint="It holds something else.")
        if name in _SECONDS and value is not None and not isinstance(value, (int, float)):
            raise ConfigurationError(f"{name} must be a number of seconds.", hint=f"Write {name}=600.")
        if name in _TEXTS and value is not None and not isinstance(value, str):
            raise ConfigurationError(f"{name} must be a string.", hint=f'Write {name}="…".')
        if name in ("params", "claims") and value is not None and not isinstance(value, Mapping):
            raise ConfigurationError(f"{name} must be a mapping.", hint=f'Write {name}={{"name": …}}.')
        if name == "claims" and value is not None:
            build_claims_parameter(value)
        if name == "authorization_details" and value is not None:
            build_authorization_details(value)
        if name == "params" and value is not None and (fixed := OUR_PARAMETERS & set(value)):
            raise ConfigurationError(
                f"params cannot hold {', '.join(sorted(fixed))}.",
                hint="authflow makes it anew for every attempt; the response mode is a setting of the provider.",
            )
        if name == "agent" and value is not None and (isinstance(value, type) or not hasattr(value, "listen")):
            raise ConfigurationError("agent= is no agent.", hint="Pass an instance, such as agent=Paste().")


def check_opener(open_url: object) -> None:
    """`open_url` is called with the URL."""
    if open_url is not None and not callable(open_url):
        raise ConfigurationError(
            f"open_url must be a function that takes the URL, not a {type(open_url).__name__}.",
            hint="Write open_url=webbrowser.open, or leave it away for the system browser.",
        )


def check_saved(saved: object) -> None:
    """Only what `dump()` or `Token.to_json()` gave, or a `Token`, comes back."""
    if not isinstance(saved, (str, Token)):
        raise InvalidCall(
            f"A saved session is text or a Token, not a {type(saved).__name__}.", hint="Pass what dump() returned."
        )


def refuse_when_closed(house: House, operation: Op[Any]) -> None:
    """After `close()` nothing begins any more: no listener, no browser, no pending login."""
    if house.closed:
        operation.close()
        raise closed_error()


def with_waiting_agent(options: LoginOptions, open_url: OpenURL | None) -> LoginOptions:
    """`login()` waits itself. Without an agent and an opener, the one is chosen that suits this place."""
    from msgspec.structs import replace

    if options.agent is None:
        return options if open_url is None else replace(options, agent=Loopback())
    if not options.agent.waits:
        raise InvalidCall(
            f"{type(options.agent).__name__} brings no redirect to login().",
            hint="Use begin(agent=…), open request.url, and complete(url) when the redirect arrives.",
        )
    return options


def session_auth(session: Session | AsyncSession) -> SessionAuth:
    """One auth object per session."""
    if session._auth is None:
        from .auth import SessionAuth

        session._auth = SessionAuth(session)
    return session._auth


def target_of(s: SessionCore, resource: str | None, scope: Sequence[str] | None) -> Target | None:
    """What a token is asked for; None when that is the login's own. Raises `ConfigurationError`, `InsecureURL`."""
    if isinstance(scope, str) or not all(isinstance(one, str) for one in scope or ()):
        raise ConfigurationError("scope must be a list of strings.", hint=f"Write scope=[{str(scope)!r}].")
    if resource is not None and (not isinstance(resource, str) or ":" not in resource or "#" in resource):
        raise ConfigurationError(
            "resource must be the absolute URI of an API, without a fragment.", hint='resource="https://api.example.com/".'
        )
    if not scope and (resource is None or s._settled().resource[:1] == (resource,)):
        return None
    return Target(resource or "", tuple(dict.fromkeys(scope or ())))


class Elsewhere:
    """A session, as `auth_for` shows it to another API."""

    def __init__(self, session: Session, resource: str | None, scope: Sequence[str] | None) -> None:
        self._session = session
        self._resource, self._scope = resource, scope
        self._target = target_of(session, resource, scope)
        self.prove = session.prove
        self.learn_nonce = session.learn_nonce

    @property
    def allowed_origins(self) -> frozenset[str]:
        return origins_with(self._session, self._resource)

    def token(self) -> Token:
        return self._session.token(resource=self._resource, scope=self._scope)

    def renew_if_current(self, access_token: str) -> Token:
        if self._target is None:
            return self._session.renew_if_current(access_token)
        return self._session._do(operations.token_for(self._session, self._target, 0.0, access_token))


class AsyncElsewhere:
    """The twin of `Elsewhere`."""

    def __init__(self, session: AsyncSession, resource: str | None, scope: Sequence[str] | None) -> None:
        self._session = session
        self._resource, self._scope = resource, scope
        self._target = target_of(session, resource, scope)
        self.prove = session.prove
        self.learn_nonce = session.learn_nonce

    @property
    def allowed_origins(self) -> frozenset[str]:
        return origins_with(self._session, self._resource)

    async def token(self) -> Token:
        return await self._session.token(resource=self._resource, scope=self._scope)

    async def renew_if_current(self, access_token: str) -> Token:
        if self._target is None:
            return await self._session.renew_if_current(access_token)
        return await self._session._do(operations.token_for(self._session, self._target, 0.0, access_token))


def origins_with(s: ReadableSession, resource: str | None) -> frozenset[str]:
    """Where a session's tokens may go, and the API that this one is for."""
    own = origin_of(resource) if resource and resource.startswith(("https://", "http://")) else None
    return s.allowed_origins if own is None else s.allowed_origins | {own}
