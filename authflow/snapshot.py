"""A session as plain data, for a dashboard. No token: a fingerprint of it, and what is known about it."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

import msgspec

from . import renewal
from .chart import LIVE, State
from .engine import next_deadline
from .errors import AuthflowError, ErrorInfo
from .explaining import explain
from .reading import ReadableSession
from .records import SessionRecord, decode_profile, unpack_json


def snapshot_of(session: ReadableSession) -> dict[str, Any]:
    """One session as plain data (JSON types only)."""
    trouble: ErrorInfo | None = None
    try:
        record = session._settled()
    except AuthflowError as error:
        record, trouble = session._run.record, error.info
    error_now = trouble or record.error
    user = decode_profile(record.profile)
    token = record.token
    issuer = session.provider.issuer or session.provider.authorization_endpoint or ""
    granted = () if token is None else token.scope
    return {
        "owner": session.owner,
        "provider": session.provider.name,
        "label": session.provider.label,
        "issuer": urlsplit(issuer).hostname or "",
        "account": session.account,
        "state": record.state.value,
        "attempt": None if session.attempt is None else session.attempt.state.value,
        "since": record.since,
        "live": record.state.live,
        "deadline": next_deadline(record),
        "user": None if user is None else user.name or user.id,
        "fingerprint": None if token is None else hashlib.sha256(token.access_token.encode()).hexdigest()[:8],
        "token_type": None if token is None else token.token_type,
        "expires_at": record.expires_at,
        "lifetime": None if token is None else token.expires_in,
        "renewable": record.renewable,
        "signed_in_at": record.signed_in_at,
        "refreshed_at": record.refreshed_at,
        "retry_at": record.retry_at,
        "renews_at": _renews_at(session, record),
        "renewed_ahead": session._house.fresh_ahead,
        "failures": record.failures,
        "refreshed_here": None if record.refresher is None else record.refresher == session._house.process,
        "scopes": list(granted),
        "scopes_missing": [] if token is None else list(session.provider.missing_scopes(record.scope, granted)),
        "epoch": record.epoch,
        "generation": record.generation,
        "revision": session._run.ledger.version,
        "clock_skew": _clock_skew(record),
        "store": type(session._house.store).__name__,
        "saved": session._run.ledger.unsaved is None,
        "reason": record.reason,
        "recoverable": record.recoverable,
        "error": None if error_now is None else msgspec.to_builtins(error_now),
        "explanation": _explanation(session, record, trouble),
    }


def _explanation(session: ReadableSession, record: SessionRecord, trouble: ErrorInfo | None) -> str:
    """`session.explain()`; of what cannot be read, that and why: nobody knows then that nobody is signed in."""
    if trouble is not None and record.state is State.IDLE:
        return f"{session.provider.label}: the stored session cannot be read: {trouble.message}"
    return explain(record, session.provider, session._run.ledger.now(), session._renewal())


def _renews_at(session: ReadableSession, record: SessionRecord) -> float | None:
    """From when on whoever asks for the token has it renewed; None: never."""
    if record.state not in LIVE or not record.renewable:
        return None
    due = max(renewal.renew_at(record, session._jitter), record.retry_at or 0.0)
    return None if due == renewal.FOREVER else due


def _clock_skew(record: SessionRecord) -> float | None:
    """Seconds that the provider's clock is ahead of this machine's, by when its last ID token says that it was issued;
    None: there is none."""
    if record.claims is None or record.state not in LIVE:
        return None
    issued = unpack_json(record.claims, dict[str, Any], "claims").get("iat")
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        return None
    off = sorted((float(issued - at) for at in (record.signed_in_at, record.refreshed_at) if at is not None), key=abs)
    return round(off[0], 1) if off else None
