"""What an API asks of the human beyond a valid token: told, remembered, and asked for at the next step-up.

Rule 1: an API can ask as often as it is called. The same thing is told once a minute, and more scope three times in
        one login: what three sign-ins did not bring, a fourth will not.
Rule 2: an API knows the token. What it asks for is told to receivers, screens and the provider, so a word that
        repeats a part of the token is left out.
"""

from __future__ import annotations

import hmac
from typing import Final

from msgspec.structs import replace

from ..chart import LIVE
from ..core import SessionCore, StepUps
from ..effects import Do, Op, Tell
from ..events import Origin, StepUp

TOLD_SECONDS: Final = 60.0
MOST_SCOPE_ASKS: Final = 3
MOST_ASKS: Final = 32  # different ones that are remembered
TELLING: Final = 8  # characters in a row


def notice_step_up(s: SessionCore, access_token: str, asked: StepUp) -> Op[None]:
    """An API refused `access_token` as not enough (RFC 9470 §3, RFC 6750 §3.1): `on_step_up_required`."""
    yield Do(s._run.ledger.load, s._house.store.blocking)
    record, now = s._run.record, s._run.ledger.now()
    if record.state not in LIVE or record.token is None:
        return
    if not hmac.compare_digest(record.token.access_token.encode(), access_token.encode()):
        return  # it was for a token that is not the present one any more
    asked = replace(
        asked,
        scope=tuple(word for word in asked.scope if not _repeats(word, access_token)),
        acr_values=tuple(word for word in asked.acr_values if not _repeats(word, access_token)),
    )
    with s._mutex:
        tell = _remember(s, record.epoch, asked, now)
    if tell:
        s._publish(
            replace(s._current_event(), at=now, reason=asked.error, origin=Origin.PROVIDER.value, step_up=asked),
            ("on_step_up_required",),
        )
    yield Tell(s._outbox)


def _repeats(word: str, token: str) -> bool:
    """Whether `word` has a telling part of `token` in it."""
    return any(word[at : at + TELLING] in token for at in range(len(word) - TELLING + 1))


def _remember(s: SessionCore, epoch: int, asked: StepUp, now: float) -> bool:
    """Keeps what was asked; True if it is to be told."""
    before = s._step_ups if s._step_ups is not None and s._step_ups.epoch == epoch else None
    asks = {} if before is None else before.asks
    told_at, times = asks.get(asked, (None, 0))
    if told_at is not None and 0 <= now - told_at < TOLD_SECONDS:
        return False
    if times >= MOST_SCOPE_ASKS and asked.scope:
        return False
    kept = {one: when for one, when in asks.items() if one != asked}
    s._step_ups = StepUps(epoch, asked, {**dict(list(kept.items())[1 - MOST_ASKS :]), asked: (now, times + 1)})
    return True
