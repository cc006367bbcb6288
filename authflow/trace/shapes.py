"""A record and an engine's facts, as a trace may keep them: everything that decides, nothing that opens a door."""

from __future__ import annotations

from ..engine import Facts, Tokens
from ..records import SessionRecord
from .redact import Redactor
from .story import Given, Shape


def shape_of(record: SessionRecord, redact: Redactor) -> Shape:
    """What a session is, without its secrets. (In a Shape's own order: names would double what it costs.) From then on
    texts do not name whose it is."""
    redact.about(record.claims, record.profile)
    token, claim, error = record.token, record.claim, record.error
    return Shape(
        record.state._value_,
        record.since,
        record.epoch,
        record.generation,
        record.attempt,
        tuple([(ref.attempt, ref.deadline) for ref in record.pending]),
        record.deadline,
        who(record.issuer, record.subject, redact),
        token is not None,
        token is not None and token.refresh_token is not None,
        None if token is None else token.expires_in,
        None if token is None else token.expires_at,
        record.refresh_at,
        record.retry_at,
        record.failures,
        record.reauth_required,
        record.refresher,
        None if claim is None else (claim.at, claim.retries),
        record.signed_in_at,
        record.refreshed_at,
        record.reason,
        record.recoverable,
        None if error is None else error.code,
    )


def shape_of_tokens(tokens: Tokens, redact: Redactor) -> Shape:
    """What came with a login or a renewal."""
    token = tokens.token
    return Shape(
        who=who(tokens.issuer, tokens.subject, redact),
        has_token=True,
        has_refresh_token=token.refresh_token is not None,
        expires_in=token.expires_in,
        expires_at=token.expires_at,
        refresh_at=tokens.refresh_at,
        error=None if tokens.warning is None else tokens.warning.code,
    )


def given_of(facts: Facts, redact: Redactor) -> Given:
    """What a trigger brought."""
    pending, tokens, claim, stored = facts.pending, facts.tokens, facts.claim, facts.record
    return Given(
        facts.now,
        facts.epoch,
        facts.generation,
        facts.attempt,
        facts.deadline,
        None if pending is None else (pending.attempt, pending.deadline),
        None if tokens is None else shape_of_tokens(tokens, redact),
        facts.retry_at,
        facts.reauth_required,
        facts.refresher,
        None if claim is None else (claim.at, claim.retries),
        facts.revocation_due,
        facts.signed_in_at,
        None if stored is None else shape_of(stored, redact),
    )


def who(issuer: str, subject: str, redact: Redactor) -> str:
    """A keyed hash of whose login it is, so that another human's can be told from it."""
    return redact.digest(f"{issuer} {subject}") if subject else ""
