"""A warm login (three requests: redirect, token, userinfo) and a refresh, against httpx by hand.

Every login of authflow is a session of its own, of a new owner, and stays: what a web application does.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from authflow import AsyncSession, AsyncSessionManager, Session, SessionManager
from authflow.providers import OpenIDConnect

from .by_hand import AsyncByHand, ByHand
from .measure import Run, in_turn, repeat, show
from .provider import CLIENT_ID, CLIENT_SECRET, REDIRECT_URI, SCOPES, Browser, running

owners = (f"owner-{number}" for number in itertools.count())


def provider(base: str) -> OpenIDConnect:
    return OpenIDConnect(
        base, CLIENT_ID, CLIENT_SECRET, name="op", scopes=SCOPES[1:], client_auth="client_secret_post",
        allow_insecure_loopback=base.startswith("http:"),
    )  # fmt: skip


def sign_in(manager: SessionManager, browser: Browser) -> Session:
    session = manager.owner(next(owners))["op"]
    request = session.begin(redirect_uri=REDIRECT_URI)
    session.complete(browser.visit(request.url), binding=request.binding)
    return session


async def sign_in_async(manager: AsyncSessionManager, browser: Browser) -> AsyncSession:
    session = manager.owner(next(owners))["op"]
    request = await session.begin(redirect_uri=REDIRECT_URI)
    await session.complete(browser.visit(request.url), binding=request.binding)
    return session


def sync(base: str) -> None:
    browser, by_hand = Browser(base), ByHand(base)
    token = by_hand.login(browser)
    with SessionManager([provider(base)]) as manager:
        session = sign_in(manager, browser)
        logins: dict[str, Run] = {
            "httpx.Client by hand": repeat(lambda: by_hand.login(browser)),
            "authflow SessionManager": repeat(lambda: sign_in(manager, browser)),
        }
        show("login, sync", in_turn(logins, calls=50), unit="ms")
        refreshes: dict[str, Run] = {
            "httpx.Client by hand": repeat(lambda: by_hand.refresh(token)),
            "authflow Session.refresh()": repeat(session.refresh),
        }
        show("refresh, sync", in_turn(refreshes, calls=100), unit="ms")


def asynchronous(base: str) -> None:
    with asyncio.Runner() as runner:

        def spread(call: Callable[[], Awaitable[object]], workers: int) -> Run:
            async def run(times: int) -> None:
                async def work() -> None:
                    for _ in range(times // workers):
                        await call()

                await asyncio.gather(*[work() for _ in range(workers)])

            return lambda times: runner.run(run(times))

        browser, by_hand, manager = Browser(base), AsyncByHand(), AsyncSessionManager([provider(base)])
        runner.run(by_hand.start(base))
        token = runner.run(by_hand.login(browser))
        session = runner.run(sign_in_async(manager, browser))
        for workers in (1, 50):
            logins = {
                "httpx.AsyncClient by hand": spread(lambda: by_hand.login(browser), workers),
                "authflow AsyncSessionManager": spread(lambda: sign_in_async(manager, browser), workers),
            }
            show(f"login, async, {workers} at a time", in_turn(logins, calls=max(50, workers * 2)), unit="ms")
        refreshes = {
            "httpx.AsyncClient by hand": spread(lambda: by_hand.refresh(token), 1),
            "authflow AsyncSession.refresh()": spread(session.refresh, 1),
        }
        show("refresh, async", in_turn(refreshes, calls=100), unit="ms")
        runner.run(manager.aclose())
        runner.run(by_hand.http.aclose())


def main() -> None:
    with running() as base:
        sync(base)
        asynchronous(base)


if __name__ == "__main__":
    main()
