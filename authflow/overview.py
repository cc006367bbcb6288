"""What there is to see of many sessions: a header, and below it a row for each. For every dashboard, in a browser or
in a terminal.

    view = look(manager.snapshot(), time.time())
    for row in view.rows:
        print(row.provider, row.state, row.tone, row.life(view.at))

It is made of `manager.snapshot()`, or of one session's part of it, and nothing else, so it is data that may be sent
as it is: no token is in it.

Rule 1: what a human has to look at is decided here (`broken`, `tone`, `next_step`), in one way for all screens.
Rule 2: no text in it can move a terminal's cursor or turn the direction of a line, whoever wrote it.
Rule 3: an owner's key is a credential (it lies in a browser's cookie), so it is told by a fingerprint only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from .chart import LIVE, PENDING, State
from .errors import Recovery, printable
from .reading import ReadableSession
from .records import Key
from .snapshot import snapshot_of

LONGEST_NAME: Final = 120
LONGEST_TEXT: Final = 512
_UNREADABLE: Final = frozenset({"store_error", "sealed_data_invalid"})


class Tone(StrEnum):
    """How a row is meant, in one word: the colour of its dot."""

    GOOD = "good"
    BUSY = "busy"  # a human or a provider is waited for
    WARN = "warn"  # it lives, and something is wrong with it
    BAD = "bad"  # it has ended, or cannot be read, and somebody should do something
    QUIET = "quiet"


class Action(StrEnum):
    """What a human can do to a session from a dashboard. The three ways to sign out reach ever further."""

    SIGN_IN = "sign_in"
    REFRESH = "refresh"
    CANCEL = "cancel"
    SIGN_OUT_HERE = "sign_out_here"
    SIGN_OUT_AND_REVOKE = "sign_out_and_revoke"
    SIGN_OUT_EVERYWHERE = "sign_out_everywhere"


class SignOut(NamedTuple):
    """The arguments of `session.logout()`."""

    revoke: bool
    end_session: bool


SIGN_OUTS: Final[dict[Action, SignOut]] = {
    Action.SIGN_OUT_HERE: SignOut(revoke=False, end_session=False),
    Action.SIGN_OUT_AND_REVOKE: SignOut(revoke=True, end_session=False),
    Action.SIGN_OUT_EVERYWHERE: SignOut(revoke=True, end_session=True),
}


class SessionRow(msgspec.Struct, frozen=True):
    """One session, as a screen shows it. Times are seconds since the epoch, lifetimes seconds.

    `id` is `row_id(session.key)`; `host` the issuer's. `attempt`: the state of a sign-in beside the live session.
    `renews_at`: from when on whoever asks for the token has it renewed; `ahead`: without anybody asking.
    `refreshed_here`: by this process; None: never yet. `clock_skew`: how far the provider's clock is ahead.
    `next_step` is what a human should do, "" for nothing.
    """

    id: str
    owner: str
    provider: str
    account: str
    label: str
    host: str
    user: str
    state: str
    attempt: str
    since: float
    tone: Tone
    live: bool
    broken: bool
    readable: bool
    deadline: float | None
    fingerprint: str
    token_type: str
    expires_at: float | None
    lifetime: float | None
    renewable: bool
    refreshed_at: float | None
    renews_at: float | None
    ahead: bool
    failures: int
    refreshed_here: bool | None
    scopes: tuple[str, ...]
    scopes_missing: tuple[str, ...]
    signed_in_at: float | None
    clock_skew: float | None
    store: str
    version: int
    saved: bool
    reason: str
    error: str
    next_step: str
    explanation: str
    actions: tuple[Action, ...]

    def life(self, now: float) -> float | None:
        """What is left of the access token, from 0 to 1; None: there is none, or it does not say when it ends."""
        if self.expires_at is None or not self.lifetime:
            return None
        return min(1.0, max(0.0, (self.expires_at - now) / self.lifetime))


class Overview(msgspec.Struct, frozen=True):
    """The rows, and what stands above them.

    `counts` has every state. `unsaved`: how many sessions changed and could not be written yet; `unreadable`: of how
    many the store cannot tell what they are. `clock_skew`: the largest one.
    """

    at: float
    rows: tuple[SessionRow, ...]
    counts: dict[str, int]
    broken: int
    next_refresh: float | None
    clock_skew: float | None
    store: str
    unsaved: int
    unreadable: int


def look(snapshot: Iterable[Mapping[str, Any]], now: float) -> Overview:
    """The overview of what `manager.snapshot()` gave at `now`, the rows by provider and account."""
    rows = tuple(sorted(map(row_of, snapshot), key=lambda row: (row.provider, row.account, row.owner)))
    return Overview(
        at=now,
        rows=rows,
        counts={state.value: sum(row.state == state for row in rows) for state in State},
        broken=sum(row.broken for row in rows),
        next_refresh=min((row.renews_at for row in rows if row.renews_at is not None), default=None),
        clock_skew=max((row.clock_skew for row in rows if row.clock_skew is not None), key=abs, default=None),
        store=rows[0].store if rows else "",
        unsaved=sum(not row.saved for row in rows),
        unreadable=sum(not row.readable for row in rows),
    )


def row_of_session(session: ReadableSession) -> SessionRow:
    """The row of one session as it is now. It may read the store."""
    return row_of(snapshot_of(session))


def row_of(facts: Mapping[str, Any]) -> SessionRow:
    """The row of one dict of `manager.snapshot()`."""
    error, state = facts["error"] or {}, State(facts["state"])
    return SessionRow(
        id=row_id(Key(facts["owner"], facts["provider"], facts["account"])),
        owner=_fingerprint(facts["owner"])[:8] if facts["owner"] else "",
        provider=_name(facts["provider"]),
        account=_name(facts["account"]),
        label=_name(facts["label"]),
        host=_name(facts["issuer"]),
        user=_name(facts["user"] or ""),
        state=state.value,
        attempt=facts["attempt"] or "",
        since=facts["since"],
        tone=_tone(facts),
        live=facts["live"],
        broken=is_broken(facts),
        readable=not is_unreadable(facts),
        deadline=facts["deadline"],
        fingerprint=facts["fingerprint"] or "",
        token_type=_name(facts["token_type"] or ""),
        expires_at=facts["expires_at"],
        lifetime=facts["lifetime"],
        renewable=facts["renewable"],
        refreshed_at=facts["refreshed_at"],
        renews_at=facts["renews_at"],
        ahead=facts["renewed_ahead"],
        failures=facts["failures"],
        refreshed_here=facts["refreshed_here"],
        scopes=tuple(map(_name, facts["scopes"])),
        scopes_missing=tuple(map(_name, facts["scopes_missing"])),
        signed_in_at=facts["signed_in_at"],
        clock_skew=facts["clock_skew"],
        store=facts["store"],
        version=facts["revision"],
        saved=facts["saved"],
        reason=_name(facts["reason"] or ""),
        error=printable(error.get("message", ""), LONGEST_TEXT),
        next_step=_next_step(facts),
        explanation=printable(facts["explanation"], LONGEST_TEXT),
        actions=_actions(facts),
    )


def row_id(key: Key) -> str:
    """The `id` of a session's row, from which its key cannot be learnt."""
    return _fingerprint(str(key))[:16]


