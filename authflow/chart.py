"""The chart of a login: six states, and every way from one to the next.

This table is the only place that says what may follow what. The machine, the diagrams, the table in the
documentation, the checker (`authflow verify`) and the cell tests are all made from it.

Rule 1: what comes next is decided by a row here, or it does not happen. A trigger that stands in no row
        for the present state is refused, and nothing changes.
Rule 2: what the clock or the last attempt adds (an error, an expiry, a refresh token or none) is data on
        the session, never a seventh state. So `state.live` is the one test a user interface needs.
Rule 3: every state that waits (authorizing, exchanging, refreshing) has a way out by the clock and one by
        the user; every state comes to rest by either alone.

What this file does not know: HTTP, time, storage, tokens, providers. It knows states and triggers.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """Where a login is. `live` means: there is a token to use, or one on its way."""

    IDLE = "idle"
    AUTHORIZING = "authorizing"
    EXCHANGING = "exchanging"
    AUTHENTICATED = "authenticated"
    REFRESHING = "refreshing"
    LOGGED_OUT = "logged_out"

    @property
    def live(self) -> bool:
        return self is State.AUTHENTICATED or self is State.REFRESHING

    @property
    def waiting(self) -> bool:
        """Somebody else must act: the human, the provider. Such a state always has a deadline."""
        return self in (State.AUTHORIZING, State.EXCHANGING, State.REFRESHING)


class Trigger(StrEnum):
    """What makes a session move."""

    AUTHORIZE = "authorize"
    REJECT = "reject"
    CALLBACK = "callback"
    AUTHENTICATE = "authenticate"
    FAIL = "fail"
    CANCEL = "cancel"
    TIME_OUT = "time_out"
    RESTORE = "restore"
    REFRESH = "refresh"
    REFRESHED = "refreshed"
    ADOPT = "adopt"
    DEFER = "defer"
    REAUTHENTICATE = "reauthenticate"
    LOGOUT = "logout"
    REVOKE = "revoke"
    EXPIRE = "expire"
    FORGET = "forget"


class Actor(StrEnum):
    """Who fires a trigger."""

    USER = "user"
    PROVIDER = "provider"
    CLOCK = "clock"
    STORE = "store"


class Row(NamedTuple):
    """One trigger: from which states, to which, which signal it emits beside `on_transition`, fired by whom."""

    trigger: Trigger
    sources: tuple[State, ...]
    target: State
    emits: str | None
    actors: tuple[Actor, ...]
    meaning: str


S, T, A = State, Trigger, Actor

LIVE: Final = (S.AUTHENTICATED, S.REFRESHING)
PENDING: Final = (S.AUTHORIZING, S.EXCHANGING)
AT_REST: Final = (S.IDLE, S.AUTHENTICATED, S.LOGGED_OUT)

CHART: Final[tuple[Row, ...]] = (
    Row(T.AUTHORIZE, (S.IDLE, S.AUTHORIZING, S.LOGGED_OUT), S.AUTHORIZING, None, (A.USER,),
        "a human is on the way to the provider; another click adds another pending attempt"),
    Row(T.REJECT, (S.AUTHORIZING,), S.AUTHORIZING, None, (A.PROVIDER,),
        "a callback that belongs to no pending attempt; it ends nothing and is not stored"),
    Row(T.CALLBACK, (S.AUTHORIZING,), S.EXCHANGING, None, (A.PROVIDER,),
        "the human came back with the right state, binding and issuer"),
    Row(T.AUTHENTICATE, (S.EXCHANGING,), S.AUTHENTICATED, "on_login", (A.PROVIDER,),
        "tokens received, validated and stored"),
    Row(T.FAIL, PENDING, S.IDLE, "on_login_failed", (A.PROVIDER,),
        "the provider said no, or its answer did not pass a check"),
    Row(T.CANCEL, PENDING, S.IDLE, "on_login_failed", (A.USER,),
        "the user gave up, signed out, began anew, or closed the manager"),
    Row(T.TIME_OUT, PENDING, S.IDLE, "on_login_failed", (A.CLOCK,),
        "nobody came back in time"),
    Row(T.RESTORE, (S.IDLE, S.AUTHORIZING, S.LOGGED_OUT), S.AUTHENTICATED, "on_restore", (A.USER, A.STORE),
        "a saved session was validated, or another process signed in"),
    Row(T.REFRESH, (S.AUTHENTICATED,), S.REFRESHING, None, (A.USER, A.CLOCK),
        "the token is being renewed"),
    Row(T.REFRESHED, (S.REFRESHING,), S.AUTHENTICATED, "on_refresh", (A.PROVIDER,),
        "new tokens received and stored"),
    Row(T.ADOPT, LIVE, S.AUTHENTICATED, "on_refresh", (A.STORE,),
        "another process renewed it first"),
    Row(T.DEFER, (S.REFRESHING,), S.AUTHENTICATED, "on_refresh_failed", (A.PROVIDER, A.CLOCK),
        "could not renew now; the session lives on and says why"),
    Row(T.REAUTHENTICATE, LIVE, S.AUTHENTICATED, "on_refresh", (A.PROVIDER,),
        "an attempt beside the live session succeeded for the same user"),
    Row(T.LOGOUT, LIVE, S.LOGGED_OUT, "on_logout", (A.USER,),
        "the user signed out here"),
    Row(T.REVOKE, LIVE, S.LOGGED_OUT, "on_logout", (A.PROVIDER, A.STORE),
        "the provider or another process ended the session"),
    Row(T.EXPIRE, LIVE, S.LOGGED_OUT, "on_logout", (A.CLOCK,),
        "the token is dead and nothing can renew it"),
    Row(T.FORGET, (S.LOGGED_OUT,), S.IDLE, None, (A.USER,),
        "the traces of the last session are dropped"),
)  # fmt: skip

# Signals that say "now there is a session" and "now there is none": they strictly alternate.
ENTERS: Final = frozenset({"on_login", "on_restore"})
LEAVES: Final = frozenset({"on_logout"})


def allowed(state: State, chart: tuple[Row, ...] = CHART) -> tuple[Trigger, ...]:
    """The triggers that `state` accepts, in the chart's order."""
    return tuple(row.trigger for row in chart if state in row.sources)
