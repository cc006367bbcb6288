"""`Authorization`: one provider's login, with the names that Flet's has: `user`, `provider`, `token`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from time import time
from typing import Any, TypeVar

from ... import AsyncSession, TemporarilyUnavailable, Token, User

T = TypeVar("T")


class Authorization:
    """The login at one provider. `session` is all the rest of it: `live`, `scopes`, `claims`, `auth`, …"""

    def __init__(self, session: AsyncSession, loop: asyncio.AbstractEventLoop) -> None:
        self.session = session
        self._loop = loop

    def __repr__(self) -> str:
        return f"<Authorization {self.session.provider.name!r} {self.session.state}>"

    @property
    def provider(self) -> Any:
        """The provider, as it was given to `FletLogins`."""
        return getattr(self.session.provider, "original", self.session.provider)

    @property
    def user(self) -> User | None:
        return self.session.user

    @property
    def token(self) -> Token:
        """The present token. While a page is open it is renewed ahead of its end; asked for on another thread than
        the page's, or by `await get_token()`, it is renewed here when that is due.

        Raises `SignInRequired`, and `TemporarilyUnavailable` for a token that is over and cannot be waited for here.
        """
        if not runs_here(self._loop):
            return asyncio.run_coroutine_threadsafe(self.session.token(), self._loop).result()
        token = Token.from_json(self.session.dump_plaintext())
        if token.expires_at is not None and token.expires_at <= time():
            raise TemporarilyUnavailable(
                "The token is over, and the event loop cannot wait for the next one.",
                hint="Use `await auth.get_token()`.",
                retry_at=time(),
            )
        return token

    async def get_token(self) -> Token:
        """The present token, renewed first when that is due: once, whoever asks."""
        return await self.session.token()


def runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is the loop's own thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class Tasks:
    """What was begun for a page and not awaited: held until it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[asyncio.Future[Any]] = set()

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Any:
        """Runs `work` on the loop, from any thread; gives what can be awaited there, or asked for its `result()`."""
        if not runs_here(self._loop):
            return asyncio.run_coroutine_threadsafe(work(), self._loop)
        task = self._loop.create_task(work())
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # taken: the page was told, and whoever awaits the task has it too
