"""Who comes to an application's routes beside its users' browsers with a callback: providers that sign somebody out,
browsers that come back from a logout, other sites that ask for a login. In both colours.

Rule: whoever comes proves nothing by coming. What is done follows from what was checked (`operations/`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import operations
from .operations import LogoutReturn, ProviderLogout
from .records import Key
from .session import AsyncAuthorizationRequest, AuthorizationRequest

if TYPE_CHECKING:
    from .effects import Op
    from .events import AuthEvent
    from .house import House
    from .operations.initiated import Invitation
    from .session import AsyncSession, Session, T


class Reception:
    """The part of a `SessionManager` that is called from such routes."""

    if TYPE_CHECKING:
        _house: House

        def _do(self, operation: Op[T]) -> T: ...

        def _find(self, key: Key) -> Session: ...

    def initiate_login(
        self,
        request: str | Mapping[str, str],
        *,
        owner: str = "",
        allowed_targets: Sequence[str] = (),
        **arguments: Any,
    ) -> AuthorizationRequest:
        """Begins the login that another site asks for (OpenID Connect Core §4): send the browser to its `url`.

        `request`: the URL or form that arrived at your `initiate_login_uri`. The issuer must be one of this manager's;
        a `target_link_uri` must be among `allowed_targets` (one that ends in `/` stands for all beneath it) and is the
        `app_data` of the `Completion`, as `{"target_link_uri": …}`. Further arguments are those of `begin`. Raises
        `CallbackRejected`, and what `begin` raises.
        """
        invited = operations.read_invitation(self._house, request, allowed_targets)
        session = self._find(Key(owner, invited.provider, ""))
        return session.begin(**{**arguments, "login_hint": invited.login_hint, "app_data": target_data(invited)})

    def complete_logout(self, request: str | Mapping[str, str]) -> LogoutReturn:
        """The browser is back from the provider's logout page: `request` is its URL as it arrived.

        Raises `CallbackRejected` for a state that belongs to no logout of this application, or none.
        """
        return self._do(operations.complete_logout(self._house, request))

    def back_channel_logout(self, logout_token: str) -> ProviderLogout:
        """The provider says that somebody signed out (OpenID Connect Back-Channel Logout 1.0): every session that is
        meant ends, in whichever process, with `on_logout` of origin `provider`.

        `logout_token`: from the form that was posted to your `backchannel_logout_uri`. Answer 200, or 400 to what
        this raises: `ValidationFailed` for a token that fails a check.
        """
        return self._do(operations.back_channel_logout(self._house, logout_token))

    def ciba_notification(self, authorization: str, body: bytes | str | Mapping[str, Any]) -> AuthEvent | None:
        """The provider says that a human has answered (CIBA Core §10.2, `agent=CIBA(ping=True)`), whichever process
        began: the tokens are fetched.

        `authorization`, `body`: the header and the JSON that were posted to your client notification endpoint. Answer
        204; 401 to the `CallbackRejected` that this raises for a ping of no pending login. Raises `LoginFailed`.
        """
        return self._do(operations.notified(self._house, authorization, body))

    def front_channel_logout(self, request: str | Mapping[str, str]) -> ProviderLogout:
        """The provider's page asks, in the human's browser, to sign out (OpenID Connect Front-Channel Logout 1.0).

        `request`: the URL that arrived at your `frontchannel_logout_uri`; it must name `iss` and `sid`. Raises
        `ValidationFailed`, `CallbackRejected`.
        """
        return self._do(operations.front_channel_logout(self._house, request))


class AsyncReception:
    """The twin of `Reception`."""

    if TYPE_CHECKING:
        _house: House

        async def _do(self, operation: Op[T]) -> T: ...

        def _find(self, key: Key) -> AsyncSession: ...

    async def initiate_login(
        self,
        request: str | Mapping[str, str],
        *,
        owner: str = "",
        allowed_targets: Sequence[str] = (),
        **arguments: Any,
    ) -> AsyncAuthorizationRequest:
        """See `SessionManager.initiate_login`."""
        invited = operations.read_invitation(self._house, request, allowed_targets)
        session = self._find(Key(owner, invited.provider, ""))
        return await session.begin(**{**arguments, "login_hint": invited.login_hint, "app_data": target_data(invited)})

    async def complete_logout(self, request: str | Mapping[str, str]) -> LogoutReturn:
        """See `SessionManager.complete_logout`."""
        return await self._do(operations.complete_logout(self._house, request))

    async def back_channel_logout(self, logout_token: str) -> ProviderLogout:
        """See `SessionManager.back_channel_logout`."""
        return await self._do(operations.back_channel_logout(self._house, logout_token))

    async def ciba_notification(
        self, authorization: str, body: bytes | str | Mapping[str, Any]
    ) -> AuthEvent | None:
        """See `SessionManager.ciba_notification`."""
        return await self._do(operations.notified(self._house, authorization, body))

    async def front_channel_logout(self, request: str | Mapping[str, str]) -> ProviderLogout:
        """See `SessionManager.front_channel_logout`."""
        return await self._do(operations.front_channel_logout(self._house, request))


def target_data(invited: Invitation) -> dict[str, str] | None:
    """What the application finds in `Completion.app_data` after a login that another site asked for."""
    return None if invited.target_link_uri is None else {"target_link_uri": invited.target_link_uri}
