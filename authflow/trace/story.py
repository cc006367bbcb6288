"""A trace as data: what is saved, mailed, drawn and replayed.

A `Trace` holds stories. A `Story` is one run through the chart: a login from the first click to its end, one
renewal, one sign-out. Its steps are in the order in which they happened:

    Transition   a row of the chart was taken, or refused
    Dropped      a trigger that came too late: what it belonged to had ended
    Call         a request to the provider and its answer
    Hop          a message that went through the browser, which this process only sees begin or arrive
    Check        something that an answer had to pass: state, iss, nonce, aud, at_hash, …
    Wait         somebody else's time: the human's, another process's
    Decision     one function of `renewal.py`, what it was asked and what it said

Rule 1: nothing here is a secret. A value that was one is `•••`, or `•••` and four digits of a keyed hash: equal
        digits within one story are equal values, and the key is gone.
Rule 2: the same trace gives the same bytes. A file of a newer format is refused, an unknown member is not.

`began` is in seconds since the epoch; `at` and `seconds` are seconds, `at` since the story began.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ..errors import ErrorInfo, InvalidCall

FORMAT: Final = 1
MOST_STEPS: Final = 256
MOST_STORIES: Final = 1_024
LARGEST_FILE: Final = 16 * 1024 * 1024  # bytes
LONGEST: Final = 1_024

# Who takes part. Another process of the application has the name `process:` and its id.
APPLICATION: Final = "application"
PROVIDER: Final = "provider"
BROWSER: Final = "browser"

Text = Annotated[str, Meta(max_length=LONGEST)]
Values = Annotated[dict[Text, Text], Meta(max_length=64)]


class Shape(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a session was at one moment, without its secrets: enough for the engine to go on from.

    `pending`: the attempts that wait, each with its deadline. `who`: the keyed hash of (issuer, subject).
    `has_token`, `has_refresh_token`: whether they are there. `claim`: when the refresh token was presented, and how
    often again. Times are seconds since the epoch.
    """

    state: Text = "idle"
    since: float = 0.0
    epoch: int = 0
    generation: int = 0
    attempt: Text | None = None
    pending: tuple[tuple[Text, float], ...] = ()
    deadline: float | None = None
    who: Text = ""
    has_token: bool = False
    has_refresh_token: bool = False
    expires_in: float | None = None
    expires_at: float | None = None
    refresh_at: float | None = None
    retry_at: float | None = None
    failures: int = 0
    reauth_required: bool = False
    refresher: Text | None = None
    claim: tuple[float, int] | None = None
    signed_in_at: float | None = None
    refreshed_at: float | None = None
    reason: Text | None = None
    recoverable: bool = False
    error: Text | None = None  # its code


