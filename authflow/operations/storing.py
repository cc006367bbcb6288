"""Keeping what is spent or issued already: tokens that cannot be asked for a second time.

Rule: one failure of the store costs nobody a session; it is tried again, for less than two seconds in all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from ..core import SessionCore
from ..effects import Do, Op, T
from ..errors import StoreError
from ..protocol.step import Wait

_PAUSES: Final = (0.2, 0.5, 1.0)


def persistently(store: Callable[[], Op[T]]) -> Op[T]:
    """`store()`, begun again while the store fails. Raises `StoreError` when it does not come back."""
    for delay in _PAUSES:
        try:
            return (yield from store())
        except StoreError:
            yield Wait(delay)
    return (yield from store())


def stored(s: SessionCore, call: Callable[[], T]) -> Op[T]:
    """`persistently`, for a plain call."""
    return persistently(partial(_call, s, call))


def _call(s: SessionCore, call: Callable[[], T]) -> Op[T]:
    result: T = yield Do(call, s._house.store.blocking)
    return result
