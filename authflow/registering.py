"""This application's registrations, as a manager keeps them (RFC 7591, RFC 7592). In both colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import operations

if TYPE_CHECKING:
    from .effects import Op
    from .protocol.registration import ClientInformation, ClientMetadata
    from .session import AsyncSession, Session, T


class Registrations:
    """The part of a `SessionManager` that manages registrations. They are kept by provider, for all owners."""

    if TYPE_CHECKING:

        def _do(self, operation: Op[T]) -> T: ...

        def __getitem__(self, name: str | tuple[str, str]) -> Session: ...

    def register(self, name: str, *, redirect_uri: str | None = None) -> ClientInformation:
        """Registers this application with the provider now, if it is not yet (RFC 7591); a login does it by itself.

        `redirect_uri`: what logins will use; without it that of the provider's settings, or loopback.
        """
        return self._do(operations.register(self[name], redirect_uri))

    def read_registration(self, name: str) -> ClientInformation:
        """The registration as the server has it now (RFC 7592); kept if it has changed. Raises `NotSupported` when it
        cannot be managed, `ConfigurationError` when there is none."""
        return self._do(operations.read_registration(self[name]))

    def update_registration(self, name: str, client: ClientMetadata) -> ClientInformation:
        """Replaces what the server knows of this application (RFC 7592)."""
        return self._do(operations.update_registration(self[name], client))

    def delete_registration(self, name: str) -> None:
        """Ends the registration at the server, and forgets it here (RFC 7592). Its sessions cannot be renewed then."""
        self._do(operations.delete_registration(self[name]))


class AsyncRegistrations:
    """The twin of `Registrations`."""

    if TYPE_CHECKING:

        async def _do(self, operation: Op[T]) -> T: ...

        def __getitem__(self, name: str | tuple[str, str]) -> AsyncSession: ...

    async def register(self, name: str, *, redirect_uri: str | None = None) -> ClientInformation:
        """See `SessionManager.register`."""
        return await self._do(operations.register(self[name], redirect_uri))

    async def read_registration(self, name: str) -> ClientInformation:
        """See `SessionManager.read_registration`."""
        return await self._do(operations.read_registration(self[name]))

    async def update_registration(self, name: str, client: ClientMetadata) -> ClientInformation:
        """See `SessionManager.update_registration`."""
        return await self._do(operations.update_registration(self[name], client))

    async def delete_registration(self, name: str) -> None:
        """See `SessionManager.delete_registration`."""
        await self._do(operations.delete_registration(self[name]))
