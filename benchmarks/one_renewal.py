"""Never lose a session: one process, many callers, a provider that ends the login when a refresh token comes twice.

    python -m benchmarks.one_renewal

1,000 tasks and 64 threads ask at once for a token that has expired; the caller that leads is cancelled in the
middle of a renewal; tokens live shorter than any margin. Wanted: one token request a generation, no error, the
session alive. Prints a line of JSON for each; exit status 1 when anything is not as wanted.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from typing import Any

from authflow import AsyncSessionManager, SessionManager
from authflow.testing import DevProvider, ScriptedBrowser
from benchmarks.stampede import TURN, Turned


def requests(dev: DevProvider) -> int:
    return len(dev.token_requests("refresh_token"))


async def tasks(dev: DevProvider, clock: Turned, count: int = 1_000) -> dict[str, Any]:
    async with AsyncSessionManager([dev.settings("acme")], clock=clock) as manager:
        with ScriptedBrowser() as browser:
            session = await manager.login("acme", open_url=browser)
        clock.shift += TURN
        before = requests(dev)
        got = await asyncio.gather(*(session.token() for _ in range(count)), return_exceptions=True)
        errors = sum(isinstance(one, BaseException) for one in got)
        return {"callers": f"{count} tasks", "token_requests": requests(dev) - before, "errors": errors,
                "alive": session.live}  # fmt: skip


def threads(dev: DevProvider, clock: Turned, count: int = 64) -> dict[str, Any]:
    with SessionManager([dev.settings("acme")], clock=clock) as manager, ScriptedBrowser() as browser:
        session = manager.login("acme", open_url=browser)
        clock.shift += TURN
        before = requests(dev)
        start = threading.Barrier(count)
        errors: list[Exception] = []

        def ask() -> None:
            start.wait(10)
            try:
                session.token()
            except Exception as error:
                errors.append(error)

        crowd = [threading.Thread(target=ask) for _ in range(count)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join(60)
        return {"callers": f"{count} threads", "token_requests": requests(dev) - before, "errors": len(errors),
                "alive": session.live}  # fmt: skip


async def leader_cancelled(dev: DevProvider, clock: Turned) -> dict[str, Any]:
    async with AsyncSessionManager([dev.settings("acme")], clock=clock) as manager:
        with ScriptedBrowser() as browser:
            session = await manager.login("acme", open_url=browser)
        clock.shift += TURN
        before = requests(dev)
        hold = dev.hold("token", after=True)
        leader = asyncio.create_task(session.token())
        await asyncio.to_thread(hold.wait)
        leader.cancel()
        await asyncio.gather(leader, return_exceptions=True)
        follower = asyncio.create_task(session.token())
        hold.release()
        errors = int(isinstance((await asyncio.gather(follower, return_exceptions=True))[0], BaseException))
        return {"callers": "a leader that is cancelled, and a follower", "token_requests": requests(dev) - before,
                "errors": errors, "alive": session.live}  # fmt: skip


def short_tokens(dev: DevProvider, clock: Turned, calls: int = 50) -> dict[str, Any]:
    dev.access_token_ttl = 20.0  # shorter than the 30 s that others renew ahead
    with SessionManager([dev.settings("acme")], clock=clock) as manager, ScriptedBrowser() as browser:
        session = manager.login("acme", open_url=browser)
        before = requests(dev)
        for _ in range(calls):
            session.token()
        made = requests(dev) - before
    dev.access_token_ttl = 3600.0
    return {"callers": f"{calls} calls within one short life", "token_requests": made, "errors": 0, "alive": True}


def main() -> int:
    clock = Turned()
    with DevProvider(auto="ada", rotation="strict", clock=clock).serve() as dev:
        figures = [
            asyncio.run(tasks(dev, clock)),
            threads(dev, clock),
            asyncio.run(leader_cancelled(dev, clock)),
            short_tokens(dev, clock),
        ]
    for each in figures:
        print(json.dumps(each))
    fine = all(not each["errors"] and each["alive"] and each["token_requests"] <= 1 for each in figures)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
