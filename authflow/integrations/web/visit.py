"""A visitor of a page that is made by a UI framework: whose session it is, by the cookies that came with the page.

Rule: it reads. Signing in and out are the routes, which the page links and posts to.
"""

from __future__ import annotations

from typing import Any

from ... import AsyncSession, Session
from ..live import Card, look, nobody
from ..markup import button_html
from .desk import Desk
from .exchange import Asked
from .running import run


class Visit:
    """One browser at one page. `session`: None for a stranger. `here`: the page to come back to after a sign-in.
    `last`: the session that this browser had, which may say why it ended."""

    def __init__(
        self,
        desk: Desk,
        session: Session | AsyncSession | None,
        provider: str | None,
        here: str,
        last: Session | AsyncSession | None = None,
    ) -> None:
        self.session: Any = session
        named = provider or (session.provider.name if session else _only_one(desk))
        self._seen = session or last
        self._nobody = nobody(desk.manager.providers.get(named))
        self.sign_in = desk.places.login(named, here)
        self.sign_out = desk.places.path("logout" if named else "logout_all", named)

    def look(self) -> Card:
        """The session as it is now."""
        return self._nobody if self._seen is None else look(self._seen)

    def button(self, card: Card) -> str:
        """What signs in or out, as HTML."""
        return button_html(card, self.sign_in, self.sign_out)


def visit_by(desk: Desk, cookie: str, provider: str | None = None, here: str = "/") -> Visit:
    """Who comes with this `Cookie` header, looked up here and now: for frameworks whose pages run on threads."""
    asked = Asked("GET", "", {"cookie": cookie})
    # What it asks of an async session is a look as well: nothing is awaited.
    session = run(desk.find(asked, provider))
    named, last = provider or _only_one(desk), None
    if session is None and named and desk.cookies.secret_of(asked.cookies) is not None:
        last = desk.manager.owner(desk.owner(asked))[named]
    return Visit(desk, session, provider, here, last)


def _only_one(desk: Desk) -> str:
    """The provider's name, when there is but one."""
    return next(iter(desk.manager.providers)) if len(desk.manager.providers) == 1 else ""
