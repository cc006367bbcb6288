"""`authflow demo`: three providers on this machine. On a terminal a human plays with them (`showcase.py`); elsewhere
the whole life of three logins goes by, and it is seen whether every step of it happened.

Three development providers are served on loopback. Each login goes the real way: authorization URL, login page,
redirect to a listener on 127.0.0.1, code exchange, validation. A scripted user signs in, over the same HTTP as a
browser.

Rule 1: nothing is said to have happened that was not checked, with the provider where it can know.
Rule 2: nothing is left behind, however it ends: no thread, no port, and of files only the page with the traces.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from ..chart import State
from ..errors import LoginDenied
from . import showcase
from .checks import Checks, StepFailed, check
from .screen import Screen, name, told
from .workspace import state_folder

if TYPE_CHECKING:
    from ..manager import SessionManager
    from ..session import Session
    from ..testing import DevProvider, ScriptedBrowser

DENIED: Final = "globex"
PLANNED: Final = (
    "signed in", "named the user", "called the API", "renewed the token", "called the API anew", "signed out"
)  # fmt: skip


@click.command("demo")
@click.option("--headless", is_flag=True, help="No dashboard: a scripted user does it all, and each step is checked.")
@click.option("--deny", is_flag=True, help=f"Headless, and at {DENIED} the user says no, as a user may.")
@click.option("--no-open", is_flag=True, help="Print the link to the dashboard; open no browser.")
@click.option(
    "--save", "page", type=click.Path(dir_okay=False, path_type=Path),
    help="Headless: where the page with the traces goes; by default into your state folder.",
)  # fmt: skip
def command(headless: bool, deny: bool, no_open: bool, page: Path | None) -> None:
    """Play with three providers on this machine and watch every state and signal.

    Two OpenID Connect providers and one like GitHub are started on 127.0.0.1, and the dashboard opens: sign in,
    refresh, sign out, say no, let a token expire, pull a provider's plug. Ctrl-C ends it all.

    Without a terminal, or with --headless, a scripted user signs in, calls the API, renews the tokens and signs out;
    the traces are written as a page. The exit status is 0 only if every step happened.

    \b
    Example:
        authflow demo
        authflow demo --headless
    """
    from . import install, missing

    if missing("starlette", "uvicorn"):
        click.echo(f"The demo needs what is not installed here. Type:\n\n    {install('demo')}", err=True)
        sys.exit(2)
    logging.getLogger("authflow").addHandler(logging.NullHandler())  # the demo says itself what it starts
    screen = Screen()
    human = screen.terminal and sys.stdin.isatty() and not (headless or deny or page)
    sys.exit(play(screen, no_open) if human else run(screen, headless or deny, deny, page))


def play(screen: Screen, no_open: bool) -> int:
    """The demo for a human; returns the exit status."""
    before = set(threading.enumerate())
    screen.line(("authflow demo", "head"), ": three providers on this machine, one session manager, one dashboard.")
    screen.line("Ada and Grace have signed in. Alan, or whoever you are, signs in there: there is no password.")
    screen.line("")
    ports = showcase.run(screen, providers(), no_open)
    try:
        left = _nothing_left(before, ports)
    except StepFailed as error:
        screen.line(("✗ ", "bad"), f"{error}")
        return 1
    screen.line(("✓ ", "good"), f"Ended: {left}.")
    return 0


def run(screen: Screen, asked: bool, deny: bool, page: Path | None) -> int:
    """The demo by script; returns the exit status. `asked`: it was, and not only for want of a human."""
    before = set(threading.enumerate())
    with _stage(screen, deny) as demo:
        demo.welcome("" if asked else "This is not a terminal")
        demo.sign_in()
        demo.show_sessions()
        demo.call_the_api("Call the API: httpx.get(url, auth=session.auth)", "called the API")
        demo.renew()
        demo.call_the_api("Call the API with the new token", "called the API anew")
        demo.sign_out()
        demo.save_traces(page or state_folder() / "demo.html")
    demo.checks.expect("at last", "left nothing behind", _nothing_left, before, demo.ports)
    return demo.verdict()


def _nothing_left(before: set[threading.Thread], ports: list[int]) -> str:
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=2)
    left = [thread.name for thread in set(threading.enumerate()) - before]
    check(not left, f"still running: {', '.join(sorted(left))}")
    for port in ports:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            continue
        raise StepFailed(f"somebody still answers on port {port}")
    return "every thread and every port of the demo is closed"


@dataclass
class Place:
    """One provider of the demo and who signs in there."""

    name: str
    provider: DevProvider
    login: str
    browser: ScriptedBrowser

    @property
    def api(self) -> str:
        return f"{self.provider.url}/api/me"


def providers() -> list[showcase.Made]:
    """The three of them, each with who signs in there."""
    from ..testing import DevProvider

    return [
        ("acme", "ada", DevProvider(label="Acme", rotation="strict")),
        (DENIED, "grace", DevProvider(label="Globex", algorithm="ES256", rotation="grace", access_token_ttl=90.0)),
        ("octo", "alan", DevProvider(label="Octo Hub", style="github", refresh_tokens=True)),
    ]


@contextmanager
def _stage(screen: Screen, deny: bool) -> Iterator[Demo]:
    """Three providers, a manager and what signs in; all of it ends with the block."""
    from ..manager import SessionManager
    from ..testing import ScriptedBrowser

    with ExitStack() as stack:
        places = []
        for key, login, provider in providers():
            stack.enter_context(provider.serve())
            browser = stack.enter_context(ScriptedBrowser(user=login, deny=deny and key == DENIED))
            places.append(Place(key, provider, login, browser))
        manager = stack.enter_context(SessionManager([place.provider.settings(place.name) for place in places]))
        yield Demo(screen, manager, places, deny)


class Demo:
    """The acts of the demo. Each says what it does, does it, and checks that it happened."""

    def __init__(self, screen: Screen, manager: SessionManager, places: list[Place], deny: bool) -> None:
        self.screen = screen
        self.manager = manager
        self.places = places
        self.deny = deny
        self.ports = [urlsplit(place.provider.url).port or 0 for place in places]
        self.checks = Checks(screen)
        self.heard: list[tuple[str, str]] = []
        for place in places:
            refused = deny and place.name == DENIED
            self.checks.plan(place.name, *(["was denied"] if refused else PLANNED))
        screen.watch(manager, lambda who, what: self.heard.append((who, what)))

    def _heard_since(self, mark: int, who: str) -> list[str]:
        return [what for provider, what in self.heard[mark:] if provider == who]

    # ── the acts ─────────────────────────────────────────────────────────────────────────────────────

    def welcome(self, why_scripted: str) -> None:
        self.screen.line(("authflow demo", "head"), ": three providers on this machine, one session manager.")
        why = f"{why_scripted}: a" if why_scripted else "A"
        self.screen.line(f"{why} scripted user signs in, over the same HTTP as a browser.")
        self.screen.line("")
        kind = {"oidc": "OpenID Connect", "github": "OAuth 2.0, like GitHub"}
        rows = [[p.name, kind[p.provider.style], p.provider.url, p.login] for p in self.places]
        self.screen.table(["provider", "kind", "at", "signs in"], rows)

    def sign_in(self) -> None:
        self.screen.headline("Sign in")
        for place in self.places:
            if self.deny and place.name == DENIED:
                self.checks.expect(place.name, "was denied", self._denied, place)
            elif self.checks.expect(place.name, "signed in", self._signed_in, place):
                self.checks.expect(place.name, "named the user", self._named, place)

    def _login(self, place: Place) -> Session:
        from ..agents import Loopback

        return self.manager[place.name].login(agent=Loopback(open_url=place.browser), timeout=30.0)

    def _signed_in(self, place: Place) -> str:
        mark = len(self.heard)
        session = self._login(place)
        heard = self._heard_since(mark, place.name)
        check(session.state is State.AUTHENTICATED and session.live, f"the session is {session.state}")
        check(heard == ["authorize", "callback", "authenticate", "on_login"], f"heard {' '.join(heard)}")
        check(place.provider.accepts(session.token().access_token), "the provider does not know the token")
        return f"signed in, with {' '.join(session.scopes)}"

    def _named(self, place: Place) -> str:
        user = self.manager[place.name].user
        check(user is not None and bool(user.name), "the provider named nobody")
        known = place.provider.user(place.login)
        if user is None or known is None or user.name != known.name:
            raise StepFailed("it is somebody else")
        return f"hello {told(user.name)}" + (f", {told(user.email)}" if user.email else "")

    def _denied(self, place: Place) -> str:
        mark = len(self.heard)
        try:
            self._login(place)
        except LoginDenied as error:
            state, heard = self.manager[place.name].state, self._heard_since(mark, place.name)
            check(state is State.IDLE, f"the session is {state}")
            check(heard == ["authorize", "fail", "on_login_failed"], f"heard {' '.join(heard)}")
            return f"denied, as expected: {error.code}; the session is idle, the others are untouched"
        raise StepFailed("the login went through")

    def show_sessions(self) -> None:
        self.screen.headline("One manager, all sessions: manager.snapshot()")
        rows = []
        for one in self.manager.snapshot():
            left = "" if one["expires_at"] is None else f"{self.manager[one['provider']].expires_in or 0:.0f} s"
            cells = (one["provider"], one["state"], one["user"], one["fingerprint"], left, " ".join(one["scopes"]))
            rows.append([str(cell or "–") for cell in cells])
        self.screen.table(["provider", "state", "user", "token", "good for", "scopes"], rows)

    def call_the_api(self, headline: str, step: str) -> None:
        self.screen.headline(headline)
        for place in self._live():
            self.checks.expect(place.name, step, self._call, place)

    def _call(self, place: Place) -> str:
        import httpx

        session = self.manager[place.name]
        with httpx.Client(trust_env=False, timeout=10.0) as client:
            try:
                answer = client.get(place.api, auth=session.auth)
            except httpx.HTTPError as error:
                raise StepFailed(f"{type(error).__name__} from GET /api/me") from error
        check(answer.status_code == 200, f"GET /api/me answered {answer.status_code}")
        who = answer.json().get("name")
        check(session.user is not None and who == session.user.name, "the API knows somebody else")
        return f"GET /api/me answered 200 to {who}"

    def renew(self) -> None:
        self.screen.headline("Renew the tokens: session.refresh()")
        for place in self._live():
            self.checks.expect(place.name, "renewed the token", self._renewed, place)
            self.screen.moment(name(place.name), "  ", (self.manager[place.name].explain(), "dim"))

    def _renewed(self, place: Place) -> str:
        session = self.manager[place.name]
        old, before, mark = session.token().access_token, self._fingerprint(place), len(self.heard)
        session.refresh()
        after, heard = self._fingerprint(place), self._heard_since(mark, place.name)
        check(heard == ["refresh", "refreshed", "on_refresh"], f"heard {' '.join(heard)}")
        check(before != after and session.token().access_token != old, "the token is still the old one")
        return f"token {before} became {after}"

    def sign_out(self) -> None:
        self.screen.headline("Sign out: session.logout()")
        for place in self._live():
            self.checks.expect(place.name, "signed out", self._signed_out, place)

    def _signed_out(self, place: Place) -> str:
        session = self.manager[place.name]
        token, mark = session.token(), len(self.heard)
        result = session.logout()
        heard = self._heard_since(mark, place.name)
        check(result.signed_out and session.state is State.LOGGED_OUT, f"the session is {session.state}")
        check(heard == ["logout", "on_logout"], f"heard {' '.join(heard)}")
        check(not place.provider.accepts(token.access_token), "the provider still takes the access token")
        check(not result.errors, f"the provider's part: {'; '.join(one.message for one in result.errors)}")
        parts = ["signed out here", f"revoked: {', '.join(one for one, done in result.revoked.items() if done)}"]
        if result.end_session_url:
            check(result.end_session_opened, "the provider's own logout page was not opened")
            parts.append(self._session_ended(place))
        return "; ".join(parts)

    def _session_ended(self, place: Place) -> str:
        page = place.browser.result()
        check(page.status == 200, f"the provider's logout page answered {page.status}")
        return f"{place.provider.label}'s own session ended"

    def save_traces(self, page: Path) -> None:
        """Everything that was recorded, as one page."""
        trace = self.manager.trace
        if trace is None:
            return
        try:
            page.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            trace.save(page)
        except OSError as error:
            self.screen.line(("The page with the traces", "head"), f" could not be written: {error.strerror or error}.")
            return
        self.screen.headline(f"Every login, step by step, with a replay: {page}")

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────

    def verdict(self) -> int:
        """Says how it went; gives the exit status."""
        missing = self.checks.missing()
        done, planned = len(self.checks.done), len(self.checks.planned)
        self.screen.line("")
        if not missing:
            self.screen.line((f"All {planned} steps happened.", "good"))
            return 0
        self.screen.line((f"{done} of {planned} steps happened.", "bad"))
        for one in missing:
            click.echo(f"Failed: {one}", err=True)
        return 1

    def _live(self) -> list[Place]:
        return [place for place in self.places if self.manager[place.name].live]

    def _fingerprint(self, place: Place) -> Any:
        return next(one["fingerprint"] for one in self.manager.snapshot() if one["provider"] == place.name)
