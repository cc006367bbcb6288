"""A login that was begun, as a web application holds it between two requests of the browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import operations
from .events import AuthEvent
from .operations import Begun

if TYPE_CHECKING:
    from .session import AsyncSession, Session


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
