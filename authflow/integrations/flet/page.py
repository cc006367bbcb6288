"""`FletAuth`: the logins of one page, with the names that Flet has for them.

    auth.login(provider, …)  auth.logout()  auth.user  auth.token  page.on_login  page.on_logout

Rule 1: what `page.on_login` says is true: it has no error when, and only when, somebody is signed in.
Rule 2: a page hears of the sessions of its browser. Of a login that failed hears the page that began it.
Rule 3: a page that is gone hears of nothing: subscriptions are weak, and the page's own session holds this object.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import flet as ft

from ... import AsyncSession, AuthEvent, AuthflowError, ErrorInfo, SignInRequired, State, Token, Trigger, User
from ...errors import ConfigurationError, LoginFailed
from ...providers import Provider
from .authorization import Authorization, Tasks
from .browsers import BROWSER, Browser
from .logins import Asked
from .tabs import TAB, Tab
from .telling import Telling, show
from .ways import Flights, Windows, come_back

if TYPE_CHECKING:
    from flet.auth import OAuthProvider

    from .logins import FletLogins

KEPT_AS: Final = "authflow"
_HEARD: Final = (
    "on_login", "on_restore", "on_refresh", "on_login_failed", "on_logout", "on_transition", "on_expiring"
)  # fmt: skip


class FletAuth(ft.Observable):
    """The logins of one page. `page.on_login` and `page.on_logout` are called as Flet calls them; set them before the
    first `await`, and in a browser that is signed in already `page.on_login` is called at once.

    A component that uses it (`ft.use_state(auth)`) is drawn again whenever something changes.
    """

    def __init__(self, page: ft.Page, logins: FletLogins) -> None:
        self._page = page
        self._logins = logins
        self._loop = page.session.connection.loop
        self._tasks = Tasks(self._loop)
        self._tab = TAB.get()
        self._browser = _browser_of(page, self._tab)
        before = page.session.store.get(KEPT_AS)
        if isinstance(before, FletAuth):
            before.close()
            self._tab, self._browser = before._tab, before._browser
        page.session.store.set(KEPT_AS, self)
        self._telling = Telling(page, shows_window=self._browser is None)
        self._sessions: dict[str, AsyncSession] = {}
        self._greeted: set[str] = set()  # providers that the page was told it is signed in to
        self._mine: set[str] = set()  # providers that this page began a login at
        self._last: str | None = None
        self._windows = Windows(page, logins, self._tell)
        self._begun: dict[str, AsyncSession] = {}  # on the web, until the cookie names it
        self._flights = Flights(page, self._tasks, self._changed)
        if self._browser is not None:
            self._browser.pages.add(self)
            logins.enter(self, page)
        self.follow()

    @staticmethod
    def of(page: ft.Page) -> FletAuth:
        """The one that was made for this page. Raises `ConfigurationError` when there is none."""
        found = page.session.store.get(KEPT_AS)
        if not isinstance(found, FletAuth):
            raise ConfigurationError("This page has no logins.", hint="Once, in main: FletAuth(page, logins).")
        return found

    def __repr__(self) -> str:
        return f"<FletAuth {', '.join(name for name, one in self._sessions.items() if one.live) or 'signed out'}>"

    # ── what Flet's page and its Authorization have ──────────────────────────────────────────────────

    def login(
        self,
        provider: str | Provider | OAuthProvider | None = None,
        fetch_user: bool = True,
        fetch_groups: bool = False,
        scope: Sequence[str] | None = None,
        saved_token: str | None = None,
        on_open_authorization_url: Callable[[str], Any] | None = None,
        complete_page_html: str | None = None,
        redirect_to_page: bool = False,
        **more: Any,
    ) -> asyncio.Future[Authorization]:
        """Begins a login; how it ends, `page.on_login` is told. From any thread; it can be awaited, and need not be.

        All that `page.login` takes, with the same meaning; `more` are the further arguments of `AsyncSession.begin`
        (`prompt=`, `login_hint=`, `timeout=` seconds). `on_open_authorization_url(url)` may be sync or async. On the
        web a window opens, or a tab on a phone; a button with `action=ft.OpenUrl(auth.login_url(…))` is never blocked
        as a popup.

        Raises `UnknownProvider` and `ConfigurationError` at once; what is awaited raises what a saved token fails by.
        """
        asked = self._ask(provider, fetch_user, fetch_groups, scope, complete_page_html, redirect_to_page, more)
        return self._tasks.start(partial(self._login, asked, saved_token, on_open_authorization_url))  # type: ignore[no-any-return]

    def login_url(
        self,
        provider: str | Provider | OAuthProvider | None = None,
        fetch_user: bool = True,
        fetch_groups: bool = False,
        scope: Sequence[str] | None = None,
        complete_page_html: str | None = None,
        redirect_to_page: bool = False,
        **more: Any,
    ) -> str:
        """On the web: the address that begins this login when this page's browser goes there, as often as it does.

        Raises what `login` raises, and `ConfigurationError` on the desktop, where there is no such address.
        """
        if self._browser is None:
            raise ConfigurationError("A program on the user's machine has no such address.", hint="auth.login(…)")
        asked = self._ask(provider, fetch_user, fetch_groups, scope, complete_page_html, redirect_to_page, more)
        return self._windows.link(asked)

    def logout(
        self, provider: str | Provider | OAuthProvider | None = None, *, end_session: bool = False
    ) -> asyncio.Future[None]:
        """Signs out here at once, then revokes the tokens; `page.on_logout` is told. None: out of everything.

        `end_session`: at the provider too; on the web this tab goes there. From any thread; it need not be awaited.
        """
        names = list(self._sessions) if provider is None else [self._logins.name_of(provider)]
        return self._tasks.start(partial(self._logout, names, end_session))  # type: ignore[no-any-return]

    def cancel(self) -> asyncio.Future[None]:
        """Ends the logins that are on their way; for a "Cancel" button. `page.on_login` is told."""
        return self._tasks.start(self._cancel)  # type: ignore[no-any-return]

    @property
    def auth(self) -> Authorization | None:
        """`page.auth`: the last login; None unless somebody is signed in."""
        session = self._session()
        return None if session is None else Authorization(session, self._loop)

    @property
    def live(self) -> bool:
        """Whether somebody is signed in."""
        return self._session() is not None

    @property
    def pending(self) -> bool:
        """Whether a login is on its way."""
        return bool(self._windows or self._flights) or any(_is_pending(one) for one in self._all())

    @property
    def user(self) -> User | None:
        """Who is signed in, by the last login."""
        session = self._session()
        return None if session is None else session.user

    @property
    def token(self) -> Token:
        """See `Authorization.token`."""
        return self._authorization().token

    async def get_token(self) -> Token:
        """See `Authorization.get_token`."""
        return await self._authorization().get_token()

    def __getitem__(self, provider: str | Provider | OAuthProvider) -> Authorization:
        """The login at one of several providers, live or not."""
        return Authorization(self._sessions[self._logins.name_of(provider)], self._loop)

    def __iter__(self) -> Iterator[str]:
        """The names of the providers."""
        return iter(self._sessions)

    def close(self) -> None:
        """From now on this page hears of nothing."""
        for session in self._all():
            self._listen(session, False)
        self._windows.close()
        if self._browser is not None:
            self._browser.pages.discard(self)

    # ── for the routes ───────────────────────────────────────────────────────────────────────────────

    @property
    def browser(self) -> Browser | None:
        """The browser that the page is open in; None for a program on its user's machine."""
        return self._browser

    @property
    def tab(self) -> Tab | None:
        """The websocket that the page talks through, or talked through last."""
        return self._tab

    def come_over(self, browser: Browser) -> None:
        """It has shown the cookie that its browser was given in place of the one it came with."""
        if self._browser is not None:
            self._browser.pages.discard(self)
        self._browser = browser
        browser.pages.add(self)
        self.follow()
        self._changed()

    def returns(self, tab: Tab) -> bool:
        """A websocket asks for this page. Whether it may have it: the page is away, and the browser is its own."""
        if self._browser is None or self._page.session.connection is not None:
            return tab.browser is self._browser
        if tab.browser is not self._browser:
            if self._browser not in tab.browser.before:
                return False
            self.come_over(tab.browser)
        self._tab = tab
        return True

    def follow(self) -> None:
        """Listens to the sessions of its browser's present owner."""
        manager = self._logins.manager
        sessions = manager if self._browser is None else manager.owner(self._browser.owner)
        for name in manager:
            held, session = self._sessions.get(name), sessions[name]
            if held is not None and held is not session:
                self._listen(held, False)
            self._sessions[name] = session
            self._listen(session, True)
        self._loop.call_soon_threadsafe(self._greet)

    def on_its_way(self, asked: Asked) -> dict[str, Any] | None:
        """A link of this page was followed: its window has opened. Gives the arguments of `begin`; None: whoever is
        signed in need not be asked."""
        self._mine.add(asked.provider)
        self._windows.came(asked.provider)
        session = self._sessions[asked.provider]
        if not session.live:
            return asked.arguments
        if _asks_for_more(session, asked):
            return {**asked.arguments, "step_up": True}
        self._entered(asked.provider)
        return None

    def attend(self, session: AsyncSession) -> None:
        """What the link has begun: it becomes this browser's session when it succeeds. A newer one takes its place."""
        name = session.provider.name
        before = self._begun.pop(name, None)
        if before is not None:
            self._listen(before, False)
        if session is not self._sessions[name]:
            self._begun[name] = session
            self._listen(session, True)
            self._changed()

    def tell_failure(self, provider: str, error: AuthflowError) -> None:
        """What this page hears by no signal of its sessions."""
        self._tell(provider, error.info)

    # ── beginning ────────────────────────────────────────────────────────────────────────────────────

    def _ask(
        self,
        provider: str | Provider | OAuthProvider | None,
        fetch_user: bool,
        fetch_groups: bool,
        scope: Sequence[str] | None,
        complete_page_html: str | None,
        redirect_to_page: bool,
        more: dict[str, Any],
    ) -> Asked:
        arguments = {"fetch_user": fetch_user, "fetch_groups": fetch_groups, "scope": scope or (), **more}
        page = self._page if redirect_to_page else None
        return self._logins.ask(self, provider, arguments, complete_page_html, page)

    async def _login(
        self, asked: Asked, saved_token: str | None, opener: Callable[[str], Any] | None
    ) -> Authorization:
        name = asked.provider
        session = self._sessions[name]
        self._mine.add(name)
        if saved_token is not None:
            await self._bring_back(session, saved_token, asked)
        elif session.live and not _asks_for_more(session, asked):
            self._last = name
            self._tell(name, None)
        elif self._browser is not None:
            self._windows.expect(name, self._loop)
            self._changed()
            await self._windows.open(asked, opener)
        else:
            await self._open_browser(session, asked, opener)
        return Authorization(self._sessions[name], self._loop)

    async def _bring_back(self, session: AsyncSession, saved_token: str, asked: Asked) -> None:
        fetch = {name: asked.arguments[name] for name in ("fetch_user", "fetch_groups")}
        try:
            await come_back(self._logins.manager, self._tab, session, saved_token, fetch)
        except AuthflowError as error:
            self.tell_failure(session.provider.name, error)
            raise
        if self._browser is not None:
            self.follow()

    async def _open_browser(self, session: AsyncSession, asked: Asked, opener: Callable[[str], Any] | None) -> None:
        """Returns when the browser was opened; the login goes on."""
        name = asked.provider
        if name in self._flights:
            self._mine.discard(name)
            await self._flights.end(session)
            self._mine.add(name)
        flight = await self._flights.begin(session, asked, opener)
        if flight.done():
            try:
                await flight
            except AuthflowError as error:
                if not isinstance(error, LoginFailed):  # of that its signal has told
                    self.tell_failure(name, error)
                raise

    # ── ending ───────────────────────────────────────────────────────────────────────────────────────

    async def _cancel(self) -> None:
        for name in self._windows:
            self._windows.came(name)
            self._tell(name, ErrorInfo(code="cancelled", message="The sign-in was cancelled."))
        for session in self._all():
            if _is_pending(session):
                await session.cancel()

    async def _logout(self, names: list[str], end_session: bool) -> None:
        for name in names:
            result = await self._sessions[name].logout(end_session=end_session)
            if self._browser is not None and end_session and result.end_session_url is not None:
                await show(self._page, result.end_session_url, _in_this_tab)

    # ── hearing ──────────────────────────────────────────────────────────────────────────────────────

    def _listen(self, session: AsyncSession, on: bool) -> None:
        for signal in _HEARD:
            receiver = getattr(self, f"_{signal}")
            if on:
                getattr(session, signal).connect(receiver, weak=True)
            else:
                getattr(session, signal).disconnect(receiver)

    def _on_login(self, session: AsyncSession, event: AuthEvent) -> None:
        if not self._ended(session):  # what a link began is told when the page has shown the cookie that leads to it
            self._entered(session.provider.name)

    def _on_restore(self, session: AsyncSession, event: AuthEvent) -> None:
        self._entered(session.provider.name)

    def _on_refresh(self, session: AsyncSession, event: AuthEvent) -> None:
        """A login for more, beside the one that is live, has gone well: its page is told as of any other."""
        if event.trigger == Trigger.REAUTHENTICATE and session.provider.name in self._mine:
            self._entered(session.provider.name)

    def _on_login_failed(self, session: AsyncSession, event: AuthEvent) -> None:
        name = session.provider.name
        self._ended(session)
        if name in self._mine and event.reason != "superseded" and event.error is not None:
            self._tell(name, event.error)

    def _on_logout(self, session: AsyncSession, event: AuthEvent) -> None:
        self._greeted.discard(session.provider.name)
        self._telling.logout(event.reason)

    def _on_transition(self, session: AsyncSession, event: AuthEvent) -> None:
        self._changed()

    def _on_expiring(self, session: AsyncSession, event: AuthEvent) -> None:
        """Somebody has the page open, so the token goes on. That it could not be renewed its own signal tells."""
        self._loop.call_soon_threadsafe(self._tasks.start, partial(_renew, session))

    def _ended(self, session: AsyncSession) -> bool:
        """Whether it was one that a link had begun: it is not listened to any more."""
        if self._begun.get(session.provider.name) is not session:
            return False
        self._listen(self._begun.pop(session.provider.name), False)
        return True

    def _greet(self) -> None:
        """A browser that is signed in already: the page is told as of a login."""
        for name, session in self._sessions.items():
            if name not in self._greeted and session.live:
                self._entered(name)

    def _all(self) -> tuple[AsyncSession, ...]:
        return (*self._sessions.values(), *self._begun.values())

    def _entered(self, name: str) -> None:
        self._last = name
        self._greeted.add(name)
        self._tell(name, None)

    def _tell(self, name: str, error: ErrorInfo | None) -> None:
        self._mine.discard(name)
        self._telling.login(error)

    def _changed(self) -> None:
        """Components that use this object are drawn again: in the context of this page, or another's would be."""
        self._telling.post(partial(self._page.run_task, self._draw))

    async def _draw(self) -> None:
        self.notify()  # type: ignore[no-untyped-call]

    def _session(self) -> AsyncSession | None:
        """The session of the last login that is live, or another live one."""
        last = self._sessions.get(self._last or "")
        if last is not None and last.live:
            return last
        return next((one for one in self._sessions.values() if one.live), None)

    def _authorization(self) -> Authorization:
        found = self.auth
        if found is None:
            raise SignInRequired("Nobody is signed in on this page.", hint="auth.login(…)")
        return found


def _is_pending(session: AsyncSession) -> bool:
    return session.state in (State.AUTHORIZING, State.EXCHANGING) or session.attempt is not None


def _asks_for_more(session: AsyncSession, asked: Asked) -> bool:
    """Whether the human must be asked although somebody is signed in."""
    return bool(asked.arguments.get("prompt") or session.provider.missing_scopes(asked.scope, session.scopes))


async def _renew(session: AsyncSession) -> None:
    with suppress(AuthflowError):
        await session.refresh()


async def _in_this_tab(url: str) -> None:
    await ft.UrlLauncher().launch_url(ft.Url(url, target=ft.UrlTarget.SELF))


def _browser_of(page: ft.Page, tab: Tab | None) -> Browser | None:
    browser = BROWSER.get() if tab is None else tab.browser
    if browser is None and page.web:
        raise ConfigurationError(
            "On the web a page must know which browser it is open in, and a login needs its routes.",
            hint="Serve logins.app(main), or logins.run(main, view=ft.AppView.WEB_BROWSER), in place of ft.run(main).",
        )
    return browser