def is_broken(facts: Mapping[str, Any]) -> bool:
    """Whether a human should look at this session, a dict of `manager.snapshot()`."""
    if facts["state"] == State.IDLE:  # a login that failed is no session; a record that cannot be read may be one
        return is_unreadable(facts)
    return facts["error"] is not None or (facts["state"] == State.LOGGED_OUT and facts["recoverable"])


def is_unreadable(facts: Mapping[str, Any]) -> bool:
    """Whether the store has a record that could not be read: nobody knows then who is signed in."""
    return facts["error"] is not None and facts["error"]["code"] in _UNREADABLE


def _tone(facts: Mapping[str, Any]) -> Tone:
    state = State(facts["state"])
    if is_broken(facts):
        return Tone.WARN if state in LIVE else Tone.BAD
    if state in PENDING or state is State.REFRESHING:
        return Tone.BUSY
    return Tone.GOOD if state is State.AUTHENTICATED else Tone.QUIET


def _next_step(facts: Mapping[str, Any]) -> str:
    """The remedy that the error names; else what its kind of recovery means for a human."""
    error = facts["error"]
    if error is None:
        return "Sign in again." if is_broken(facts) else ""
    return printable(error.get("hint") or _STEPS.get(error.get("recovery", ""), ""), LONGEST_TEXT)


_STEPS: Final[dict[str, str]] = {
    Recovery.RETRY_AT: "Nothing: it is tried again by itself.",
    Recovery.WAIT_ONLINE: "Nothing, once the provider can be reached again.",
    Recovery.SIGN_IN_AGAIN: "Sign in again.",
    Recovery.STEP_UP: "Sign in once more: the API wants a stronger or wider sign-in.",
    Recovery.FIX_CONFIGURATION: "Correct the configuration: authflow doctor says what is wrong with it.",
}


def _actions(facts: Mapping[str, Any]) -> tuple[Action, ...]:
    """What can be done now, the likeliest first. To a record that cannot be read: nothing that could lose it."""
    state = State(facts["state"])
    if is_unreadable(facts):
        return ()
    if state in PENDING:
        return (Action.CANCEL,)
    if state not in LIVE:
        return (Action.SIGN_IN,)
    beside = (Action.CANCEL,) if facts["attempt"] else ()
    return (*beside, *((Action.REFRESH,) if facts["renewable"] else ()), *SIGN_OUTS)


def _name(text: str) -> str:
    return printable(text, LONGEST_NAME)


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
