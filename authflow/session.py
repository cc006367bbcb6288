"""`Session` and `AsyncSession`: the two faces of one session. They have the same names and differ in `await`.

What a session is stands in `core.py`, what can be read of it in `reading.py`, what it does in `operations/`; here an
operation meets its shell.
"""

from __future__ import annotations

from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack, cast

from . import operations
from .arguments import (
    LoginArguments,
    OpenURL,
    check_opener,
    check_saved,
    login_options,
    with_asked,
    with_waiting_agent,
)
from .begun import AsyncAuthorizationRequest, AuthorizationRequest
from .drive import AsyncShell, SyncShell, closed_error
from .effects import Op
from .elsewhere import AsyncElsewhere, Elsewhere, target_of
from .errors import LoginFailed
from .events import AuthEvent, StepUp
from .house import House
from .operations import Completion, LoginOptions, LogoutResult
from .reading import ReadableSession
from .records import Token
from .run import Attempt

if TYPE_CHECKING:
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


def refuse_when_closed(house: House, operation: Op[Any]) -> None:
    """After `close()` nothing begins any more: no listener, no browser, no pending login."""
    if house.closed:
        operation.close()
        raise closed_error()


def session_auth(session: Session | AsyncSession) -> SessionAuth:
    """One auth object per session."""
    if session._auth is None:
        from .auth import SessionAuth

        session._auth = SessionAuth(session)
    return session._auth
