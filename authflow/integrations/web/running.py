"""How the steps of a route are run. A step is a question to the manager; it may wait for a store or a provider.

Rule: steps know no colour. With a `SessionManager` an async framework runs each step on a thread; with an
`AsyncSessionManager` on the loop, save what only reads, which goes to a thread where the store blocks.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Do(NamedTuple):
    """An operation of the manager: awaitable when that is async."""

    call: Callable[[], Any]


class Read(NamedTuple):
    """A look at a session: plain in both colours, but the first one asks the store."""

    call: Callable[[], Any]


Steps = Generator[Do | Read, Any, T]


def run(steps: Steps[T]) -> T:
    """Runs them here and now, for a `SessionManager`."""
    try:
        step = next(steps)
        while True:
            try:
                found = step.call()
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def arun(steps: Steps[T], manager: Any) -> T:
    """Runs them on the loop, for either manager."""
    import asyncio

    awaits = inspect.iscoroutinefunction(manager.close)
    blocking = bool(manager.store.blocking)
    try:
        step = next(steps)
        while True:
            try:
                if not awaits or (blocking and isinstance(step, Read)):
                    found = await asyncio.to_thread(step.call)
                else:
                    found = step.call()
                    found = await found if inspect.isawaitable(found) else found
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(found)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]
