"""Asking for a token: the present one, or one renewal for everybody who asks.

Rule 1: one renewal at a time (`flight.py`). It belongs to the manager: whoever asked for it may be cancelled.
Rule 2: while the old token lives, nobody fails because it could not be renewed.
Rule 3: nobody waits long for another process, which may have died at its renewal: who has a token that lives not at
        all, who has none for as long as one try takes. Only refresh() waits for the renewal itself.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING, Final

from .. import renewal
from ..chart import LIVE
from ..core import SessionCore
from ..effects import Delivered, Do, Expect, Join, Mailbox, Op
from ..errors import (
    InvalidCall,
    NotSupported,
)
from ..events import AuthEvent, Origin
from ..records import SessionRecord, Target, Token
from .ending import sign_in_required, unavailable, under_way
from .flight import Outcome, longest_wait, renew

if TYPE_CHECKING:
    from ..effects import Flight

_MOST_FLIGHTS: Final = 8  # of others, that a caller waits for before its own


def token(s: SessionCore, min_ttl: float) -> Op[Token]:
    """A token that lives for at least `min_ttl` seconds, renewed when that is due, once for all callers.

    Raises `SignInRequired` when the session is not live, `TemporarilyUnavailable` when it could not be
    renewed and the old token is dead.
    """
    blocking = s._house.store.blocking
    yield Do(s._run.ledger.load, blocking)
    until = s._run.ledger.now() + longest_wait(s)
    elsewhere = False
    for _ in range(3):
        if (yield Do(s._tick, blocking)):
            s._outbox.hand_over()
        record, now = s._run.record, s._run.ledger.now()
        if record.state not in LIVE or record.token is None:
            raise sign_in_required(s)
        if not record.token.access_token:
            raise NotSupported(
                f"The login at {s.provider.label} brought an ID token, and no access token.",
                hint="Use response_type='code' where an API is to be called.",
            )
        alive = lives(record, now, min_ttl)
        if alive and now < renewal.renew_at(record, s._jitter):
            return record.token
        if not alive and record.token.expires_in is not None and 0.0 < record.token.expires_in <= min_ttl:
            lifetime = f"{record.token.expires_in:.0f} s"
            raise InvalidCall(
                f"{s.provider.label}'s tokens live {lifetime}, not more than min_ttl={min_ttl:.0f}.",
                hint="Ask for less: each renewal would bring another token that ends too soon.",
            )
        if not record.renewable:
            if alive:
                return record.token
            raise unavailable(record, "The access token ends sooner than asked, and it cannot be renewed.")
        resting = record.retry_at is not None and now < record.retry_at
        if alive and (resting or _is_under_way(s)):
            return record.token
        if resting:
            raise unavailable(record, "The token could not be renewed.")
        flight = launch_renewal(s, Origin.CLOCK, record, patience=0.0 if alive else until - now)
        if flight is not None:
            outcome: Outcome | None = yield from _joined(s, flight, until if elsewhere else None)
            elsewhere = outcome is None or outcome.elsewhere
            if elsewhere and (alive or s._run.ledger.now() >= until):
                break
        renewed, now = s._run.record, s._run.ledger.now()
        if renewed.generation != record.generation and (
            lives(renewed, now, 0.0) or now < renewal.renew_ahead_at(renewed)
        ):
            break  # a second one would bring a token that lives no longer than this one
    record, now = s._run.record, s._run.ledger.now()
    if record.state not in LIVE or record.token is None:
        raise sign_in_required(s)
    if lives(record, now, min_ttl):
        return record.token
    if elsewhere:
        raise under_way(record)
    raise unavailable(record, "The token could not be renewed.")


def _is_under_way(s: SessionCore) -> bool:
    return s._flight is not None and not s._flight.done


def _joined(s: SessionCore, flight: Flight[Outcome], until: float | None) -> Op[Outcome | None]:
    """What a renewal came to; None: nothing by then.

    Who comes to a renewal waits for its end, which is not far. Only who has waited for another process before needs
    the limit: a renewal that somebody else began later has more patience.
    """
    if until is None:
        outcome: Outcome = yield Join(flight)
        return outcome
    landed = Mailbox()
    flight.future.add_done_callback(landed.put)
    yield Expect(landed, max(0.0, until - s._run.ledger.now()))
    return flight.future.result() if flight.future.done() else None


def refresh(s: SessionCore) -> Op[AuthEvent | None]:
    """Renews now, or joins the renewal under way. Raises why it could not."""
    yield Do(s._run.ledger.load, s._house.store.blocking)
    yield Do(s._tick, s._house.store.blocking)
    record = s._run.record
    if record.state not in LIVE:
        raise sign_in_required(s)
    if record.token is None or record.token.refresh_token is None:
        raise InvalidCall(
            f"{s.provider.label} gave no refresh token.",
            hint="Ask for one at sign-in (offline_access, where the provider has it), or sign in again.",
        )
    while True:
        flight = launch_renewal(s, Origin.USER, record)
        if flight is None:
            return None
        outcome: Outcome = yield Join(flight)
        if not outcome.elsewhere:
            break
        asked, record = record, s._run.record
        if record.state not in LIVE:
            raise sign_in_required(s)
        if (record.epoch, record.generation) != (asked.epoch, asked.generation):
            return None  # another process did it
    if outcome.event is not None:
        yield Delivered(s._outbox, outcome.event.seq)
    if outcome.error is not None:
        raise outcome.error
    return outcome.event


def launch_renewal(
    s: SessionCore,
    origin: Origin,
    seen: SessionRecord,
    target: Target | None = None,
    patience: float | None = None,
) -> Flight[Outcome] | None:
    """The one renewal of this session that is under way, begun now if there is none.

    `seen` is the record that the caller judged by. If one has ended since, the caller gets that one (None:
    another process did it) and must look again. `patience`: seconds that a new one waits for another process.
    """
    if patience is None:
        patience = longest_wait(s)
    with s._mutex:
        if s._flight is None or s._flight.done or s._flown != seen.epoch:
            if _attempts(seen) != _attempts(s._run.record):
                return s._flight
            s._flown = seen.epoch  # a renewal of an earlier login is none of this one's
            s._flown_for = target
            renewing = renew(s, origin, seen, target, patience)
            s._house.shell.launch(str(s.key), renewing, partial(setattr, s, "_flight"))
        return s._flight


def _attempts(record: SessionRecord) -> tuple[int, int, int]:
    """Differs after every renewal, whether it came to tokens or not."""
    return record.epoch, record.generation, record.failures


def token_for(s: SessionCore, target: Target, min_ttl: float, refused: str | None = None) -> Op[Token]:
    """An access token for something else than the login's (RFC 8707), got with the refresh token: once for all who
    ask, stored as a renewal is. `refused`: the access token that an API did not take.

    Raises `SignInRequired`, `InvalidCall` without a refresh token, `TemporarilyUnavailable`, and the provider's
    refusal (`InvalidTarget`, `InvalidScope`).
    """
    blocking = s._house.store.blocking
    yield Do(s._run.ledger.load, blocking)
    until = s._run.ledger.now() + longest_wait(s)
    elsewhere = False
    for _ in range(_MOST_FLIGHTS):
        if (yield Do(s._tick, blocking)):
            s._outbox.hand_over()
        record, now = s._run.record, s._run.ledger.now()
        if record.state not in LIVE or record.token is None:
            raise sign_in_required(s)
        found = s._further(target)
        if found is not None and found.access_token == refused:
            found = None
        alive = found is not None and renewal.is_alive(found, now, min_ttl)
        if alive and found is not None and now < renewal.renew_token_at(found, s._jitter):
            return found
        if record.token.refresh_token is None:
            raise InvalidCall(
                f"{s.provider.label} gave no refresh token, so no token for another API can be had.",
                hint="Ask for one at sign-in (offline_access, where the provider has it).",
            )
        resting = not record.renewable or (record.retry_at is not None and now < record.retry_at)
        if alive and found is not None and (resting or _is_under_way(s)):
            return found
        if resting:
            raise unavailable(record, "No token for that API can be had now.")
        flight, mine = _launch_for(s, record, target, 0.0 if alive else until - now)
        if flight is None:
            continue
        outcome = yield from _joined(s, flight, until if elsewhere else None)
        elsewhere = outcome is None or outcome.elsewhere
        if elsewhere and alive and found is not None and s._run.record.state in LIVE:
            return found
        if elsewhere and s._run.ledger.now() >= until:
            raise under_way(s._run.record)
        if mine and outcome is not None and outcome.error is not None:
            if alive and found is not None:
                return found
            raise outcome.error
    raise unavailable(s._run.record, "Others keep renewing this session.")


def _launch_for(
    s: SessionCore, seen: SessionRecord, target: Target, patience: float
) -> tuple[Flight[Outcome] | None, bool]:
    """The renewal that is under way, and whether it is for `target`; begun now if there is none."""
    flight = launch_renewal(s, Origin.USER, seen, target, patience)
    return flight, s._flown_for == target


def renew_after(s: SessionCore, access_token: str) -> Op[Token]:
    """A 401 came back for `access_token`: renew only if that is still the present one."""
    yield Do(s._run.ledger.load, s._house.store.blocking)
    record = s._run.record
    present = record.token
    if present is not None and hmac.compare_digest(present.access_token.encode(), access_token.encode()):
        if not record.renewable:
            return present
        flight = launch_renewal(s, Origin.PROVIDER, record)
        if flight is not None:
            yield Join(flight)
    return (yield from token(s, 0.0))


def lives(record: SessionRecord, now: float, min_ttl: float) -> bool:
    return record.expires_at is None or record.expires_at - now > max(0.0, min_ttl)
