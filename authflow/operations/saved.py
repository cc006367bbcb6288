"""Sessions that come back: from a dump, from a saved token, from the store.

Rule 1: renewed and validated first, then `restore`. What cannot be validated changes nothing.
Rule 2: one at a time, which belongs to the manager. Whoever brings the same saved session meanwhile waits for that
        one: its refresh token is presented once, and whoever waits may be cancelled.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec.structs import replace

from .. import flows
from ..chart import LIVE, Trigger
from ..core import Restoring, SessionCore
from ..effects import Delivered, Do, Join, Op, Tell
from ..engine import Facts
from ..errors import (
    AuthflowError,
    InvalidCall,
    InvalidGrant,
    OAuthError,
    Phase,
    SealingKeyRequired,
    SignInRequired,
)
from ..events import AuthEvent
from ..protocol.dpop import Binding
from ..protocol.messages import Granted, ServerMetadata
from ..records import Profile, Token, unpack
from ..sealing import Sealer, is_sealed
from . import whose
from .callback import tokens_of
from .data import LoginOptions, Saved
from .ending import end_if_ended_there, sign_in_required
from .enrolling import prepare
from .flight import locked
from .renewing import lives, refresh
from .runs import already, in_progress
from .signing_in import requested_scope
from .signing_out import discard, finish_logout
from .storing import stored
from .wire import reach

if TYPE_CHECKING:
    from ..effects import Flight


def restore(s: SessionCore, saved: str | Token, options: LoginOptions) -> Op[AuthEvent | None]:
    """A saved session: opened, renewed and the user fetched where that is needed, then `restore`. None: another
    process did it meanwhile."""
    yield Do(s._run.ledger.load, s._house.store.blocking)
    if s._run.record.state in LIVE and s._restoring is None:
        raise already(s)
    kept = _open_saved(s, saved)
    _check_age(s, kept)
    _check_key(kept)
    restoring = _launch(s, kept, options)
    try:
        event: AuthEvent | None = yield Join(restoring.flight)
        yield Tell(s._outbox)
    except OAuthError as error:
        if not _is_dead(error):
            raise
        raise SignInRequired(
            "The provider does not accept the saved session any more.",
            hint="Sign in again.",
            phase=error.phase,
            error=error.error,
            error_description=error.error_description,
        ) from error
    except AuthflowError:
        raise
    except BaseException:
        restoring.left.append(True)
        s._outbox.hand_over()
        raise
    if event is not None:
        yield Delivered(s._outbox, event.seq)  # whoever tells it
    return event


def _launch(s: SessionCore, kept: Saved, options: LoginOptions) -> Restoring:
    """The way back of this very session that is under way, begun now if there is none. Raises `LoginInProgress`,
    `AlreadyAuthenticated`."""
    with s._mutex:
        present = s._restoring
        if present is not None and present.kept == kept and not present.flight.done:
            return present
        if (busy := in_progress(s)) is not None:
            raise busy
        if s._run.record.state in LIVE:
            raise already(s)
        left: list[bool] = []

        def keep(flight: Flight[AuthEvent | None]) -> None:
            s._restoring = Restoring(kept, flight, left)

        try:
            s._house.shell.launch(str(s.key), _fly(s, kept, options, left), keep)
        except BaseException:
            left.append(True)
            raise
        return cast(Restoring, s._restoring)


def _fly(s: SessionCore, kept: Saved, options: LoginOptions, left: list[bool]) -> Op[AuthEvent | None]:
    try:
        return (yield from locked(s, _bring_back(s, kept, options)))
    finally:
        with s._mutex:
            s._restoring = None
        if left:
            s._outbox.hand_over()


def _is_dead(error: OAuthError) -> bool:
    """RFC 6750 §3.1, RFC 6749 §5.2: the access or refresh token is revoked, used up or expired."""
    return isinstance(error, InvalidGrant) or error.error == "invalid_token"


def _bring_back(s: SessionCore, kept: Saved, options: LoginOptions) -> Op[AuthEvent | None]:
    """Reads again, renews, completes, commits. None: another process was faster."""
    ledger = s._run.ledger
    yield Do(ledger.catch_up, s._house.store.blocking)
    record = ledger.record
    if record.state in LIVE:
        if kept.subject and (kept.issuer, kept.subject) == (record.issuer, record.subject):
            return None
        raise already(s)
    metadata = yield from prepare(s)
    granted = _kept_grant(kept)
    if kept.token.expires_at is not None and kept.token.expires_at <= ledger.now():
        granted = yield from _renew_saved(s, metadata, kept, options)
    try:
        try:
            return (yield from _commit_restored(s, metadata, kept, granted, options))
        except OAuthError as error:
            if granted.token is not kept.token or kept.token.refresh_token is None or not _is_dead(error):
                raise
            granted = yield from _renew_saved(s, metadata, kept, options)  # it ended before its time
            return (yield from _commit_restored(s, metadata, kept, granted, options))
    except AuthflowError:
        if granted.token is not kept.token:
            yield from discard(s, metadata, granted.token)
        raise


def _commit_restored(
    s: SessionCore, metadata: ServerMetadata, kept: Saved, granted: Granted, options: LoginOptions
) -> Op[AuthEvent]:
    house, ledger = s._house, s._run.ledger
    profile = granted.profile
    if options.fetch_user and profile is None and kept.profile is None:
        try:
            asking = flows.fetch_profile(
                s.provider,
                metadata,
                house.directory,
                token=granted.token,
                claims=granted.claims or {},
                now=ledger.now(),
                fetch_groups=options.fetch_groups,
                binding=Binding.of(kept.dpop_key, house.directory.nonces),
            )
            profile = yield from reach(s, asking)
        except flows.UNAVAILABLE as error:
            granted = replace(granted, warning=error.info)  # it only adds to the session, as at sign-in
    tokens = tokens_of(granted, ledger.now(), kept.dpop_key, profile=profile)
    tokens = replace(
        tokens,
        resource=kept.resource,
        issuer=tokens.issuer or metadata.issuer or s.provider.issuer or "",
        subject=tokens.subject or _subject(s, profile),
        claims=tokens.claims or kept.claims,
        profile=tokens.profile or kept.profile,
    )
    facts = Facts(
        now=ledger.now(),
        reason="saved_token",
        scope=kept.scope or requested_scope(s, options),
        fetch_user=options.fetch_user,
        fetch_groups=options.fetch_groups,
        signed_in_at=kept.signed_in_at,
        tokens=tokens,
    )
    since = facts.now if kept.signed_in_at is None else kept.signed_in_at
    names = whose.names_in(s.key.provider, tokens)  # the provider's logout must find it
    ended_at = yield from stored(s, partial(whose.enter, house, s.key, names))
    if ended_at is not None and ended_at >= since:
        raise SignInRequired(
            "The provider has signed this user out since.", hint="Sign in again.", check="sid", phase=Phase.VALIDATE
        )
    event = yield from stored(s, partial(ledger.commit, Trigger.RESTORE, facts))
    yield Do(partial(end_if_ended_there, s, names, since), house.store.blocking)
    return event


def _check_age(s: SessionCore, kept: Saved) -> None:
    """`session_lifetime` counts from the sign-in: a dump does not stretch it."""
    lifetime = s._house.session_lifetime
    if lifetime is None or kept.signed_in_at is None or s._run.ledger.now() < kept.signed_in_at + lifetime:
        return
    raise SignInRequired(
        "The saved session is older than session_lifetime allows.", hint="Sign in again.", phase=Phase.REFRESH
    )


def _check_key(kept: Saved) -> None:
    if kept.token.token_type == "DPoP" and kept.dpop_key is None:
        raise InvalidCall(
            "The saved token works only with the key that it is bound to (DPoP), which is not in it.",
            hint="Save such a session with dump(), which holds the key.",
        )


def restore_stored(s: SessionCore) -> Op[bool]:
    """What the store holds for this session, told as `restore`; renewed when its token has ended."""
    found = yield Do(partial(s._run.ledger.load, announce=True), s._house.store.blocking)
    yield Tell(s._outbox)
    if not found:
        yield from finish_logout(s)
    if found and s._run.record.renewable and not lives(s._run.record, s._run.ledger.now(), 0.0):
        yield from refresh(s)
    return bool(found)


def dump(s: SessionCore) -> Saved:
    """What of the present session is worth keeping. Raises `SignInRequired`."""
    record = s._settled()
    if record.token is None or record.state not in LIVE:
        raise sign_in_required(s)
    return Saved(
        token=record.token,
        issuer=record.issuer,
        subject=record.subject,
        resource=record.resource,
        dpop_key=record.dpop_key,
        claims=record.claims,
        profile=record.profile,
        scope=record.scope,
        signed_in_at=record.signed_in_at,
    )


def dump_token(s: SessionCore) -> Token:
    """The present token, for whoever keeps it without its session. Raises `InvalidCall` for one that is bound."""
    kept = dump(s)
    if kept.token.token_type == "DPoP":
        raise InvalidCall(
            "This session's token works only with the key that it is bound to (DPoP).",
            hint="Use dump(), which seals both.",
        )
    return kept.token


def seal(s: SessionCore) -> str:
    """`dump()` as sealed text, bound to provider and account."""
    data = msgspec.msgpack.encode(dump(s))
    return _sealer(s).seal(data, "session", s.provider.name, s.account)


def _open_saved(s: SessionCore, saved: str | Token) -> Saved:
    if isinstance(saved, Token):
        return Saved(token=saved)
    if not is_sealed(saved):
        try:
            return Saved(token=Token.from_json(saved))
        except ValueError as error:
            raise InvalidCall(f"The saved token cannot be read: {error}.", hint="Pass what dump() returned.") from None
    data = _sealer(s).open(saved, "session", s.provider.name, s.account)
    found = unpack(data, Saved)
    if found is None:
        raise InvalidCall("The saved session was written by another version of authflow.", hint="Sign in again.")
    return found


def _sealer(s: SessionCore) -> Sealer:
    if s._house.sealer is None:
        raise SealingKeyRequired(
            "A saved session is sealed, and this manager has no key.",
            hint="Pass SessionManager(…, sealing_key=key); make the key once with authflow.generate_key().",
        )
    return s._house.sealer


def _kept_grant(kept: Saved) -> Granted:
    claims = None if kept.claims is None else msgspec.json.decode(kept.claims, type=dict[str, Any])
    return Granted(token=kept.token, issuer=kept.issuer, subject=kept.subject, claims=claims)


def _renew_saved(s: SessionCore, metadata: ServerMetadata, kept: Saved, options: LoginOptions) -> Op[Granted]:
    if kept.token.refresh_token is None:
        raise SignInRequired(
            "The saved token has expired and cannot be renewed.",
            hint="Sign in again; ask for a refresh token (offline_access) to stay signed in.",
            phase=Phase.REFRESH,
        )
    try:
        granted: Granted = yield from reach(s, flows.refresh(
            s.provider,
            metadata,
            s._house.directory,
            token=kept.token,
            claims=_kept_grant(kept).claims,
            scope=kept.scope,
            resource=next(iter(kept.resource), None),
            now=s._run.ledger.now(),
            binding=Binding.of(kept.dpop_key, s._house.directory.nonces),
        ))
    except flows.TokensRefused as error:
        refused = error
    else:
        return granted
    # Out here: what is raised where `refused` was caught has it as its context, and with it the tokens.
    yield from discard(s, metadata, refused.token)
    raise refused.cause


def _subject(s: SessionCore, profile: Profile | None) -> str:
    if profile is None:
        return ""
    return str(profile.data.get("sub") or profile.id) if s.provider.openid else profile.id