class Given(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a trigger brought with it: the engine's facts, without secrets. `now` is seconds since the epoch.

    `tokens`: what came, as a shape. `stored`: what another process had stored.
    """

    now: float
    epoch: int | None = None
    generation: int | None = None
    attempt: Text | None = None
    deadline: float | None = None
    pending: tuple[Text, float] | None = None
    tokens: Shape | None = None
    retry_at: float | None = None
    reauth_required: bool = False
    refresher: Text | None = None
    claim: tuple[float, int] | None = None
    revocation_due: bool = False
    signed_in_at: float | None = None
    stored: Shape | None = None


class Transition(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="step", tag="transition"):
    """A trigger, and what came of it. `after` is the session then; `before` is told when it is not what the last
    transition of the story left. `process`: who made it, when it was another one. An event that is no transition
    (`on_expiring`) is not told."""

    at: float
    trigger: Text
    source: Text
    target: Text
    live: bool = False
    origin: Text = "user"
    process: Text = ""
    attempt: Text | None = None
    reason: Text | None = None
    recoverable: bool = False
    error: ErrorInfo | None = None
    given: Given | None = None
    before: Shape | None = None
    after: Shape | None = None


class Dropped(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="step", tag="dropped"):
    """A trigger that came too late and was dropped: the state in which it came, and what it brought."""

    at: float
    trigger: Text
    state: Text
    origin: Text = "user"
    given: Given | None = None
    before: Shape | None = None


class Call(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="step", tag="call"):
    """A request of the application and the provider's answer. `sent` and `got` are parameters, members and headers by
    name, redacted. `status` is None when no answer came; `failure` is then the code of the error, `said` its text.
    `times`: polls that were answered alike are one, from the first on; `seconds` is what they took together."""

    at: float
    method: Text
    host: Text
    path: Text
    seconds: float = 0.0
    sent: Values = {}
    status: int | None = None
    got: Values = {}
    size: int = 0  # bytes of the answer's body
    failure: Text = ""
    said: Text = ""
    times: int = 1


class Hop(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="step", tag="hop"):
    """A message that travels through the browser (`via`): the redirect to the provider, or back from it."""

    at: float
    sender: Text
    receiver: Text
    what: Text
    via: Text = BROWSER
    host: Text = ""
    path: Text = ""
    params: Values = {}


class Check(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="step", tag="check"):
    """Something that had to hold. `of`: what was looked at (`callback`, `ID token`, `userinfo`, …). `expected` and
    `got` are redacted; `said` is the error's own words, cause and remedy, when it did not hold."""

    at: float
    name: Text
    ok: bool
    of: Text = ""
    expected: Text = ""
    got: Text = ""
    said: Text = ""


class Wait(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="step", tag="wait"):
    """`seconds` from `at` on in which somebody else was waited for: `human`, `provider` (between two polls),
    `other_process`."""

    at: float
    seconds: float
    who: Text = "human"


class Decision(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="step", tag="decision"):
    """A question of a renewal (`before_sending`, `after_answer`, …), the facts it was judged by, the move it said."""

    at: float
    question: Text
    move: Text
    facts: Annotated[dict[Text, bool | int | float | Text | None], Meta(max_length=32)] = {}


Step = Transition | Dropped | Call | Hop | Check | Wait | Decision


class Story(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run through the chart.

    `kind`: `login`, `step_up`, `refresh`, `restore` or `logout`. `session` is equal for the stories of one session.
    `provider` is its name in the manager, `label` its name for humans, `host` where it is. `process`: the process
    that the story began in. `outcome`: the trigger that ended it, or `KEPT`; "" while it goes on. `left_out`: so many
    steps were not kept, because there were more than 256.
    """

    id: Text
    kind: Text
    provider: Text
    began: float
    label: Text = ""
    host: Text = ""
    account: Text = ""
    session: Text = ""
    process: Text = ""
    flow: Text = ""
    outcome: Text = ""
    with_identity: bool = False
    left_out: int = 0
    steps: Annotated[tuple[Step, ...], Meta(max_length=MOST_STEPS)] = ()

    @property
    def transitions(self) -> tuple[Transition, ...]:
        return tuple(step for step in self.steps if isinstance(step, Transition))

    @property
    def checks(self) -> tuple[Check, ...]:
        return tuple(step for step in self.steps if isinstance(step, Check))

    @property
    def last_call(self) -> Call | None:
        """The call that was made last."""
        return next((step for step in reversed(self.steps) if isinstance(step, Call)), None)

    @property
    def failed(self) -> bool:
        """It ended without what it was begun for."""
        return self.outcome in FAILED

    @property
    def error(self) -> ErrorInfo | None:
        """What it failed of."""
        return next((step.error for step in reversed(self.transitions) if step.error is not None), None)

    @property
    def seconds(self) -> float:
        """From its first step to the end of its last."""
        return max((step.at + getattr(step, "seconds", 0.0) for step in self.steps), default=0.0)

    @property
    def human_seconds(self) -> float:
        """How much of that was the human's."""
        return sum(step.seconds for step in self.steps if isinstance(step, Wait) and step.who == "human")


KEPT: Final = "keep"  # no trigger: the refresh token was not presented, as had been decided before
FAILED: Final = frozenset({"fail", "cancel", "time_out", "defer", "revoke", "expire", KEPT})


class Trace(msgspec.Struct, frozen=True, omit_defaults=True):
    """Stories, the earliest first: one of a failed login, two of a session, many of a manager."""

    format: int = FORMAT
    stories: Annotated[tuple[Story, ...], Meta(max_length=MOST_STORIES)] = ()

    def __repr__(self) -> str:
        told = ", ".join(f"{story.kind} of {story.provider}: {story.outcome or 'open'}" for story in self.stories[-3:])
        return f"<Trace {len(self.stories)} stories; {told}>" if told else "<Trace, empty>"

    def to_json(self) -> str:
        """The trace as JSON: what `from_json` reads, and every picture is made from."""
        text = msgspec.json.encode({"format": self.format, "stories": self.stories})
        return msgspec.json.format(text, indent=1).decode() + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Trace:
        """Reads `to_json()`. Raises `InvalidCall` for what is no trace, or one of a newer format."""
        problem = "it is larger than 16 MiB"
        if len(text) <= LARGEST_FILE:
            try:
                head = msgspec.json.decode(text, type=_Head)
                if head.format > FORMAT:
                    problem = f"it has the format {head.format}"
                else:
                    return msgspec.json.decode(text, type=cls)
            except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
                problem = str(error)
        raise InvalidCall(
            f"This is no trace that can be read: {problem[:200]}.",
            hint='Pass what Trace.to_json() or save("….json") wrote: the other formats are to be looked at.',
        )

    def save(self, path: str | Path) -> Path:
        """Writes the trace in the format that the name's end says: `.json` (what `load` reads), `.html` (a page with
        a replay), `.svg`, `.png` (the extra `png`), `.mmd` (Mermaid), `.txt`. Returns the path. Raises
        `NotSupported`."""
        return Path(_exports().save(self, path))

    def _repr_html_(self) -> str:
        """What a notebook shows for a trace."""
        return str(import_module("authflow.diagrams.notebook").of_trace(self))

    def _repr_svg_(self) -> str:
        """The same where only pictures are shown."""
        name = hashlib.sha256(self.to_json().encode()).hexdigest()[:8]
        return str(_exports().trace_picture.render(self, theme="auto", id=f"t{name}"))

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Reads a file that `save("….json")` wrote."""
        return cls.from_json(Path(path).read_bytes())


def _exports() -> Any:
    """The drawings stand above the data that they draw, so they are asked for by name."""
    return import_module("authflow.diagrams.exports")


class _Head(msgspec.Struct):
    format: int
