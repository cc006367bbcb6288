"""Signing out: local first, then the provider.

Rule: after the fence no call returns a token of the session, whatever the store or the provider answers.
"""

from __future__ import annotations

import secrets
from functools import partial
from inspect import iscoroutinefunction
from typing import Final

from msgspec.structs import replace

from .. import flows
from ..chart import Trigger
from ..core import SessionCore
from ..effects import Do, Op, Own, Tell
from ..engine import Facts
from ..errors import (
    AuthflowError,
    ErrorInfo,
    InvalidTransition,
    ManagerClosed,
    Recovery,
    StoreError,
)
from ..events import AuthEvent
from ..protocol.messages import ServerMetadata
from ..protocol.step import Call
from ..records import SessionRecord, Token
from . import whose
from .data import LogoutResult
from .ending import cancel
from .enrolling import prepare
from .parting import remember_parting
from .wire import reach

LOGOUT_SECONDS: Final = 10.0
_LATER: Final = frozenset({Recovery.WAIT_ONLINE, Recovery.RETRY_AT})  # the provider was not there


def sign_out(
    s: SessionCore, *, revoke: bool, end_session: bool, post_logout_redirect_uri: str | None = None
) -> Op[LogoutResult]:
    """Local first: fence, signals, tombstone; then the provider, each step for itself, 10 s in all."""
    house, ledger = s._house, s._run.ledger
    yield Do(ledger.load, house.store.blocking)
    cancelled = yield from cancel(s, reason="logout")
    ledger.spares = not revoke
    ended = ledger.record
    there = partial(_sign_out_there, s, cancelled, revoke, end_session, post_logout_redirect_uri)
    try:
        ended = ledger.fence(Trigger.LOGOUT, Facts(now=ledger.now(), reason="user", revocation_due=revoke))
        yield Tell(s._outbox)
    except InvalidTransition:
        return LogoutResult(signed_out=False, cancelled_login=cancelled)
    except BaseException:
        if ledger.record.epoch != ended.epoch:  # the fence stands: Ctrl-C came amid what follows it
            house.shell.launch(str(s.key), there(ended))
        raise
    try:
        result: LogoutResult = yield Own(there(ended))
    except ManagerClosed as error:  # by a receiver of on_logout
        return LogoutResult(True, cancelled, ledger.persist(), errors=(error.info,))
    return result


def _sign_out_there(
    s: SessionCore,
    cancelled: bool,
    revoke: bool,
    end_session: bool,
    post_logout_redirect_uri: str | None,
    ended: SessionRecord,
) -> Op[LogoutResult]:
    """The tombstone, and the provider's part. Whoever waits may leave: what began goes on."""
    house, ledger = s._house, s._run.ledger
    persisted = yield Do(ledger.persist, house.store.blocking)
    yield Do(partial(whose.leave_quietly, house, s.key, ended), house.store.blocking)
    orphans, ledger.orphans = ledger.orphans, ()
    held = [token for token in (ended.token, *(one.token for one in ended.further), *orphans) if token is not None]

    revoked: dict[str, bool] = {}
    errors: list[ErrorInfo] = []
    until = ledger.now() + LOGOUT_SECONDS
    try:
        metadata = yield from prepare(s, until)
    except AuthflowError as error:
        return LogoutResult(True, cancelled, persisted, revoked, errors=(error.info,))
    if revoke:
        for one in held:
            yield from _revoke_all(s, metadata, one, until, revoked, errors)
        yield from _tell_revoked(s, errors)
    url = None
    if end_session:
        afterwards, state = post_logout_redirect_uri or s.provider.post_logout_redirect_uri, secrets.token_urlsafe(16)
        url = s.provider.build_end_session_url(
            metadata,
            id_token_hint=None if ended.token is None else ended.token.id_token,
            post_logout_redirect_uri=afterwards,
            state=state,
        )
        if url is not None and afterwards is not None:
            try:
                remember = partial(remember_parting, house, state, s.key, afterwards)
                yield Do(remember, house.store.blocking)
            except StoreError as error:
                errors.append(error.info)
    opened = False
    if url is not None and s._show is not None:
        try:
            yield Call(partial(s._show, url), blocking=not iscoroutinefunction(s._show))
            opened = True
        except Exception as error:
            errors.append(_remote(error, "The provider's own logout page could not be opened."))
    return LogoutResult(True, cancelled, persisted, revoked, url, opened, tuple(errors))


def _tell_revoked(s: SessionCore, errors: list[ErrorInfo]) -> Op[None]:
    """The tombstone need not keep the tokens any more, unless they can still be revoked when the provider is there
    again. That it cannot be written costs one revocation later."""
    if any(error.recovery in _LATER for error in errors):
        return
    yield Do(partial(_drop_unrevoked, s), s._house.store.blocking)


def _drop_unrevoked(s: SessionCore) -> None:
    try:
        s._run.ledger.annotate(lambda record: replace(record, unrevoked=None))
    except StoreError:
        return


def finish_logout(s: SessionCore) -> Op[None]:
    """A logout whose process died on its way to the provider, or did not reach it: its tokens are revoked now."""
    ledger = s._run.ledger
    left = ledger.record.unrevoked
    if left is None or ledger.now() < ledger.record.since + LOGOUT_SECONDS + 5.0:
        return
    try:
        metadata = yield from prepare(s)
    except AuthflowError:
        return
    errors: list[ErrorInfo] = []
    yield from _revoke_all(s, metadata, left, ledger.now() + LOGOUT_SECONDS, {}, errors)
    yield from _tell_revoked(s, errors)


def _revoke_all(
    s: SessionCore,
    metadata: ServerMetadata,
    held: Token,
    until: float,
    revoked: dict[str, bool],
    errors: list[ErrorInfo],
) -> Op[None]:
    """RFC 7009: the refresh token first (most providers end its access tokens with it)."""
    for hint, value in (("refresh_token", held.refresh_token), ("access_token", held.access_token)):
        if value is None:
            continue
        try:
            done = yield from reach(s, flows.revoke(s.provider, metadata, token=value, token_type_hint=hint), until)
        except AuthflowError as error:
            errors.append(error.info)
            done = False
        revoked[hint] = revoked.get(hint, True) and done


def discard(s: SessionCore, metadata: ServerMetadata, unwanted: Token) -> Op[None]:
    """Tokens that will not be kept are revoked; that this fails changes nothing any more."""
    until = s._run.ledger.now() + LOGOUT_SECONDS
    yield from _revoke_all(s, metadata, unwanted, until, {}, [])


def revoke_orphans(s: SessionCore) -> Op[None]:
    """Tokens that another process stored for a login that this one has ended or replaced are revoked."""
    orphans, s._run.ledger.orphans = s._run.ledger.orphans, ()
    try:
        metadata = yield from prepare(s)
    except AuthflowError:
        return
    for token in orphans:
        yield from discard(s, metadata, token)


def forget(s: SessionCore) -> Op[AuthEvent]:
    """Drops what is left of a session that has ended."""
    facts = Facts(now=s._run.ledger.now())
    event: AuthEvent = yield Do(partial(s._run.ledger.commit, Trigger.FORGET, facts), s._house.store.blocking)
    yield Tell(s._outbox)
    return event


def _remote(error: Exception, said: str) -> ErrorInfo:
    return error.info if isinstance(error, AuthflowError) else ErrorInfo(code="logout_incomplete", message=said)
