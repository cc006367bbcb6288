"""The provider signs somebody out: by a token it sends to the application, or by a page in the human's browser.

    back-channel     token verified → remembered by its jti → the end written down → the sessions found → revoke
    front-channel    iss and sid checked → the sessions found → revoke

Rule: a token that fails a check changes nothing, and asks nothing of the provider but its keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec

from .. import flows
from ..chart import LIVE
from ..core import SessionCore
from ..effects import Do, Op, Tell
from ..errors import AuthflowError, Phase, ValidationFailed, printable
from ..events import AuthEvent
from ..house import House
from ..protocol.callback import read_parameters
from ..protocol.discovery import fits_template
from ..providers.base import Provider
from ..records import Key, SessionRecord
from ..stores import Conflict
from . import whose
from .data import ProviderLogout
from .ending import BACK_CHANNEL, revoke_for_provider
from .enrolling import enrolled_at, prepare
from .wire import reach

_JTI: Final = "jti/"
FRONT_CHANNEL: Final = "front_channel_logout"


def back_channel_logout(house: House, logout_token: object) -> Op[ProviderLogout]:
    """OpenID Connect Back-Channel Logout 1.0 §2.5–§2.7: ends the sessions that a logout token names.

    Raises `ValidationFailed`, `WireError` or `ProviderError` when the provider's keys cannot be had, `StoreError`.
    """
    from ..protocol.logout_token import BELIEVED_SECONDS, addressees

    iss, audiences = addressees(logout_token)
    try:
        addressed = [one for one in (yield from _candidates(house, iss)) if one.client_id in audiences]
        if not addressed:
            raise ValidationFailed(
                "The logout token is not meant for this client.", check="aud", hint="Check client_id."
            )
        s = house.find(Key("", addressed[0].name, ""))  # to ask in its name
        metadata = yield from prepare(s, issuer=iss)
        provider, now = s.provider, s._run.ledger.now()
        said = yield from reach(s, flows.logout_claims(provider, metadata, house.directory, logout_token, now=now))
    except AuthflowError as error:
        error.add_facts(phase=Phase.LOGOUT)
        raise

    jti = _JTI + hashlib.sha256(msgspec.json.encode([said.issuer, said.jti])).hexdigest()
    kept = BELIEVED_SECONDS + 2 * provider.leeway
    used = yield Do(partial(house.store.swap, jti, 0, b"1", kept), house.store.blocking)
    if isinstance(used, Conflict):
        raise ValidationFailed(
            "This logout token was used before.",
            check="jti",
            hint="It was carried out then; nothing is left to do.",
            phase=Phase.LOGOUT,
        )
    try:
        # A sid names one session; a sub alone all of them.
        names = _names(addressed, said.issuer, None if said.sid else said.sub, said.sid)
        yield Do(partial(whose.mark_ended, house, names, now), house.store.blocking)
        meant = partial(_is_meant, addressed, said.issuer, said.sub, said.sid)
        ended = yield from _end_sessions(house, provider, names, meant, BACK_CHANNEL)
    except BaseException:
        yield Do(partial(house.store.swap, jti, used, None), house.store.blocking)  # the provider may send it again
        raise
    return ended


def front_channel_logout(house: House, request: str | Mapping[str, Any]) -> Op[ProviderLogout]:
    """OpenID Connect Front-Channel Logout 1.0 §3: ends the sessions that the provider calls `sid`.

    Raises `CallbackRejected` for a request that cannot be read, `ValidationFailed` for one without `iss` and `sid`,
    or of an issuer that is not configured.
    """
    params = read_parameters(request, ("iss", "sid"))
    iss, sid = params.get("iss"), params.get("sid")
    if not iss or not sid:
        raise ValidationFailed(
            "A front-channel logout must name iss and sid.",
            check="sid",
            hint="Register the client with frontchannel_logout_session_required.",
            phase=Phase.LOGOUT,
        )
    candidates = yield from _candidates(house, iss)  # it does not say which client it means: a sid is one session
    meant = partial(_is_meant, candidates, iss, None, sid)
    names = _names(candidates, iss, None, sid)
    return (yield from _end_sessions(house, candidates[0], names, meant, FRONT_CHANNEL))


def _candidates(house: House, iss: str) -> Op[list[Provider]]:
    """The providers that an issuer may be, by its own name: as they were configured, or became at that issuer."""
    found = []
    for one in house.providers.values():
        known = (yield Do(partial(enrolled_at, house, one, iss), house.store.blocking)) if one.enrols else None
        if one.openid and (known is not None or _is_issuer(one, iss)):
            found.append(known or one)
    if not found:
        raise ValidationFailed(
            "The logout comes from an issuer that is not configured here.",
            check="iss",
            hint=f"It says {printable(iss, 200)!r}.",
            phase=Phase.LOGOUT,
        )
    return found


def _is_issuer(provider: Provider, iss: str) -> bool:
    template = provider.issuer_claim_template
    return iss == provider.issuer or (template is not None and fits_template(template, iss))


def _names(providers: Sequence[Provider], iss: str, sub: str | None, sid: str | None) -> list[str]:
    return [name for one in providers for name in whose.names_of(one.name, iss, sub, sid)]


def _is_meant(
    addressed: Sequence[Provider], issuer: str, sub: str | None, sid: str | None, key: Key, record: SessionRecord
) -> bool:
    return (
        any(one.name == key.provider for one in addressed)
        and record.issuer == issuer
        and (sub is None or record.subject == sub)
        and (sid is None or whose.sid_of(record.claims) == sid)
    )


def _end_sessions(
    house: House, provider: Provider, names: Sequence[str], meant: whose.Meant, reason: str
) -> Op[ProviderLogout]:
    # Without an index every session is looked at: not on a loop.
    keys = yield Do(partial(whose.sessions_named, house, names, meant), blocking=True)
    ended = []
    for key in keys:
        s = house.find(key)
        event = yield Do(partial(_revoke, s, meant, reason), house.store.blocking)
        if event is not None:
            ended.append(key)
        yield Tell(s._outbox)
    return ProviderLogout(provider=provider.name, ended=tuple(ended))


def _revoke(s: SessionCore, meant: whose.Meant, reason: str) -> AuthEvent | None:
    """Ends one session, if it is still meant."""
    ledger = s._run.ledger
    ledger.catch_up()
    record = ledger.record
    if record.state not in LIVE or not meant(s.key, record):
        return None
    return revoke_for_provider(s, reason)
