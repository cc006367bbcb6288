"""Who says what to whom, in order: the words of a sequence, as Mermaid text; `lanes` draws the same as a picture.

A sequence is data: lanes, and messages between them. It knows no trace and no protocol, so that the flows of the
documentation (`flows`) and a recorded login are drawn by the same hand.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final, NamedTuple

from .mermaid import escape
from .text import wrap_fixed


class Lane(NamedTuple):
    """One who takes part: `key` is how messages name it."""

    key: str
    label: str


class Check(NamedTuple):
    """One thing that was looked at. What was expected and what came are told only when it failed."""

    name: str
    passed: bool = True
    expected: str = ""
    got: str = ""


class Message(NamedTuple):
    """One arrow from lane to lane; to itself when somebody does something alone.

    `band` is the chart's state that it falls into, `at` and `took` say when and how long (ready to print), `detail`
    is what was said, in parts. A `reply` is dashed; what `failed` is red.
    """

    source: str
    target: str
    text: str
    detail: tuple[str, ...] = ()
    reply: bool = False
    band: str = ""
    at: str = ""
    took: str = ""
    checks: tuple[Check, ...] = ()
    failed: bool = False


class Sequence(NamedTuple):
    """A whole conversation."""

    title: str
    lanes: tuple[Lane, ...]
    messages: tuple[Message, ...]


_COLUMNS: Final = 36  # how wide the lines of a message are, in letters of a font of size 1

# Behind what belongs together. Half transparent, so that it can be read on a light and on a dark page.
_BEHIND: Final = {"good": "rgba(5,150,105,0.10)", "busy": "rgba(37,99,235,0.08)", "bad": "rgba(220,38,38,0.10)"}
BANDS: Final = {
    "authorizing": "busy", "exchanging": "busy", "authenticated": "good", "refreshing": "busy",
    "idle": "start", "logged_out": "start", "idle · failed": "bad",
}  # fmt: skip


def mermaid(sequence: Sequence) -> str:
    """The sequence as a Mermaid sequence diagram, with its messages numbered."""
    lines = ["---", f"title: {json.dumps(sequence.title)}", "---", "sequenceDiagram", "    autonumber"]
    lines += [f"    participant {lane.key} as {escape(lane.label)}" for lane in sequence.lanes]
    first, last = sequence.lanes[0].key, sequence.lanes[-1].key
    band = ""
    for message in sequence.messages:
        if message.band != band:
            lines += ["    end"] if band else []
            band = message.band
            if band:
                lines.append(f"    rect {_BEHIND.get(BANDS.get(band, ''), 'rgba(100,116,139,0.08)')}")
                lines.append(f"    Note over {first},{last}: {escape(band)}")
        lines.append(f"    {message.source}{_arrow(message)}{message.target}: {_text(message)}")
    return "\n".join([*lines, *(["    end"] if band else [])]) + "\n"


def _arrow(message: Message) -> str:
    if message.failed:
        return "--x" if message.reply else "-x"
    return "-->>" if message.reply else "->>"


def _text(message: Message) -> str:
    said = [escape(message.text) + (f" ({escape(message.took)})" if message.took else "")]
    said += [escape(line) for line in wrap_fixed(message.detail, _COLUMNS, 1, most=9)]
    passed = " · ".join(check.name for check in message.checks if check.passed)
    said += [escape(f"✓ {passed}")] if passed else []
    said += [escape(tell(check)) for check in message.checks if not check.passed]
    return "<br/>".join(said)


def tell(check: Check) -> str:
    """`✓ iss`, or `✗ nonce: expected •••a1, got •••b2`."""
    if check.passed or not (check.expected or check.got):
        return f"{'✓' if check.passed else '✗'} {check.name}"
    return f"✗ {check.name}: expected {check.expected or 'another value'}, got {check.got or 'nothing'}"


def bands(messages: Iterable[Message]) -> list[tuple[str, int, int]]:
    """What belongs together: the band, its first message, and the one after its last."""
    found: list[tuple[str, int, int]] = []
    for index, message in enumerate(messages):
        if found and found[-1][0] == message.band:
            found[-1] = (message.band, found[-1][1], index + 1)
        else:
            found.append((message.band, index, index + 1))
    return found
