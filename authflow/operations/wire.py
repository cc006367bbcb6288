"""Flows on the wire: what a session lets a flow's requests reach, and for how long.

Rule: metadata of a public issuer must not lead into this network. The issuer's own host, and every host that
the application itself named, may be anywhere; a host that only the metadata name must be a public address.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import httpx
from msgspec.structs import replace

from ..core import SessionCore
from ..drive import ABOUT
from ..effects import Op
from ..errors import AuthflowError, DeadlineExceeded, Sent
from ..house import House
from ..http import PRIVATE
from ..protocol.client_certificate import CERTIFICATE
from ..protocol.step import LIMITS, Call, limits_of
from ..protocol.urls import is_private_host
from ..protocol.witness import heard
from ..providers.base import Provider
from ..records import Key

if TYPE_CHECKING:
    from ..drive import Recorder
    from ..protocol.step import Flow
    from ..protocol.witness import Checked

T = TypeVar("T")


def reach(s: SessionCore, flow: Flow[T], until: float | None = None, story: str = "") -> Op[T]:
    """Runs `flow` with its requests fenced; with `until`, its calls together end then (seconds since the epoch).
    `story`: what it belongs to, for whoever records: an attempt, a renewal; "": whatever goes on."""
    return fenced(s._house, s.provider, s._run.ledger.now, flow, until, (s.key, story))


def fenced(
    house: House,
    provider: Provider,
    now: Callable[[], float],
    flow: Flow[T],
    until: float | None = None,
    about: tuple[Key, str] | None = None,
) -> Op[T]:
    """`reach`, also for what no session does: nobody records that."""
    known = house.trusted
    trusted = known.get(provider.name)
    if trusted is None:
        # By what the application wrote: an issuer that an API named may not be anywhere.
        trusted = known[provider.name] = trusted_hosts(house.providers[provider.name])
    recorder = None if about is None else house.recorder
    checked: list[Checked] | None = None if recorder is None else []
    act: Callable[[Any], Any] = flow.send
    given: Any = None
    try:
        while True:
            # Out here: what the application's function raised is not to be the context of what is told.
            step = act(given) if checked is None else heard(checked.append, act, given)
            if checked:
                _tell(recorder, about, checked)
            left = None if until is None else until - now()
            if left is not None and left <= 0:
                act = flow.throw
                given = DeadlineExceeded("No time was left for this call.", hint="Try again.", sent=Sent.NO)
                continue
            if isinstance(step, httpx.Request):
                if recorder is not None:
                    step.extensions[ABOUT] = about
                if trusted and step.url.host not in trusted:
                    step.extensions[PRIVATE] = False
                if provider.client_certificate is not None:
                    step.extensions[CERTIFICATE] = provider.client_certificate
                if left is not None:
                    limits = limits_of(step)
                    step.extensions[LIMITS] = replace(limits, seconds=min(limits.seconds, left))
            try:
                act, given = flow.send, (yield step)
            except AuthflowError as error:
                act, given = flow.throw, error
            except Exception as error:
                if not isinstance(step, Call):
                    raise
                act, given = flow.throw, error
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        given = None
        if checked:
            _tell(recorder, about, checked)


def _tell(recorder: Recorder | None, about: tuple[Key, str] | None, checked: list[Checked]) -> None:
    """Whoever records hears what was checked since the last step."""
    if recorder is not None and about is not None:
        recorder.checks(*about, tuple(checked))
    checked.clear()


def trusted_hosts(provider: Provider) -> frozenset[str]:
    """The hosts that may be private; empty when any may, because the issuer itself is a private address."""
    endpoints = (getattr(provider, one.name) for one in fields(provider) if _is_endpoint(one.name))
    named = [provider.resource, provider.issuer, *endpoints]
    hosts = frozenset(urlsplit(url).hostname or "" for url in named if isinstance(url, str))
    if any(is_private_host(host) for host in hosts):
        return frozenset()
    return hosts | {urlsplit(issuer).hostname or "" for issuer in provider.claims_issuers}


def _is_endpoint(name: str) -> bool:
    return name.endswith("_endpoint") or name == "jwks_uri"
