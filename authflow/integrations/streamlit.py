"""Streamlit: a session in a script, looked at again every second.

    # app.py, run by: uvicorn app:app
    auth = Auth(SessionManager([GitHub.from_env()]), base_url="http://127.0.0.1:8000")
    app = st.App("page.py", routes=auth.routes, lifespan=auth.lifespan)

    # page.py
    here = page()                          # authflow.integrations.streamlit.page: of the browser that runs this script
    here.user_card()                       # who is signed in, and what went wrong
    here.button()                          # Sign in with GitHub · Sign out
    if here.session:                       # None for a stranger
        st.write(f"for {here.session.user.name} only")

Streamlit cannot be pushed to: what a thread writes, nobody sees. So the card is a fragment that looks at the session
each second, and runs the script again when somebody was signed out elsewhere: what is protected is gone then. A tab
that is closed looks no more, and there is no subscription to forget. Signing in and out are the routes of `web`.

`pip install 'authflow-sessions[streamlit]'`
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError, MissingExtra
from .live import Card
from .markup import card_html

try:
    import streamlit as st
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs streamlit, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[streamlit]'",
    ) from missing

from . import starlette
from .web.visit import Visit, visit_by

__all__ = ["Auth", "Page", "page"]

_running: list[Auth] = []  # the one of this process; Streamlit has one application in a process, too


class Auth(starlette.Auth):
    """See `starlette.Auth`. Scripts find the last one that was made: they are run, not imported."""

    def __init__(self, manager: Any, *, base_url: str, **settings: Any) -> None:
        super().__init__(manager, base_url=base_url, **settings)
        _running[:] = [self]


def page(provider: str | None = None, *, every: float = 1.0) -> Page:
    """The session of the browser that runs this script; with one provider of several, if it is named.

    `every`: seconds between two looks at the session. Raises `ConfigurationError` where no `Auth` was made.
    """
    if not _running:
        raise ConfigurationError(
            "There is no Auth in this process, so nobody can sign in.",
            hint='Serve st.App("page.py", routes=auth.routes, lifespan=auth.lifespan) with uvicorn.',
        )
    here = urlsplit(st.context.url or "/").path or "/"
    return Page(visit_by(_running[0].desk, _cookie(), provider, here), every)


class Page:
    """What one run of a script shows of one session."""

    def __init__(self, visit: Visit, every: float) -> None:
        self._visit = visit
        self._every = every
        self.card: Card = visit.look()

    @property
    def session(self) -> Any:
        """The live session; None: nobody is signed in."""
        return self._visit.session if self.card.live else None

    def user_card(self) -> None:
        """Who is signed in, or that nobody is, and what went wrong; looked at again and again."""
        if self.session is None:
            st.html(card_html(self.card))
        else:
            st.fragment(self._watch, run_every=self._every)()

    def _watch(self) -> None:
        card = self._visit.look()
        if not card.live:
            st.rerun()
        st.html(card_html(card))

    def button(self) -> None:
        """A link that signs in, or a form that signs out."""
        st.html(self._visit.button(self.card))


def _cookie() -> str:
    return st.context.headers.get("Cookie") or ""
