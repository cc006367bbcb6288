"""Who hears what a flow has checked. A rule says so as it goes; whether anybody listens is not its matter.

    passed("nonce", "ID token", nonce, said)      it held
    differs("nonce", "ID token", nonce, said)     it did not; the error that is raised next says the rest

Values go in as they are: whoever listens redacts them before anything is kept. Without a listener this costs a look.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TypeVar

G = TypeVar("G")
T = TypeVar("T")

# A check: its name, what it looked at, whether it held, what was expected, what was there.
Checked = tuple[str, str, bool, object, object]
Witness = Callable[[Checked], object]

_witness: ContextVar[Witness | None] = ContextVar("authflow-witness", default=None)


def passed(name: str, of: str, expected: object = None, got: object = None) -> None:
    """A check held."""
    witness = _witness.get()
    if witness is not None:
        witness((name, of, True, expected, got))


def differs(name: str, of: str, expected: object = None, got: object = None) -> None:
    """A check did not hold."""
    witness = _witness.get()
    if witness is not None:
        witness((name, of, False, expected, got))


def heard(witness: Witness | None, act: Callable[[G], T], given: G) -> T:
    """What `act(given)` gives, and `witness` hears what it checks."""
    if witness is None:
        return act(given)
    before = _witness.set(witness)
    try:
        return act(given)
    finally:
        _witness.reset(before)
