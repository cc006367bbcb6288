"""What the tests of logins without a redirect stand on: a provider with a clock, and people at another screen."""

from __future__ import annotations

from typing import Any

from authflow.agents import Instructions
from authflow.testing import DevProvider, ScriptedBrowser, VirtualClock
from tests.session.support import ProviderClock, World


class Served:
    """A provider for a module's tests, and its time."""

    def __init__(self) -> None:
        self.clock = VirtualClock(patience=0.2)  # who waits for a poll may be done with waiting
        self.its_clock = ProviderClock(self.clock)
        self.provider = DevProvider(label="Acme", clock=self.its_clock)


class Shown:
    """A screen: what it was told to show."""

    def __init__(self) -> None:
        self.told: list[Instructions] = []

    def __call__(self, told: Instructions) -> None:
        self.told.append(told)


def approve(request: Any, user: str = "ada", *, deny: bool = False) -> str:
    """The human opens the page, enters the code, says who they are and allows it; gives the last page."""
    with ScriptedBrowser(user, fields={"user_code": request.user_code}, deny=deny) as browser:
        return browser.go(request.verification_uri).text


async def until_waiting(world: World, task: Any) -> None:
    """Somebody besides the scheduler waits on the clock, for the next poll; or it is over."""

    def waits() -> bool:
        waiters = [one.who for one in list(world.clock._waiters)]
        return task.done() or any("scheduler" not in repr(who) for who in waiters)

    await world.eventually(waits)


async def poll(world: World, task: Any, seconds: float) -> None:
    """So many seconds pass, and what is due in them is done."""
    await until_waiting(world, task)
    await world.pass_time(seconds)
    await until_waiting(world, task)
