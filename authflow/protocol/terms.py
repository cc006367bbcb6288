"""What a login without a redirect is told at its beginning: what to poll with, for how long, how often. The same of a
device (RFC 8628 §3.2) and of a phone (CIBA Core §7.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..errors import Phase, ResponseInvalid
from ..records import Redacted
from .reading import is_number
from .token import grant_text

DEFAULT_INTERVAL: Final = 5.0  # seconds; RFC 8628 §3.2
SHORTEST_INTERVAL: Final = 1.0
LONGEST_INTERVAL: Final = 300.0
LONGEST_WAIT: Final = 86_400.0  # seconds; a code that is said to live longer lives this long


class Terms(Redacted, msgspec.Struct, frozen=True):
    """`code` is polled with. Seconds."""

    code: str
    expires_in: float
    interval: float = DEFAULT_INTERVAL


def read_terms(said: Mapping[str, Any], name: str, what: str) -> Terms:
    """The terms in an answer whose code is called `name`. Raises `ResponseInvalid`."""
    code = grant_text(said, name, what)
    lifetime = _seconds(said, "expires_in", LONGEST_WAIT, what)
    if code is None or not lifetime:
        raise ResponseInvalid(
            f"The {what} has no {name}, or does not say how long it is good.",
            hint="Check that the endpoint is the provider's.",
            phase=Phase.AUTHORIZE,
        )
    interval = _seconds(said, "interval", LONGEST_INTERVAL, what)
    return Terms(code, lifetime, DEFAULT_INTERVAL if interval is None else max(interval, SHORTEST_INTERVAL))


def _seconds(said: Mapping[str, Any], name: str, most: float, what: str) -> float | None:
    """A number of seconds, `most` at most; None where there is none."""
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:12])
    if not is_number(value) or value < 0:
        raise ResponseInvalid(f"The {what} has an {name} that is no number of seconds.", phase=Phase.AUTHORIZE)
    return float(min(value, most))
