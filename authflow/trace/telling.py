"""One story while it is told: what its recorder heard becomes steps here, and is redacted on the way.

Rule 1: no secret is in a step. What is known of secrets while several things are told in one go is forgotten after it.
Rule 2: when there are too many steps, those in the middle go. How it began and how it ended stay.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import httpx
import msgspec
from msgspec.structs import replace

from ..chart import State, Trigger
from ..engine import Facts
from ..engine import Step as Planned
from ..events import AuthEvent, Origin
from ..protocol.callback import CallbackParams
from ..protocol.witness import Checked
from ..records import Key, SessionRecord, unpack
from .redact import MASK, Redactor, parse_pairs
from .shapes import given_of, shape_of
from .story import (
    APPLICATION,
    KEPT,
    MOST_STEPS,
    PROVIDER,
    Call,
    Check,
    Decision,
    Dropped,
    Hop,
    Shape,
    Step,
    Story,
    Transition,
    Wait,
)

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
_POLLED: Final = frozenset(
    {"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba"}
)  # fmt: skip
_CODES: Final = frozenset({"device_code", "auth_req_id"})
_NOT_YET: Final = frozenset({"authorization_pending", "slow_down"})
_URLS: Final = frozenset({"iss", "redirect_uri"})
_HASHED: Final = frozenset(
    {"nonce", "state", "sub", "userinfo_sub", "at_hash", "c_hash", "s_hash", "binding", "kid", "sid", "jti"}
)


class Carried(msgspec.Struct, frozen=True, omit_defaults=True):
    """A story on its way to another process, with the key of its hashes: for a sealed record only."""

    story: Story
    key: bytes
    shape: Shape | None = None
    away: float | None = None


class Telling:
    """A story that goes on. Its recorder holds a lock while it calls."""

    __slots__ = (
        "about", "away", "began", "ended", "held", "id", "key", "kind", "label", "last", "left_out",
        "mismatch", "number", "outcome", "process", "provider", "redact", "seen", "session", "shape", "since", "steps",
        "waiting",
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
        self.last: SessionRecord | None = None  # what `shape` is of, until `forget()`
        self.away: float | None = None  # since when the human is away
        self.waiting: float | None = None  # since when another process is waited for
        self.mismatch: tuple[str, str, str, str] | None = None  # the check that did not hold: it, of what, two values

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────

    def since_began(self, at: float) -> float:
        """Seconds since it began, at a moment of the monotonic clock."""
        return round(max(0.0, at - self.since), 6)

    def forget(self) -> None:
        """All that was heard is told."""
        self.last = None
        self.redact.forget()

    def add(self, step: Step) -> None:
        if len(self.steps) >= MOST_STEPS:
            middle = range(MOST_STEPS // 2, MOST_STEPS)
            at = next((at for at in middle if not isinstance(self.steps[at], Transition)), MOST_STEPS // 2)
            del self.steps[at]
            self.left_out += 1
        self.steps.append(step)

    def call(
        self, now: float, request: httpx.Request, answer: httpx.Response | tuple[str, str], seconds: float
    ) -> None:
        """A call and its answer, or the code of what it failed of, and the text."""
        redact = self.redact
        host, path = redact.place_of(request.url)
        told: tuple[Any, ...]
        if isinstance(answer, httpx.Response):
            told = answer.status_code, redact.response(answer), len(answer.content)
        else:
            told = None, {}, 0, answer[0], redact.text(answer[1])
        at = round(max(0.0, now - seconds), 6)
        call = Call(at, request.method, host, path, round(seconds, 6), redact.request(request), *told)
        if call.sent.get("grant_type") in _POLLED:
            self._polled(call)
        else:
            self.add(call)
        if self.away is None and not _CODES.isdisjoint(call.got):
            self.away = now  # the human is asked, on another screen or on the phone

    def _polled(self, call: Call) -> None:
        """A poll. Those to which the answer was that the human is not done are one step, however many."""
        waits = call.got.get("error") in _NOT_YET
        if not waits:
            self.came_back(call.at)
        last = self.steps[-1] if self.steps else None
        if waits and isinstance(last, Call) and (last.sent, last.got) == (call.sent, call.got):
            seconds = round(last.seconds + call.seconds, 6)
            self.steps[-1] = replace(last, times=last.times + 1, seconds=seconds)
        else:
            self.add(call)

    def dropped(self, now: float, trigger: str, facts: Facts, record: SessionRecord) -> None:
        before = shape_of(record, self.redact)
        given = given_of(facts, self.redact)
        step = Dropped(now, trigger, before.state, facts.origin.value, given, None if before == self.shape else before)
        last = self.steps[-1] if self.steps else None
        if not isinstance(last, Dropped) or last.trigger != trigger:
            self.add(step)

    def left(self, now: float, url: str) -> None:
        """The human is on the way to the provider."""
        where, _, query = url.partition("#")[0].partition("?")
        host, path = self.redact.place(where)
        params = self.redact.sent(parse_pairs(query.encode()))
        self.add(Hop(now, APPLICATION, PROVIDER, "authorization request", host=host, path=path, params=params))
        self.away = now

    def returned(self, now: float, redirect_uri: str, params: CallbackParams, bound: bool) -> None:
        """The human is back from there, with these parameters."""
        self.came_back(now)
        said = [pair for pair in msgspec.structs.asdict(params).items() if pair[1]]
        host, path = self.redact.place(redirect_uri)
        told = self.redact.told(said)
        self.add(Hop(now, PROVIDER, APPLICATION, "authorization response", host=host, path=path, params=told))
        state = self.redact.mark(params.state)
        self.add(Check(now, "state", True, "callback", state, state))
        if bound:
            self.add(Check(now, "binding", True, "callback"))

    def checks(self, now: float, checked: Iterable[Checked]) -> None:
        for name, of, ok, expected, got in checked:
            wanted = "" if expected is None else self._shown(name, expected)
            found = "" if got is None else wanted if got == expected else self._shown(name, got)
            if not ok:
                self.mismatch = name, of, wanted, found
            elif not self._passed(name, of):
                self.add(Check(now, name, True, of, wanted, found))

    def _passed(self, name: str, of: str) -> bool:
        """It was told already, since the last transition: a token that waited for its keys is looked at again."""
        for step in reversed(self.steps):
            if isinstance(step, Transition):
                return False
            if isinstance(step, Check) and (step.name, step.of, step.ok) == (name, of, True):
                return True
        return False

    def _shown(self, name: str, value: object) -> str:
        """A value that was compared, as the check's name allows."""
        if type(value) is not str:
            return self.redact.word(str(value)) if isinstance(value, (bool, int, float)) else MASK
        if name in _HASHED:
            return self.redact.mark(value)
        return self.redact.url(value) if name in _URLS else self.redact.text(value)

    def came_back(self, now: float) -> None:
        """The human is here again, or is not waited for any more."""
        away, self.away = self.away, None
        if away is not None and now > away:
            self.add(Wait(away, round(now - away, 6), "human"))

    @property
    def kept(self) -> bool:
        """Its last decision was not to present the refresh token."""
        last = next((step for step in reversed(self.steps) if isinstance(step, Decision)), None)
        return last is not None and last.move == KEPT

    def waited(self, now: float) -> None:
        """Another process is not waited for any more."""
        waiting, self.waiting = self.waiting, None
        if waiting is not None and now > waiting:
            self.add(Wait(waiting, round(now - waiting, 6), "other_process"))

    def transition(self, now: float, event: AuthEvent, planned: Planned) -> None:
        trigger, redact = event.trigger, self.redact
        if trigger == Trigger.REJECT._value_ and self._last_trigger() == trigger:
            self.left_out += 1  # forged callbacks by the thousand are one
            return
        if trigger != Trigger.AUTHORIZE._value_ and trigger != Trigger.REJECT._value_:
            self.came_back(now)
        self.waited(now)
        if event.error is not None and event.error.check:
            self._failed_check(event, now)
        before = self.shape if planned.before is self.last else shape_of(planned.before, redact)
        after = shape_of(planned.record, redact)
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
                event.live,
                event.origin,
                process,
                event.attempt,
                event.reason,
                event.recoverable,
                redact.error(event.error),
                given_of(facts, redact),
                None if before == self.shape else before,
                after,
            )
        )
        self.shape, self.last = after, planned.record

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
            account=self.key.account and (self.key.account if self.redact.with_identity else MASK),
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
        story = Story(  # what can be made of these again does not travel
            id=self.id,
            kind=self.kind,
            provider=self.provider,
            began=self.began,
            session=self.session,
            process=self.process,
            with_identity=self.redact.with_identity,
            left_out=self.left_out,
            steps=tuple(self.steps[:MOST_CARRIED]),
        )
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

    def decide(self, now: float, question: str, move: str, given: Mapping[str, object]) -> None:
        facts = {name: one for name, one in given.items() if isinstance(one, (bool, int, float, str, type(None)))}
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
