"""Asking the provider: about the session's own tokens, about itself, and whose somebody's address is."""

from __future__ import annotations

from typing import Literal

from .. import flows
from ..chart import LIVE
from ..core import SessionCore
from ..effects import Do, Op
from ..errors import InvalidCall
from ..http import PRIVATE
from ..protocol.introspection import Introspection
from ..protocol.messages import ServerMetadata
from ..protocol.webfinger import build_webfinger_request, read_webfinger_response
from .ending import sign_in_required
from .enrolling import prepare
from .wire import reach

TokenKind = Literal["access_token", "refresh_token"]


def introspect(s: SessionCore, kind: TokenKind, *, signed: bool) -> Op[Introspection]:
    """What the provider says of the present access or refresh token (RFC 7662). It changes nothing here."""
    house, ledger = s._house, s._run.ledger
    yield Do(ledger.load, house.store.blocking)
    record = s._run.record
    if record.state not in LIVE or record.token is None:
        raise sign_in_required(s)
    held = record.token.access_token if kind == "access_token" else record.token.refresh_token
    if kind not in ("access_token", "refresh_token") or not held:
        raise InvalidCall(f"This session has no {kind!r}.", hint='Ask about "access_token".')
    metadata = yield from prepare(s)
    asking = flows.introspect(
        s.provider, metadata, house.directory, token=held, token_type_hint=kind, signed=signed, now=ledger.now()
    )
    return (yield from reach(s, asking))


def discover(s: SessionCore) -> Op[ServerMetadata]:
    """The endpoints of the session's provider, asked for only if they are not known."""
    return (yield from prepare(s))


def find_issuer_by_webfinger(identifier: str, *, allow_insecure_loopback: bool) -> Op[str]:
    """The issuer of an address; no private address is asked."""
    request = build_webfinger_request(identifier, allow_insecure_loopback=allow_insecure_loopback)
    if request.url.scheme == "https":
        request.extensions[PRIVATE] = False
    response = yield request
    return read_webfinger_response(response, identifier, allow_insecure_loopback=allow_insecure_loopback)
