"""Logins without a redirect: the human answers on another screen, and the tokens are asked for until they are there.

    ask_for_code      what the human is to do, and what the polls are made with (RFC 8628)
    ask_on_phone      the provider asks the human where they are; what the polls are made with (CIBA Core)
    poll              one poll: the tokens, or why there are none yet

Generators, as those in `flows/`; nothing here knows a chart, a session or a clock.

Rule: one generator is one poll. When the next one is due is `Pace`'s matter, and who waits for it is the session's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

import httpx
import msgspec

from .errors import AuthflowError, AuthorizationPending, Phase, ServerError, ServiceUnavailable, SlowDown, WireError
from .flows import ask_as_client, ask_for_tokens
from .protocol.ciba import build_ciba_request, build_ciba_token_request, read_ciba_response
from .protocol.device import DeviceAuthorization, build_device_request, build_device_token_request, read_device_response
from .protocol.dpop import Binding
from .protocol.messages import ServerMetadata, TokenResponse
from .protocol.step import Flow, Moment, T, fresh
from .protocol.terms import Terms
from .records import Polled

if TYPE_CHECKING:
    from .providers.base import Provider

CIBA: Final = "ciba"  # the other grant is "device_code"

SLOWER_SECONDS: Final = 5.0  # RFC 8628 §3.5
LONGEST_BACKOFF: Final = 60.0

# The human may still answer, or the provider may still be reached: the poll is made again.
AGAIN: Final = (AuthorizationPending, SlowDown, WireError, ServerError, ServiceUnavailable)


class Pace(msgspec.Struct, frozen=True):
    """How often to poll: `interval` seconds, and a `delay` before the next poll that trouble makes longer."""

    interval: float
    delay: float

    @classmethod
    def of(cls, polled: Polled) -> Pace:
        """The pace that the provider asked for."""
        return cls(polled.interval, polled.interval)

    def after(self, error: AuthflowError) -> Pace:
        """The pace after a poll that brought no tokens (RFC 8628 §3.5): 5 s slower for good after `slow_down`; after
        trouble on the way twice the last delay, a minute at most; as long as the provider asks, whatever it was."""
        if isinstance(error, SlowDown):
            slower = self.interval + SLOWER_SECONDS
            return Pace(slower, max(slower, error.retry_after or 0.0))
        if isinstance(error, AuthorizationPending):
            return Pace(self.interval, self.interval)
        doubled = max(self.interval, min(2 * self.delay, LONGEST_BACKOFF))
        return Pace(self.interval, max(doubled, error.retry_after or 0.0))


class Asked(TypedDict):
    """What a login without a redirect asks for; `params` are the agent's and the caller's own."""

    scope: Sequence[str]
    params: Mapping[str, str]
    resource: Sequence[str]


def ask_for_code(
    provider: Provider, metadata: ServerMetadata, **asked: Unpack[Asked]
) -> Flow[DeviceAuthorization]:
    """What the human enters, and where (RFC 8628 §3.1, §3.2). The phase of its errors is `authorize`."""
    return _asking(provider, partial(build_device_request, provider, metadata, **asked), read_device_response)


def ask_on_phone(provider: Provider, metadata: ServerMetadata, **asked: Unpack[Asked]) -> Flow[Terms]:
    """That the provider asks the human (CIBA Core §7). The phase of its errors is `authorize`."""
    build = partial(build_ciba_request, provider, metadata, signing=(yield from fresh()), **asked)
    return (yield from _asking(provider, build, read_ciba_response))


def _asking(
    provider: Provider,
    build: Callable[[Moment], httpx.Request],
    read: Callable[[Provider, httpx.Response], T],
) -> Flow[T]:
    try:
        response = yield from ask_as_client(provider, build)
        return read(provider, response)
    except AuthflowError as error:
        error.add_facts(phase=Phase.AUTHORIZE)
        raise


def poll(
    provider: Provider, metadata: ServerMetadata, grant: str, polled: Polled, binding: Binding | None = None
) -> Flow[TokenResponse]:
    """One poll of a `grant` (RFC 8628 §3.4, CIBA Core §10.1). Raises one of `AGAIN` while there are no tokens, and
    whatever else ends the login."""

    def build(moment: Moment) -> httpx.Request:
        if grant == CIBA:
            return build_ciba_token_request(provider, metadata, moment, auth_req_id=polled.code)
        return build_device_token_request(
            provider, metadata, moment, device_code=polled.code, user_code=polled.user_code
        )

    return (yield from ask_for_tokens(provider, metadata, build, Phase.AUTHORIZE, binding))
