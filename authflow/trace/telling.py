"""One story while it is told: steps come in redacted, and the longest is bounded.

Rule: when there are too many steps, those in the middle go. How it began and how it ended stay.
"""

from __future__ import annotations

import itertools
import secrets
from typing import Final

import msgspec

from ..chart import State, Trigger
from ..engine import Step as Planned
from ..events import AuthEvent, Origin
from ..records import Key, unpack
from .redact import Redactor
from .shapes import given_of, shape_of
from .story import APPLICATION, MOST_STEPS, PROVIDER, Call, Check, Decision, Hop, Shape, Step, Story, Transition, Wait

MOST_CARRIED: Final = 32  # steps that travel in a pending record
LARGEST_CARRIED: Final = 16 * 1024  # bytes
GOES_ON: Final = frozenset({"authorize", "callback", "reject", "refresh", "forget"})
_numbers = itertools.count()  # stories that began in the same moment stay in order
_GRANTS: Final = {
    "authorization_code": "authorization code",
    "refresh_token": "refresh token",
    "urn:ietf:params:oauth:grant-type:device_code": "device code",
    "urn:openid:params:grant-type:ciba": "CIBA",
}


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """A story on its way to another process, with the key of its hashes: for a sealed record only."""

    story: Story
    key: bytes
    shape: Shape | None = None
    away: float | None = None


