"""Which walk through the chart a login takes: the session's own, or one beside the live session."""

from __future__ import annotations

from ..chart import LIVE
from ..core import SessionCore
from ..errors import (
    AlreadyAuthenticated,
    LoginInProgress,
)
from ..house import ATTEMPT
from ..ledger import Ledger
from ..run import Run
from .data import LoginOptions


def run_for(s: SessionCore, options: LoginOptions) -> Run:
    """The session's own walk, or, when it is live and there is a reason, one beside it."""
    if s._run.record.state not in LIVE:
        return s._run
    held = s._run.record.token.scope if s._run.record.token is not None else ()
    wider = bool(s.provider.missing_scopes(options.scope, held))
    if not (options.prompt or options.step_up or wider):
        raise already(s)
    return s._beside or open_beside(s)


def open_beside(s: SessionCore) -> Run:
    house = s._house
    ledger = Ledger(s.key, ATTEMPT, house.store, house.clock, s, house.vault, beside=True)
    s._beside = Run(ledger, s._mutex, beside=True)
    return s._beside


def already(s: SessionCore) -> AlreadyAuthenticated:
    return AlreadyAuthenticated(
        f"{s.provider.name!r} is signed in already.",
        hint="Use the session as it is, logout() first, or ask for more: prompt=… or a wider scope=….",
    )


def in_progress(s: SessionCore) -> LoginInProgress | None:
    """Why no login may begin now, and no saved session come back. Within `_mutex`."""
    if s._restoring is not None and not s._restoring.flight.done:
        return LoginInProgress(f"A saved session of {s.provider.name!r} is being restored.", hint="Let it finish.")
    if s._waiting is not None:
        return LoginInProgress(
            f"A login of {s.provider.name!r} is waiting for the human already.",
            hint="Let it finish, or end it with session.cancel().",
        )
    return None
