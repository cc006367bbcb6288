"""The judge: signs in at a provider that lies, and looks at everything that came of it.

Rule: a refusal is good only if the error names its check and a remedy, nothing was asked of the provider afterwards
      but to revoke what it had issued, the session is where the chart says, one event told it, the store holds no
      secret, and no token of the refused answer lives on. That no secret got out is the canary's question, after each
      test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from authflow import LoginFailed, State
from authflow.errors import AuthflowError, CallbackRejected, ProviderError, ValidationFailed
from authflow.testing import Lie
from tests.session.support import Heard

from .canary import pieces_of
from .conftest import REDIRECT_URI, Stage, go

STEPS = ("metadata", "authorize", "token", "userinfo")  # how far a login got
AFTERWARDS = {"revoke"}


class Judge:
    """One session of one manager at the provider."""

    def __init__(self, stage: Stage, session: Any = None) -> None:
        self.stage = stage
        self.dev = stage.dev
        self.session = session or stage.session
        self.manager = stage.manager
        self.heard = Heard(self.manager)
        self._asked_at_the_end: int | None = None
        for name in ("on_login_failed", "on_logout", "on_refresh_failed"):
            getattr(self.manager, name).connect(self._ended)

    def at(self, **settings: Any) -> Judge:
        """A judge of a session of its own, whose provider is configured so."""
        manager = self.stage.make([self.stage.settings("acme", **settings)], store=self.stage.store)
        self.stage.manager, self.stage.session = manager, manager["acme"]
        return Judge(self.stage)

    def _ended(self, session: Any, event: Any) -> None:
        if self._asked_at_the_end is None:
            self._asked_at_the_end = len(self.dev.requests)

    # ── the human's way ──────────────────────────────────────────────────────────────────────────────

    async def begin(self, **asked: Any) -> Any:
        request = await go(self.session.begin(redirect_uri=REDIRECT_URI, **asked))
        self.stage.canary.note(request.state, request.binding)
        return request

    async def callback(self, *lies: Lie, **asked: Any) -> tuple[Any, str]:
        """What `begin` gave, and the callback of a human who agrees, as the provider lies about it."""
        with self.told(*lies):
            request = await self.begin(**asked)
            return request, self.stage.walk(request.url)

    async def complete(self, request: Any, callback: str | Mapping[str, str]) -> Any:
        return await go(self.manager.complete(callback, binding=request.binding))

    async def sign_in(self, *lies: Lie, **asked: Any) -> Any:
        """A login that succeeds, whatever the provider says."""
        with self.told(*lies):
            request, callback = await self.callback(**asked)
            await self.complete(request, callback)
        if not self.session.live:
            raise AssertionError(f"nobody is signed in: {self.session.explain()}")
        return self.session

    def told(self, *lies: Lie) -> ExitStack:
        """The provider tells these lies until the block ends."""
        stack = ExitStack()
        for lie in lies:
            stack.enter_context(self.dev.lie(lie))
        return stack

    # ── the judgements ───────────────────────────────────────────────────────────────────────────────

    async def refuses(
        self,
        *lies: Lie,
        check: str | None = None,
        reached: str = "token",
        cause: type[AuthflowError] = ValidationFailed,
        change: Callable[[str], Any] = lambda callback: callback,
        **asked: Any,
    ) -> LoginFailed:
        """The login fails: for this `check`, after this step, for good, once, and in silence."""
        self.dev.forget_requests()

        async def attempt() -> None:
            request, callback = await self.callback(**asked)
            await self.complete(request, change(callback))

        with self.told(*lies):
            error = await self.stage.fails(attempt, LoginFailed)
        expect("the check", error.check, check)
        if not isinstance(error.__cause__, cause):
            raise AssertionError(f"the cause: {error.__cause__!r}, and not {cause.__name__}")
        expect_remedy(error)
        self.got_no_further_than(reached)
        await self.is_signed_out("on_login_failed", error)
        return error

    async def rejects(
        self, *lies: Lie, check: str | None = "state", change: Callable[[str], Any] = lambda callback: callback
    ) -> AuthflowError:
        """The callback is nobody's: nothing is asked, nothing told, and the right one still signs in."""
        self.dev.forget_requests()
        request, honest = await self.callback()
        bogus, begun = change(honest), ["authorize"]
        if lies:  # of a second attempt: a pushed request is good for one walk
            bogus, begun = change((await self.callback(*lies))[1]), ["authorize", "authorize"]
        before = len(self.dev.requests)
        error = await self.stage.fails(lambda: self.complete(request, bogus), CallbackRejected)
        expect("the check", error.check, check)
        expect_remedy(error)
        expect("requests afterwards", self.dev.requests[before:], [])
        expect("the state", self.session.state, State.AUTHORIZING)
        expect("what was told", (self.heard.names, self.heard.triggers), ([], begun))
        await self.complete(request, honest)
        expect("the right one signs in", self.session.live, True)
        return error

    async def refuses_renewal(
        self, *lies: Lie, check: str | None = None, kind: type[AuthflowError] = ProviderError, live: bool = True
    ) -> Any:
        """A renewal is refused: the session keeps what it had, and one event told it."""
        await self.sign_in()
        before = (await go(self.session.token())).access_token
        self.dev.forget_requests()
        self.heard.forget()
        self._asked_at_the_end = None
        with self.told(*lies):
            error = await self.stage.fails(lambda: go(self.session.refresh()), kind)
        expect("the check", error.check, check)
        expect_remedy(error)
        expect("one renewal was asked for", len(self.dev.token_requests("refresh_token")), 1)
        self.is_silent()
        expect("live", self.session.live, live)
        expect("what was told", self.heard.names, ["on_refresh_failed"] if live else ["on_logout"])
        if live:
            expect("its token", (await go(self.session.token())).access_token, before)
        return error

    # ── what each of them looks at ───────────────────────────────────────────────────────────────────

    def got_no_further_than(self, step: str) -> None:
        """Each step up to this one was asked for, once, and none after it."""
        at = STEPS.index(step)
        for later in STEPS[at + 1 :]:
            expect(f"requests to {later}", self.dev.count(later), 0)
        if step != "metadata":
            expect(f"requests to {step}", self.dev.count(step), 1)

    def is_silent(self) -> None:
        """After the end was told, nothing was asked but to revoke."""
        if self._asked_at_the_end is None:
            raise AssertionError("no end was told")
        later = self.dev.requests[self._asked_at_the_end :]
        expect("requests after the end", [one for one in later if not one.path.endswith(tuple(AFTERWARDS))], [])

    async def is_signed_out(self, told: str, error: Any) -> None:
        """At rest, nobody signed in, told once, nothing kept, nothing alive."""
        self.is_silent()
        expect("the state", self.session.state, State.IDLE)
        expect("what was told", self.heard.names, [told])
        expect("what the event says", self.heard.last(told).error, error.info)
        expect("the last trigger", self.heard.triggers[-1], "fail")
        store, telling = self.stage.store, pieces_of(self.stage.canary.secrets)
        for key in store.keys(""):
            kept = (store.load(key) or (b"", 0))[0].decode("latin-1")
            found = [kept[at : at + 12] for at in range(len(kept) - 11) if kept[at : at + 12] in telling]
            expect(f"secrets kept under {key.partition('/')[0]}", found, [])
        if error.phase == "validate":
            issued = self.dev.secrets - self.stage.canary.earlier
            expect("tokens still alive", [one[:8] for one in issued if self.dev.accepts(one)], [])


def expect(what: str, found: object, wanted: object) -> None:
    """An `assert` that `python -O` keeps."""
    if found != wanted:
        raise AssertionError(f"{what}: {found!r}, and not {wanted!r}")


def expect_remedy(error: AuthflowError) -> None:
    """Cause and remedy, in one line."""
    expect("what it says", str(error), f"{error.message} {error.hint}")
    if not error.hint or "\n" in str(error):
        raise AssertionError(f"no remedy, or not in one line: {error!r}")


def with_params(callback: str, **changes: str | None) -> str:
    """The callback with other values for some parameters; None leaves one out."""
    kept = {**dict(parse_qsl(urlsplit(callback).query)), **changes}
    query = urlencode({name: value for name, value in kept.items() if value is not None})
    return f"{callback.partition('?')[0]}?{query}"
