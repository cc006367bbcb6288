"""A disk with faults: the `os` module with one of its calls failing, or ending the process.

`Disk.os` stands in for `os` in the modules under test. Calls are numbered from 0, as they come.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

TOUCH_THE_DISK = frozenset(
    {"open", "read", "write", "close", "fsync", "fstat", "lstat", "stat", "fchmod", "replace", "unlink", "scandir"}
)


class Disk:
    """`at`: the number of the call that `fault(name)` happens at. `onwards`: at every later call too.
    `only`: calls of these names are counted, others just pass."""

    def __init__(
        self,
        fault: Callable[[str], None],
        *,
        at: int | None = None,
        onwards: bool = False,
        only: frozenset[str] = TOUCH_THE_DISK,
    ) -> None:
        self.calls: list[str] = []
        self._fault, self._at, self._onwards, self._only = fault, at, onwards, only

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        if name not in self._only:
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            number = len(self.calls)
            self.calls.append(name)
            if self._at is not None and (number == self._at or (self._onwards and number > self._at)):
                if name == "close":
                    real(*args, **kwargs)  # a close that fails has closed
                self._fault(name)
            return real(*args, **kwargs)

        return call


def failing(number: int) -> Callable[[str], None]:
    """The fault that every call knows: an `OSError` with this `errno`."""

    def fail(name: str) -> None:
        raise OSError(number, os.strerror(number))

    return fail
