"""The decisions of a trace once more: by the engine and by `renewal.py`, at the times that the trace tells.

A trace holds what each transition and each decision was made from. Whether this version of authflow makes the same of
it is what a replay says; where it does not, the divergence. Nothing is sent and no clock is asked: time is the trace's.

Rule: each step is replayed from what the trace says was before it, so that one divergence does not make others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from .. import engine, renewal
from ..chart import CHART, State, Trigger
from ..diagrams.arrows import edges
from ..engine import Facts, Tokens
from ..errors import AuthflowError, ErrorInfo
from ..events import Origin
from ..observing import observe
from ..records import Claim, Key, PendingRef, SessionRecord, Token
from .redact import Redactor
from .shapes import shape_of
from .story import Decision, Dropped, Given, Shape, Step, Story, Trace, Transition

_TEXTS: Final = Redactor(b"replay")
_VIEW: Final = renewal.View._fields
_KNOWN: Final = frozenset(edges(CHART))


class Divergence(NamedTuple):
    """Where a replay came to something else: the story, the number of the step from 1, what, and both outcomes."""

    story: str
    step: int
    what: str
    told: str
    replayed: str

    def __str__(self) -> str:
        return f"story {self.story}, step {self.step}: {self.what} was {self.told}, and is now {self.replayed}"


def replay(trace: Trace) -> list[Divergence]:
    """What comes out otherwise than the trace tells; empty when all is the same."""
    return [found for story in trace.stories for found in _replay_story(story)]


def count(trace: Trace) -> int:
    """How many steps a replay decides again."""
    return sum(_tells_enough(step) is True for story in trace.stories for step in story.steps)


def count_untold(trace: Trace) -> int:
    """How many steps tell too little to be decided again."""
    return sum(_tells_enough(step) is False for story in trace.stories for step in story.steps)


def _tells_enough(step: Step) -> bool | None:
    """Whether a step that was decided tells from what; None for one that was not decided: a call, a check, a wait."""
    if isinstance(step, Transition):
        return step.given is not None and step.after is not None
    if isinstance(step, Dropped):
        return step.given is not None and (step.given.epoch, step.given.attempt) != (None, None)
    return True if isinstance(step, Decision) else None


def _replay_story(story: Story) -> Iterator[Divergence]:
    shape = Shape()
    for number, step in enumerate(story.steps, 1):
        found: Iterator[tuple[str, object, object]] = iter(())
        if isinstance(step, Decision):
            found = _decide(step)
        elif isinstance(step, Dropped):
            found = _drop(step, step.before or shape)
        elif isinstance(step, Transition):
            found = _move(step, step.before or shape)
            shape = step.after or shape
        for what, told, replayed in found:
            yield Divergence(story.id, number, what, str(told), str(replayed))


def _move(step: Transition, before: Shape) -> Iterator[tuple[str, object, object]]:
    if step.given is None or step.after is None:
        if (step.source, step.trigger, step.target) not in _KNOWN:
            yield "the way", f"{step.source} → {step.target} by {step.trigger}", "not on the chart"
        return
    try:
        trigger, origin = Trigger(step.trigger), Origin(step.origin)
        record, facts = record_of(before), _facts_of(step, step.given, origin)
        planned = engine.step(Key("", "trace", ""), record, trigger, facts)
    except (AuthflowError, ValueError) as error:
        yield f"{step.trigger} from {step.source}", step.target, f"refused: {type(error).__name__}"
        return
    if planned.event.target != step.target or planned.event.source != step.source:
        yield "the way", f"{step.source} → {step.target}", f"{planned.event.source} → {planned.event.target}"
    if origin is Origin.OTHER_PROCESS and facts.record is not None:
        seen = [one.trigger.value for one in observe(record, facts.record, facts.now)]
        if step.trigger not in seen:
            yield "what is made of another process's record", step.trigger, ", ".join(seen) or "nothing"
    if origin is Origin.CLOCK and trigger is Trigger.TIME_OUT and engine.due(record, facts.now) is None:
        yield "what the clock demands", step.trigger, "nothing"
    after = msgspec.structs.replace(shape_of(planned.record, _TEXTS), who=step.after.who)
    for name in Shape.__struct_fields__:
        if getattr(after, name) != getattr(step.after, name):
            yield f"{name} after {step.trigger}", getattr(step.after, name), getattr(after, name)


def _drop(step: Dropped, before: Shape) -> Iterator[tuple[str, object, object]]:
    """What came too late for the login it belonged to does so again. (Of what only its caller judged, nothing is
    known: it may well be possible.)"""
    given = step.given
    if given is None or not _tells_enough(step):
        return
    told = Transition(step.at, step.trigger, step.state, step.state, origin=step.origin)
    same = given.epoch in (None, before.epoch) and given.generation in (None, before.generation)
    try:
        facts = _facts_of(told, given, Origin(step.origin))
        engine.step(Key("", "trace", ""), record_of(before), Trigger(step.trigger), facts)
    except (AuthflowError, ValueError):
        return
    if not same:
        yield f"{step.trigger} in {step.state}", "dropped", "taken"


def _decide(step: Decision) -> Iterator[tuple[str, object, object]]:
    facts: dict[str, Any] = dict(step.facts)
    rotation = facts.pop("rotation", "unknown")
    try:
        if step.question == "after_answer":
            move = renewal.after_answer(renewal.Answer(facts["answer"]), rotation, facts["retries"])
        else:
            view = renewal.View(**{name: facts[name] for name in _VIEW})
            asked = {"after_refusal": renewal.after_refusal, "after_lost_swap": renewal.after_lost_swap}
            move = asked[step.question](view) if step.question in asked else renewal.before_sending(view, rotation)
    except (KeyError, ValueError, TypeError) as error:
        yield step.question, step.move, f"not decided: {type(error).__name__}"
        return
    if move.value != step.move:
        yield step.question, step.move, move.value


# ── a shape as a record again, with tokens that open nothing ─────────────────────────────────────────


def record_of(shape: Shape) -> SessionRecord:
    """A record that has this shape."""
    return SessionRecord(
        state=State(shape.state),
        since=shape.since,
        epoch=shape.epoch,
        generation=shape.generation,
        issuer=shape.who and "issuer",
        subject=shape.who,
        token=_token_of(shape),
        pending=tuple(PendingRef(attempt, "", deadline) for attempt, deadline in shape.pending),
        attempt=shape.attempt,
        deadline=shape.deadline,
        signed_in_at=shape.signed_in_at,
        refreshed_at=shape.refreshed_at,
        refresh_at=shape.refresh_at,
        retry_at=shape.retry_at,
        failures=shape.failures,
        reauth_required=shape.reauth_required,
        refresher=shape.refresher,
        claim=_claim_of(shape.claim),
        reason=shape.reason,
        recoverable=shape.recoverable,
        error=_error_of(shape.error),
    )


def _token_of(shape: Shape) -> Token | None:
    if not shape.has_token:
        return None
    return Token(
        "token",
        expires_in=shape.expires_in,
        expires_at=shape.expires_at,
        refresh_token="token" if shape.has_refresh_token else None,
    )


def _claim_of(claim: tuple[float, int] | None) -> Claim | None:
    return None if claim is None else Claim(*claim)


def _error_of(code: str | None) -> ErrorInfo | None:
    return None if code is None else ErrorInfo(code, code)


def _facts_of(step: Transition, given: Given, origin: Origin) -> Facts:
    tokens = None
    if given.tokens is not None:
        tokens = Tokens(
            token=_token_of(given.tokens) or Token("token"),
            issuer=given.tokens.who and "issuer",
            subject=given.tokens.who,
            refresh_at=given.tokens.refresh_at,
            warning=_error_of(given.tokens.error),
        )
    return Facts(
        now=given.now,
        origin=origin,
        reason=step.reason,
        recoverable=step.recoverable,
        error=step.error,
        epoch=given.epoch,
        generation=given.generation,
        attempt=given.attempt,
        deadline=given.deadline,
        pending=None if given.pending is None else PendingRef(given.pending[0], "", given.pending[1]),
        tokens=tokens,
        retry_at=given.retry_at,
        reauth_required=given.reauth_required,
        refresher=given.refresher,
        claim=_claim_of(given.claim),
        revocation_due=given.revocation_due,
        signed_in_at=given.signed_in_at,
        record=None if given.stored is None else record_of(given.stored),
    )
