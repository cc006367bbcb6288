"""What a human can do from the dashboard, in both colours. A method of the session is called, and nothing else.

A login opens no browser on the machine that serves the page: the browser that shows it is the one that is sent to
the provider, and comes back to a listener on 127.0.0.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync

from ..agents import Loopback
from ..chart import State
from ..errors import AuthflowError, InvalidCall, LoginInProgress
from ..manager import AsyncSessionManager, SessionManager
from ..operations import LogoutResult
from ..overview import SIGN_OUTS, Action
from .departures import Departures

MOST_AT_ONCE: Final = 32
SIGN_IN_SECONDS: Final = 600.0
END_SECONDS: Final = 5.0  # that a sign-in which was cancelled is waited for
Answer = dict[str, Any]


class Opener:
    """Stands in the browser's place: it keeps the URL that is to be opened, for the page to go to."""

    def __init__(self) -> None:
        self.url = ""
        self.opened = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, url: str) -> None:
        self.url = url
        self._loop.call_soon_threadsafe(self.opened.set)


class Actions:
    """`do(action, session)` for one of `overview.Action`, and `sign_out_all`. Raises `AuthflowError`.

    `sign_in_url(session)` gives an application's own route to sign in; without one a listener on loopback waits, if
    `loopback`.
    """

    def __init__(
        self,
        manager: SessionManager | AsyncSessionManager,
        departures: Departures,
        *,
        loopback: bool,
        sign_in_url: Callable[[Any], str] | None,
    ) -> None:
        self._manager = manager
        self._departures = departures
        self._loopback = loopback
        self._sign_in_url = sign_in_url
        self._openers: dict[str, Opener] = {}
        self._logins: dict[str, asyncio.Task[Any]] = {}
        self._limit = anyio.CapacityLimiter(MOST_AT_ONCE)

    @property
    def signs_in(self) -> bool:
        """Whether anybody can be signed in from here."""
        return self._loopback or self._sign_in_url is not None

    async def do(self, action: Action, session: Any) -> Answer:
        if action is Action.SIGN_IN:
            return await self._sign_in(session)
        if action is Action.REFRESH:
            await self.call(session.refresh)
            return {"said": "Renewed."}
        if action is Action.CANCEL:
            beside = session.attempt
            ended = await self.call(session.cancel if beside is None else beside.cancel)
            return {"said": "Cancelled." if ended else "There was nothing to cancel."}
        return self._signed_out(session, await self.call(session.logout, **SIGN_OUTS[action]._asdict()))

    async def sign_out_all(self, action: Action) -> Answer:
        """Every session, of all owners. The providers' own pages are not opened: they would be many."""
        revoke = SIGN_OUTS[action].revoke
        results = await self.call(self._manager.logout_all, revoke=revoke, end_session=False)
        ended = [one for one in results.values() if isinstance(one, LogoutResult) and one.signed_out]
        failed = [one for one in results.values() if isinstance(one, AuthflowError) or one.errors]
        told = f"{len(ended)} {'session' if len(ended) == 1 else 'sessions'} signed out."
        return {"said": f"{told} {len(failed)} could not be ended at the provider." if failed else told}

    async def call(self, method: Callable[..., Any], **how: Any) -> Any:
        """The method of either colour, awaited."""
        if isinstance(self._manager, AsyncSessionManager):
            return await method(**how)
        return await run_sync(lambda: method(**how), limiter=self._limit, abandon_on_cancel=True)

    # ── signing in ───────────────────────────────────────────────────────────────────────────────────

    async def _sign_in(self, session: Any) -> Answer:
        if self._sign_in_url is not None:
            return {"said": "The application signs in.", "go": self._go(self._sign_in_url(session), checked=False)}
        if not self._loopback:
            raise InvalidCall("Nobody is signed in from here.", hint="Pass app(…, sign_in_url=…).")
        name = str(session.key)
        earlier = self._logins.get(name)
        if earlier is not None and self._openers[name].url and session.state is State.AUTHORIZING:
            return {"said": "The sign-in page is opened again.", "go": self._go(self._openers[name].url)}
        if earlier is not None:  # it was cancelled just now, and is about to end
            await asyncio.wait({earlier}, timeout=END_SECONDS)
        opener = Opener()
        login = asyncio.create_task(
            self.call(session.login, agent=Loopback(), open_url=opener, timeout=SIGN_IN_SECONDS)
        )
        self._logins[name], self._openers[name] = login, opener
        login.add_done_callback(lambda ended: self._forget(name, ended))
        opened = asyncio.create_task(opener.opened.wait())
        await asyncio.wait({login, opened}, return_when=asyncio.FIRST_COMPLETED)
        opened.cancel()
        if not opener.url:
            await login  # it could not begin: this raises why
            return {"said": "Signed in."}
        return {"said": "Sign in on the page that opened.", "go": self._go(opener.url)}

    def _forget(self, name: str, ended: asyncio.Task[Any]) -> None:
        if self._logins.get(name) is ended:
            del self._logins[name]
        if not ended.cancelled():
            ended.exception()  # told by the session itself: its error stands in its row

    # ── signing out ──────────────────────────────────────────────────────────────────────────────────

    def _signed_out(self, session: Any, result: LogoutResult) -> Answer:
        if not result.signed_out:
            return {"said": "The sign-in was cancelled." if result.cancelled_login else "It was not signed in."}
        told = ["Signed out here."]
        gone = [kind.replace("_", " ") for kind, done in result.revoked.items() if done]
        told += [f"Revoked: {', '.join(gone)}."] if gone else []
        told += [f"The provider could not be told: {error.message}" for error in result.errors]
        told += [] if result.persisted else ["The store could not be written yet."]
        answer: Answer = {"said": " ".join(told)}
        opener = self._openers.get(str(session.key))
        if result.end_session_url is not None and (opener is not None or not result.end_session_opened):
            answer["go"] = self._go(result.end_session_url)
        return answer

    def _go(self, url: str, *, checked: bool = True) -> str:
        return f"go/{self._departures.add(url)}" if checked else url


def problem(error: AuthflowError) -> Answer:
    """An error as the page shows it."""
    cause = error.__cause__ if isinstance(error.__cause__, AuthflowError) else None
    hint = error.hint or (cause.hint if cause is not None else "")
    if isinstance(error, LoginInProgress):
        hint = "Finish it in the browser, or cancel it here."
    return {"message": error.message, "hint": hint, "code": error.code}
