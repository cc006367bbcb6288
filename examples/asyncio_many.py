"""Three providers at once: `asyncio.gather` over three logins, then one renewal for ten who ask.

It shows `AsyncSessionManager`, a receiver that is a coroutine function, and that a failed login of one provider
leaves the others alone (at the third, the user says no).
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack

from authflow import AsyncSession, AsyncSessionManager, LoginDenied
from authflow.events import AuthEvent
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


async def greet(session: AsyncSession, event: AuthEvent) -> None:
    await asyncio.sleep(0)  # a database, a message to another service
    print(f"{event.provider}: hello {session.user.name if session.user else 'somebody'}")


async def main() -> None:
    labels = ("Acme", "Globex", "Initech")
    async with AsyncExitStack() as stack:
        providers = [await stack.enter_async_context(DevProvider(label=label).aserve()) for label in labels]
        people = [stack.enter_context(ScriptedBrowser(user="ada", deny=label == "Initech")) for label in labels]
        settings = [one.settings(one.label.lower()) for one in providers]
        manager = await stack.enter_async_context(AsyncSessionManager(settings))
        manager.on_login.connect(greet)

        openers = people if HEADLESS else [None] * len(people)  # None: the system browser
        logins = [manager.login(name, open_url=one) for name, one in zip(manager, openers, strict=True)]
        outcomes = await asyncio.gather(*logins, return_exceptions=True)
        for name, outcome in zip(manager, outcomes, strict=True):
            denied = isinstance(outcome, LoginDenied)
            print(f"{name}: {'the user said no' if denied else outcome}; live: {manager[name].live}")

        acme = manager["acme"]
        if acme.live:
            before = providers[0].count("token")
            await asyncio.gather(*(acme.refresh() for _ in range(10)))
            print(f"acme: 10 callers renewed the token with {providers[0].count('token') - before} request")
        await manager.logout_all()


if __name__ == "__main__":
    asyncio.run(main())