class Telling:
    """A story that goes on. Its recorder holds a lock while it calls."""

    __slots__ = (
        "about", "away", "began", "ended", "held", "id", "key", "kind", "label", "left_out", "mismatch", "number",
        "outcome", "process", "provider", "redact", "seen", "session", "shape", "since", "steps", "waiting",
    )  # fmt: skip

    def __init__(self, key: Key, about: str, kind: str, began: float, since: float, redact: Redactor) -> None:
        self.key = key
        self.about = about
        self.kind = kind
        self.began = began
        self.since = since  # monotonic seconds, when it began
        self.redact = redact
        self.id = secrets.token_hex(4)
        self.number = next(_numbers)
        self.steps: list[Step] = []
        self.left_out = 0
        self.outcome = ""
        self.ended: float | None = None  # monotonic seconds
        self.held = False  # a flight is at it: it ends with that
        self.seen = False  # only heard of from another process
        self.provider = key.provider
        self.label = self.session = self.process = ""
        self.shape: Shape | None = None
        self.away: float | None = None  # since when the human is away
        self.waiting: float | None = None  # since when another process is waited for
        self.mismatch: tuple[str, str, str, str] | None = None  # the check that did not hold: it, of what, two values

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────

    def add(self, step: Step) -> None:
        if len(self.steps) >= MOST_STEPS:
            middle = range(MOST_STEPS // 2, MOST_STEPS)
            at = next((at for at in middle if not isinstance(self.steps[at], Transition)), MOST_STEPS // 2)
            del self.steps[at]
            self.left_out += 1
        self.steps.append(step)

    def came_back(self, now: float) -> None:
        """The human is here again, or is not waited for any more."""
        away, self.away = self.away, None
        if away is not None and now > away:
            self.add(Wait(away, round(now - away, 6), "human"))

    def waited(self, now: float) -> None:
        """Another process is not waited for any more."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None and now > waiting:
            self.add(Wait(waiting, round(now - waiting, 6), "other_process"))

    def transition(self, event: AuthEvent, planned: Planned, now: float) -> None:
        trigger = event.trigger
        if trigger == Trigger.REJECT._value_ and self._last_trigger() == trigger:
            self.left_out += 1  # forged callbacks by the thousand are one
            return
        if trigger != Trigger.AUTHORIZE._value_ and trigger != Trigger.REJECT._value_:
            self.came_back(now)
        self.waited(now)
        if event.error is not None and event.error.check:
            self._failed_check(event, now)
        before, after = shape_of(planned.before, self.redact), shape_of(planned.record, self.redact)
        facts = planned.facts
        process = ""
        if event.origin == Origin.OTHER_PROCESS._value_:
            process = facts.refresher or (facts.record and facts.record.refresher) or "other"
        self.add(
            Transition(
                now,
                trigger,
                event.source,
                event.target,
                live=event.live,
                origin=event.origin,
                process=process,
                attempt=event.attempt,
                reason=event.reason,
                recoverable=event.recoverable,
                error=self.redact.error(event.error),
                given=given_of(facts, self.redact),
                before=None if before == self.shape else before,
                after=after,
            )
        )
        self.shape = after
        if trigger not in GOES_ON:
            self.outcome = trigger

    def _failed_check(self, event: AuthEvent, now: float) -> None:
        error = self.redact.error(event.error)
        if error is None or error.check is None:
            return
        of, expected, got = "callback" if event.source == State.AUTHORIZING._value_ else "", "", ""
        if self.mismatch is not None and self.mismatch[0] == error.check:
            _, of, expected, got = self.mismatch
        self.mismatch = None
        self.add(Check(now, error.check, False, of, expected, got, str(error)[:1000]))

    def _last_trigger(self) -> str:
        return next((step.trigger for step in reversed(self.steps) if isinstance(step, Transition)), "")

    # ── what goes out ────────────────────────────────────────────────────────────────────────────────

    def story(self) -> Story:
        return Story(
            id=self.id,
            kind=self.kind,
            provider=self.provider,
            began=self.began,
            label=self.label,
            host=self._host(),
            account=self.redact.person(self.key.account) if self.key.account else "",
            session=self.session,
            process=self.process,
            flow=self._flow(),
            outcome=self.outcome,
            with_identity=self.redact.with_identity,
            left_out=self.left_out,
            steps=tuple(self.steps),
        )

    def _host(self) -> str:
        hosts = [step.host for step in self.steps if isinstance(step, Call)]
        hosts += [step.host for step in self.steps if isinstance(step, Hop) and step.receiver == PROVIDER]
        return hosts[0] if hosts else ""

    def _flow(self) -> str:
        """What kind of conversation it was, by what was sent."""
        sent = [step.sent for step in self.steps if isinstance(step, Call)]
        sent += [step.params for step in self.steps if isinstance(step, Hop) and step.sender == APPLICATION]
        said = [_GRANTS[one["grant_type"]] for one in sent if one.get("grant_type") in _GRANTS]
        if not said and any("response_type" in one for one in sent):
            said = [_GRANTS["authorization_code"]]
        marks = (("code_challenge", "PKCE"), ("request_uri", "PAR"), ("dpop", "DPoP"))
        said += [name for member, name in marks if any(member in one for one in sent)]
        return ", ".join(dict.fromkeys(said))

    def carry(self) -> bytes | None:
        """The story so far, for a pending record; None when it is too large for that."""
        story = msgspec.structs.replace(self.story(), steps=tuple(self.steps[:MOST_CARRIED]))
        data = msgspec.msgpack.encode(Carried(story, self.redact.key, self.shape, self.away))
        return data if len(data) <= LARGEST_CARRIED else None

    def take_up(self, carried: Carried) -> None:
        """Goes on with what another process has told. What this one saw of it from afar is dropped."""
        story = carried.story
        self.redact = Redactor(carried.key, with_identity=story.with_identity)
        self.id, self.kind, self.session, self.process = story.id, story.kind, story.session, story.process
        self.left_out, self.steps = story.left_out, list(story.steps)
        self.shape, self.away, self.seen = carried.shape, carried.away, False
        self.since += story.began - self.began
        self.began = story.began

    def decide(self, question: str, move: str, facts: dict[str, bool | int | float | str | None], now: float) -> None:
        if move == "wait":
            if self.waiting is not None:
                return
            self.add(Decision(now, question, move, facts))
            self.waiting = now
            return
        self.waited(now)
        self.add(Decision(now, question, move, facts))


def read_carried(data: bytes) -> Carried | None:
    """What a pending record brought; None when it cannot be read."""
    return unpack(data, Carried)
