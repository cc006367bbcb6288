"""The renewal of a token, as decisions: when, by whom, and what an answer or its absence means. Pure.

Many processes may share one session, and most providers give a refresh token that is good for one use: who
presents it twice loses the login. So a process *claims* the token in the store before it presents it, by
compare-and-swap; the claim is the guard, a lock only saves work. The functions here decide each move:

    before_sending   the store was read again: adopt, wait, claim, or keep the token unpresented
    after_answer     tokens, a refusal, a clear no, or silence
    after_refusal    `invalid_grant`, and the store was read once more
    after_lost_swap  somebody wrote first while the answer was on its way

The sessions carry these moves out, and `authflow verify` walks every interleaving of several processes
through these very functions.

Rule 1: a token is renewed before it dies, each process at its own moment, never more than a fifth of its
        life too early.
Rule 2: only the provider's clear word (`invalid_grant`) makes a refresh token dead. Being offline, a 5xx, a
        wrong configuration: the session lives on and says why.
Rule 3: a refresh token that may be spent is never presented to a provider that answers reuse by ending the
        login (`rotation="strict"`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from .chart import LIVE, State
from .errors import (
    AuthflowError,
    ConfigurationError,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    OAuthError,
    Recovery,
    RedirectRefused,
    Sent,
    ServerError,
    ServiceUnavailable,
    UnauthorizedClient,
    UnsupportedGrantType,
)
from .records import SessionRecord, Token

if TYPE_CHECKING:
    from .providers.settings import Rotation

FOREVER: Final = float("inf")
LONGEST_PAUSE: Final = 300.0
SOONEST: Final = 30.0  # seconds after which a server may have its token renewed
REST: Final = 1.0  # seconds between two renewals that nobody asked for
PROMPT: Final = 20.0  # a second presentation within this time is most likely forgiven (RFC 9700 §4.14 leaves it open)


def renew_at(record: SessionRecord, jitter: float = 0.0) -> float:
    """When the present token should be renewed (seconds since the epoch); infinity if it never dies.

    The margin before the end is 10 % of the lifetime, between 30 s and 5 min, never more than a fifth of
    the lifetime. `jitter` (0 to 1) takes up to a fifth of the margin away, so that many processes do not
    come at once. A server's `refresh_in` wins, if it lets a tenth of the lifetime pass, or half a minute.
    """
    token = record.token
    if token is None or token.expires_at is None:
        return FOREVER
    if record.refresh_at is not None and record.refresh_at < token.expires_at:
        lifetime = _lifetime(token)
        return max(record.refresh_at, token.expires_at - lifetime + min(0.1 * lifetime, SOONEST))
    return renew_token_at(token, jitter)


def renew_ahead_at(record: SessionRecord, jitter: float = 0.0) -> float:
    """When the present token is renewed though nobody asks for it: as `renew_at`, and at most once a second, or a
    provider whose tokens are dead on arrival would be asked without end."""
    token = record.token
    if token is None or token.expires_at is None:
        return FOREVER
    return max(renew_at(record, jitter), token.expires_at - _lifetime(token) + REST)


def renew_token_at(token: Token, jitter: float = 0.0) -> float:
    """The same for any token, without what a record knows besides."""
    if token.expires_at is None:
        return FOREVER
    lifetime = _lifetime(token)
    margin = min(max(0.1 * lifetime, 30.0), 300.0, 0.2 * lifetime)
    return token.expires_at - margin * (1.0 - 0.2 * jitter)


def _lifetime(token: Token) -> float:
    return token.expires_in if token.expires_in and token.expires_in > 0 else 0.0


def is_alive(token: Token, now: float, min_ttl: float = 0.0) -> bool:
    """Whether it is good for at least `min_ttl` seconds."""
    return token.expires_at is None or token.expires_at - now > max(0.0, min_ttl)


def pause(failures: int, jitter: float, retry_after: float | None) -> float:
    """Seconds until the next try: full jitter over 1 s · 2ⁿ, at most 5 min; `Retry-After` is a floor, capped."""
    ceiling = min(LONGEST_PAUSE, 2.0 ** min(failures, 12))
    floor = 0.0 if retry_after is None else min(max(retry_after, 0.0), LONGEST_PAUSE)
    return max(floor, ceiling * jitter)


# ── before the request ───────────────────────────────────────────────────────────────────────────────


class View(NamedTuple):
    """What a process sees of a session after it has read the store again.

    `same`: it is still the login that was to be renewed (live, same epoch, same issuer and subject). `newer`: a
    later generation is stored. `held`: another process has claimed the token and its lease runs. `left`: seconds
    since a claim that never came to a clear end, None without one. `retries`: how often the token was presented
    again since.
    """

    same: bool
    newer: bool
    renewable: bool
    held: bool
    left: float | None
    retries: int
    token_lives: bool


class Move(StrEnum):
    """What a process does next."""

    LEAVE = "leave"  # the login is over, or another one's: nothing to renew
    ADOPT = "adopt"  # another process has renewed it
    WAIT = "wait"  # another process is renewing it
    CLAIM = "claim"  # write the claim; whoever wins the swap presents the token
    KEEP = "keep"  # the token may be spent and is not presented; the session lives while its access token does
    STORE = "store"  # write the new tokens
    RETRY = "retry"  # present the token once more, now
    DEFER = "defer"  # give up for now, with the claim cleared
    DEFER_CLAIMED = "defer_claimed"  # give up for now; the claim stays, the token may be spent
    REVOKE = "revoke"  # the refresh token is dead, and so is the access token
    DISCARD = "discard"  # the new tokens cannot be kept: revoke them


def view_of(record: SessionRecord, asked: SessionRecord, now: float, process: str) -> View:
    """The view of `process` on a stored `record`, for renewing what was `asked`."""
    claim = record.claim
    held = record.state is State.REFRESHING and record.refresher != process
    return View(
        same=record.state in LIVE
        and record.epoch == asked.epoch
        and (record.issuer, record.subject) == (asked.issuer, asked.subject),
        newer=record.generation > asked.generation,
        renewable=record.renewable,
        held=held and (record.deadline is None or now < record.deadline),
        left=None if claim is None else max(0.0, now - claim.at),
        retries=0 if claim is None else claim.retries,
        token_lives=record.expires_at is None or record.expires_at > now,
    )


def before_sending(view: View, policy: Rotation) -> Move:
    """The store was read: may this process present the refresh token? `CLAIM` says yes, if its swap wins."""
    if not view.same:
        return Move.LEAVE
    if view.newer:
        return Move.ADOPT
    if view.held:
        return Move.WAIT
    if not view.renewable:
        return Move.KEEP
    if view.left is None or policy == "none":
        return Move.CLAIM
    if policy == "strict":
        return Move.KEEP
    if view.retries == 0 and (policy == "grace" or view.left <= PROMPT):
        return Move.CLAIM
    # While the access token lives there is something to lose; once it is dead, asking can only help.
    return Move.KEEP if view.token_lives else Move.CLAIM


def is_final(policy: Rotation) -> bool:
    """Whether a `KEEP` is for good: no later look will present the token again."""
    return policy == "strict"


# ── after the request ────────────────────────────────────────────────────────────────────────────────


class Answer(StrEnum):
    """What came back."""

    TOKENS = "tokens"
    REFUSED = "refused"  # invalid_grant: the refresh token is dead
    NOT_PROCESSED = "not_processed"  # not sent, 429, 503 with Retry-After, an OAuth error: it was not used
    CONFIGURATION = "configuration"  # invalid_client and the like: renewing waits for the remedy
    SILENCE = "silence"  # cut off, a bare 5xx, garbage: the token may be used or not


_CONFIGURATION: Final = (
    InvalidClient,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    ConfigurationError,
    RedirectRefused,
)


def classify(error: AuthflowError) -> Answer:
    """What a failed token request tells about the refresh token (RFC 6749 §5.2, RFC 9110 §15.6)."""
    if isinstance(error, InvalidGrant):
        return Answer.REFUSED
    if isinstance(error, _CONFIGURATION):
        return Answer.CONFIGURATION
    if error.sent is Sent.NO:
        return Answer.NOT_PROCESSED
    ambiguous = isinstance(error, (ServerError, ServiceUnavailable)) and error.sent is Sent.UNKNOWN
    if isinstance(error, OAuthError) and not ambiguous:
        if error.recovery is Recovery.SIGN_IN_AGAIN:
            return Answer.REFUSED
        return Answer.CONFIGURATION if error.recovery is Recovery.FIX_CONFIGURATION else Answer.NOT_PROCESSED
    return Answer.SILENCE


def after_answer(answer: Answer, policy: Rotation, retries: int) -> Move:
    """The provider's answer, or none. `REFUSED` is judged by `after_refusal`, once the store was read again."""
    if answer is Answer.TOKENS:
        return Move.STORE
    if answer is not Answer.SILENCE or policy == "none":
        return Move.DEFER
    if policy != "strict" and retries == 0:
        return Move.RETRY
    return Move.DEFER_CLAIMED


def after_refusal(view: View) -> Move:
    """`invalid_grant`, and the store was read again: perhaps another process had won."""
    if not view.same:
        return Move.LEAVE
    if view.newer:
        return Move.ADOPT
    return Move.DEFER if view.token_lives else Move.REVOKE


def after_lost_swap(view: View) -> Move:
    """New tokens are here, but somebody wrote first. Only the login that they belong to may have them; once another
    process has renewed it, they are of the same grant, and revoking them would end what that one has."""
    if not view.same:
        return Move.DISCARD
    return Move.ADOPT if view.newer else Move.STORE
