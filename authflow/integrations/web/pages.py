"""What the human is told when a login did not go well: the truth, and the way on.

Rule 1: a page says nothing that an attacker could use and nothing that only a developer understands; the log has that.
Rule 2: what the browser brought wrong is 4xx; what the provider or the store could not do now is 502 or 503.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from ...agents import Page
from ...agents.pages import headers, render
from ...errors import (
    AuthflowError,
    BindingRequired,
    CallbackAlreadyUsed,
    CallbackRejected,
    LoginCancelled,
    LoginDenied,
    LoginFailed,
    LoginTimedOut,
    Misuse,
    ServerError,
    ServiceUnavailable,
    SignInRequired,
    StoreError,
    WireError,
)
from .exchange import Answer

logger = logging.getLogger("authflow.integrations")

_TRY = "Nothing of yours has changed. You can simply try again."


def show(page: Page, status: int, label: str = "") -> Answer:
    return Answer(status, tuple(headers(page)), render(page, label))


def explain(error: AuthflowError, label: str, onward: Sequence[tuple[str, str]]) -> Answer:
    """The page for an error that a login ended with, or was refused for. `label`: the provider's."""
    status, page = _page_for(error, label)
    logger.log(
        logging.WARNING if status >= 500 else logging.INFO, "sign-in with %s: %s (%s)", label, error, error.code
    )
    return show(msgspec.structs.replace(page, onward=tuple(onward)), status, label)


def _page_for(error: AuthflowError, label: str) -> tuple[int, Page]:
    cause = error.__cause__ if type(error) is LoginFailed else error
    if isinstance(error, LoginDenied):
        return 403, _told("You are not signed in", f"The sign-in was declined at {label}.", _TRY)
    if isinstance(error, LoginTimedOut):
        return 400, _told("This sign-in took too long", "Its time is over.", _TRY)
    if isinstance(error, LoginCancelled):
        return 400, _told("You are not signed in", "This sign-in was ended before it was finished.", _TRY)
    if isinstance(error, CallbackAlreadyUsed):
        return 400, _told("This sign-in is over", "Its link works once, and has been used.", _TRY)
    if isinstance(error, BindingRequired) or (isinstance(error, CallbackRejected) and error.check == "binding"):
        said = "It was begun in another browser, or its time is over. A sign-in ends in the browser in which it began."
        return 400, _told("This sign-in does not belong to this browser", said, _TRY)
    if isinstance(error, CallbackRejected):
        return 400, _told("This sign-in link was not accepted", "No sign-in waits for it.", _TRY)
    if isinstance(error, SignInRequired):
        return 401, _told("You are not signed in", "This asks for a sign-in again, and there is none yet.", _TRY)
    if isinstance(error, StoreError) or isinstance(cause, StoreError):
        return 503, _told("Signing in is not possible right now", "The application cannot reach its own store.", _TRY)
    if isinstance(cause, WireError):
        return 502, _told(f"{label} cannot be reached", "It did not answer.", "Try again in a moment.")
    if isinstance(cause, (ServerError, ServiceUnavailable)):
        return 502, _told(f"{label} is not available", "It says that it cannot do it now.", "Try again in a moment.")
    if isinstance(error, Misuse) or isinstance(cause, Misuse):
        said = "The application is not set up for it. Its log says what is missing."
        return 500, _told("Signing in is not possible here", said, "Please tell whoever runs it.")
    status = 502 if error.phase == "prepare" else 400
    return status, _told("You are not signed in", f"The answer of {label} was not accepted.", _TRY)


def _told(title: str, text: str, hint: str) -> Page:
    return Page(ok=False, title=title, text=text, hint=hint)


def no_such_provider(onward: Sequence[tuple[str, str]]) -> Answer:
    text = "Nobody is signed in with a provider of that name here."
    return show(Page(ok=False, title="There is no such sign-in", text=text, hint=_TRY, onward=tuple(onward)), 404)


def no_cookies(onward: Sequence[tuple[str, str]]) -> Answer:
    """The browser did not bring back what it was given."""
    text = "A sign-in ends in the browser in which it began. This one is known by a cookie, and it keeps none."
    hint = "Allow this site to keep cookies, then sign in again."
    return show(Page(ok=False, title="Signing in needs cookies", text=text, hint=hint, onward=tuple(onward)), 400)


def another_site(onward: Sequence[tuple[str, str]]) -> Answer:
    """Somebody else's page asked in the human's name."""
    text = "It was asked for by another site. Nothing was done."
    page = Page(ok=False, title="That was not asked for here", text=text, hint="You can go on.", onward=tuple(onward))
    return show(page, 403)


def choose(providers: Sequence[tuple[str, str]]) -> Answer:
    """The ways to sign in, as (words, URL)."""
    page = Page(
        ok=True, neutral=True, title="Sign in", text="Choose how.", hint="You come back here afterwards.",
        onward=tuple(providers),
    )  # fmt: skip
    return show(page, 200)
