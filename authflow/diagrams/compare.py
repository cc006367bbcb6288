"""What changed between two charts, read back from what was drawn of them: SVG, Mermaid or Graphviz text.

It reads the words that a drawing holds, not today's states and triggers, so that a drawing of an older version can
be compared.
"""

from __future__ import annotations

import re
from html import unescape
from typing import NamedTuple

from ..errors import InvalidCall

Way = tuple[str, str, str]


class Change(NamedTuple):
    """One difference: `added`, `removed` or `signal` (the same transition tells something else now)."""

    kind: str
    source: str
    trigger: str
    target: str
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        way = f"`{self.trigger}`, {self.source} → {self.target}"
        if self.kind == "signal":
            return f"- changed: {way}: {self.before or 'no signal'} → {self.after or 'no signal'}"
        signal = self.after or self.before
        return f"- {self.kind}: {way}{f' ({signal})' if signal else ''}"


def read_chart(text: str) -> dict[Way, str]:
    """The transitions of a drawing: (source, trigger, target), and the signal that each emits. Raises `InvalidCall`."""
    if text.lstrip().startswith("<svg"):
        found = _read_svg(text)
    elif re.search(r"^digraph ", text, re.M):
        found = _read_dot(text)
    elif re.search(r"^stateDiagram-v2$", text, re.M):
        found = _read_mermaid(text)
    else:
        found = {}
    if not found:
        raise InvalidCall(
            "This is no drawing of a chart.",
            hint="Pass chart.mmd, chart.dot, chart-light.svg or chart-dark.svg of `authflow diagram write`.",
        )
    return found


def compare(old: str, new: str) -> tuple[Change, ...]:
    """What is different in `new`, in the order of the drawings: what was added, what was removed, what tells
    something else. Raises `InvalidCall` for what is no drawing of a chart."""
    before, after = read_chart(old), read_chart(new)
    added = [Change("added", *way, after=signal) for way, signal in after.items() if way not in before]
    removed = [Change("removed", *way, before=signal) for way, signal in before.items() if way not in after]
    changed = [
        Change("signal", *way, before=before[way], after=signal)
        for way, signal in after.items()
        if before.get(way, signal) != signal
    ]
    return (*added, *removed, *changed)


def _read_svg(text: str) -> dict[Way, str]:
    """By its attributes, as we write them: a file from elsewhere gets no chance to make an XML parser work."""
    found: dict[Way, str] = {}
    for tag in re.findall(r"<g (data-edge=[^>]*)>", text):
        told = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        for trigger in told["data-edge"].split():
            way = (told.get("data-source", ""), trigger, told.get("data-target", ""))
            found[way] = told.get("data-signal", "")
    return found


def _read_dot(text: str) -> dict[Way, str]:
    found: dict[Way, str] = {}
    for source, target, label in re.findall(r'^\s*"([^"]+)" -> "([^"]+)" \[label="([^"]*)"', text, re.M):
        _take(found, source, target, *_halves(label, "\\n"))
    return found


def _read_mermaid(text: str) -> dict[Way, str]:
    found: dict[Way, str] = {}
    for source, target, label in re.findall(r"^\s*(\w+) --> (\w+) : (.*)$", text, re.M):
        told = unescape(re.sub(r"#(\d+);", r"&#\1;", label))
        _take(found, source, target, *_halves(told, " / "))
    return found


def _halves(label: str, between: str) -> tuple[str, str]:
    triggers, _, signal = label.partition(between)
    return triggers, signal


def _take(found: dict[Way, str], source: str, target: str, triggers: str, signal: str) -> None:
    for trigger in triggers.split(" · "):
        found[source, trigger, target] = signal
