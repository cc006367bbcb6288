"""`session.token()` while the token is good: against one look at one clock, which is the least there is."""

from __future__ import annotations

import asyncio
import time

from authflow import AsyncSessionManager

from .live import PROVIDER, make_live, manager
from .measure import Run, in_turn, repeat, show


class OneLook:
    """A token and its end; no machine, no lock, one clock."""

    __slots__ = ("token", "until")

    def __init__(self) -> None:
        self.token = "a" * 892
        self.until = time.time() + 3600

    def get(self) -> str | None:
        return self.token if time.time() < self.until else None

    async def aget(self) -> str | None:
        return self.token if time.time() < self.until else None


def sync() -> None:
    held = OneLook()
    with manager() as sessions:
        session = sessions["op"]
        make_live(session)
        contestants: dict[str, Run] = {
            "one look at one clock": repeat(held.get),
            "session.token()": repeat(session.token),
            "session.state": repeat(lambda: session.state),
            'manager["op"]': repeat(lambda: sessions["op"]),
        }
        show("a valid token, sync", in_turn(contestants, calls=50_000), unit="ns")


def asynchronous() -> None:
    held = OneLook()
    with asyncio.Runner() as runner:
        sessions = AsyncSessionManager([PROVIDER])
        session = sessions["op"]

        async def look(times: int) -> None:
            for _ in range(times):
                await held.aget()

        async def ask(times: int) -> None:
            for _ in range(times):
                await session.token()

        async def start() -> None:
            make_live(session)

        runner.run(start())
        contestants: dict[str, Run] = {
            "one look at one clock": lambda times: runner.run(look(times)),
            "await session.token()": lambda times: runner.run(ask(times)),
        }
        show("a valid token, async", in_turn(contestants, calls=50_000), unit="ns")
        runner.run(sessions.aclose())


def main() -> None:
    sync()
    asynchronous()


if __name__ == "__main__":
    main()
