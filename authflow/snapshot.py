"""A session as plain data, for a dashboard. No token: a fingerprint of it, and what is known about it."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .engine import next_deadline
from .errors import AuthflowError, ErrorInfo
from .explaining import explain
from .reading import ReadableSession
from .records import decode_profile


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
        "failures": record.failures,
        "refreshed_here": None if record.refresher is None else record.refresher == session._house.process,
        "scopes": list(granted),
        "scopes_missing": [] if token is None else list(session.provider.missing_scopes(record.scope, granted)),
        "epoch": record.epoch,
        "generation": record.generation,
        "revision": session._run.ledger.version,
        "store": type(session._house.store).__name__,
        "saved": session._run.ledger.unsaved is None,
        "reason": record.reason,
        "recoverable": record.recoverable,
        "error": None if error_now is None else msgspec.to_builtins(error_now),
        "explanation": explain(record, session.provider, session._run.ledger.now(), session._renewal()),
    }
