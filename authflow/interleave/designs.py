"""The designs that are walked: what the code does, at each kind of provider; and that with one part left out."""

from __future__ import annotations

from typing import Final

from .world import Chances, Design

_HARD: Final = Chances(renewals=3, logouts=1, crashes=1, losses=1, logins=1)

DESIGNS: Final = (
    Design("strict provider; crash, lost answer, another login", chances=_HARD),
    Design("strict provider, three processes", processes=3, chances=_HARD._replace(logins=0)),
    Design("strict provider, the lock lapses", chances=_HARD._replace(lapses=2)),
    Design("strict provider, no lock at all, three processes", processes=3, lock=False,
           chances=_HARD._replace(logins=0)),
    Design("strict provider, 503 and crash", chances=_HARD._replace(overloads=1)),
    Design("provider with a grace, policy grace", policy="grace", grace=True, chances=_HARD),
    Design("provider with a grace, policy unknown", policy="unknown", grace=True, chances=_HARD),
    Design("strict provider, an answer comes after the lease", chances=_HARD._replace(delays=1)),
    Design("provider with a grace, no lock, an answer comes after the lease", policy="grace", grace=True, lock=False,
           chances=_HARD._replace(delays=1)),
)  # fmt: skip

_EASY: Final = Chances(renewals=3, logouts=1)

FLAWED: Final = (
    Design("no lock, no second look, no swap", lock=False, reads_again=False, claims=False, stores_by_swap=False,
           chances=_EASY),
    Design("a lock around the request only", reads_again=False, claims=False, stores_by_swap=False, chances=_EASY),
    Design("lock and second look, but stored without a swap", claims=False, stores_by_swap=False, chances=_EASY),
    Design("no lock and no claim, only a guarded store", lock=False, claims=False, chances=_EASY),
    Design("a logout that cancels the renewal in flight", logout_cancels=True, chances=_EASY),
    Design("told before it is stored", tells_before_storing=True, chances=_EASY),
    Design("a lock that lapses, and no claim", claims=False, chances=_EASY._replace(lapses=1)),
    Design("a lost answer asked for again, strict provider", retries_always=True, chances=_EASY._replace(losses=1)),
    Design("a claim that is written without a swap, the lock lapses", claims_by_swap=False,
           chances=_EASY._replace(lapses=1)),
    Design("a claim left standing after a 503", clears_after_no=False, chances=_EASY._replace(overloads=1)),
    Design("another login adopted as one's own", compares_epochs=False, chances=_EASY._replace(logins=1)),
)  # fmt: skip
