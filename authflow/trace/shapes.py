"""A record and an engine's facts, as a trace may keep them: everything that decides, nothing that opens a door."""

from __future__ import annotations

from ..engine import Facts, Tokens
from ..records import SessionRecord
from .redact import Redactor
from .story import Given, Shape


def shape_of(record: SessionRecord, redact: Redactor) -> Shape:
    """What a session is, without its secrets."""
    token, claim, error = record.token, record.claim, record.error
    return Shape(
        state=record.state._value_,
        since=record.since,
        epoch=record.epoch,
        generation=record.generation,
        attempt=record.attempt,
        pending=tuple([(ref.attempt, ref.deadline) for ref in record.pending]),
        deadline=record.deadline,
        who=who(record.issuer, record.subject, redact),
        has_token=token is not None,
        has_refresh_token=token is not None and token.refresh_token is not None,
        expires_in=None if token is None else token.expires_in,
        expires_at=None if token is None else token.expires_at,
        refresh_at=record.refresh_at,
        retry_at=record.retry_at,
        failures=record.failures,
        reauth_required=record.reauth_required,
        refresher=record.refresher,
        claim=None if claim is None else (claim.at, claim.retries),
        signed_in_at=record.signed_in_at,
        refreshed_at=record.refreshed_at,
        reason=record.reason,
        recoverable=record.recoverable,
        error=None if error is None else error.code,
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
    return Given(
        now=facts.now,
        epoch=facts.epoch,
        generation=facts.generation,
        attempt=facts.attempt,
        deadline=facts.deadline,
        pending=None if facts.pending is None else (facts.pending.attempt, facts.pending.deadline),
        tokens=None if facts.tokens is None else shape_of_tokens(facts.tokens, redact),
        retry_at=facts.retry_at,
        reauth_required=facts.reauth_required,
        refresher=facts.refresher,
        claim=None if facts.claim is None else (facts.claim.at, facts.claim.retries),
        revocation_due=facts.revocation_due,
        signed_in_at=facts.signed_in_at,
        stored=None if facts.record is None else shape_of(facts.record, redact),
    )


def who(issuer: str, subject: str, redact: Redactor) -> str:
    """A keyed hash of whose login it is, so that another human's can be told from it."""
    return redact.digest(f"{issuer} {subject}") if subject else ""
