"""The clock that everything else is given: what time it is, and how to wait.

Rule: nobody in authflow reads or waits for time except through a `Clock`, so tests turn one by hand.

`time()` may jump (somebody sets it, a network corrects it); `monotonic()` never does, but on most systems it
stands still while the machine is suspended. A deadline that has to survive a closed lid looks at both.
"""

from __future__ import annotations

import threading
from time import monotonic as _monotonic
from time import time as _time
from typing import Protocol

from .errors import ConfigurationError


class Clock(Protocol):
    """What a clock can do. Seconds throughout."""

    def time(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since some point in the past; never goes back."""
        ...

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Blocks until `event` is set or `seconds` have passed (`None`: no limit). True when it is set."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after `seconds`. Cancelling it is how to wake early."""
        ...


class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    # The functions themselves: every token() asks both.
    time = staticmethod(_time)
    monotonic = staticmethod(_monotonic)

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        if seconds is not None:
            # Event.wait refuses what the system cannot count, instead of waiting very long.
            seconds = min(max(seconds, 0.0), threading.TIMEOUT_MAX)
        return event.wait(seconds)

    async def sleep(self, seconds: float) -> None:
        # A program without asyncio shall not pay for importing it.
        import asyncio

        await asyncio.sleep(seconds)

    def __repr__(self) -> str:
        return "SystemClock()"


def clock_for(clock: Clock | None) -> Clock:
    """What a manager's `clock=` asks for. Raises `ConfigurationError` for what is none."""
    if clock is None:
        return SystemClock()
    if all(callable(getattr(clock, name, None)) for name in ("time", "monotonic", "wait", "sleep")):
        return clock
    raise ConfigurationError(
        f"A {type(clock).__name__} is no clock.", hint="Leave clock= away; for tests there is testing.VirtualClock()."
    )
