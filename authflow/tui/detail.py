"""One session in full: the chart with the present state lit and the way that was taken, what is possible from here, the
facts, and the last thing that happened to it, step by step. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from ..chart import CHART, State, Trigger
from ..diagrams.arrows import Edge, arrows
from ..diagrams.terminal import draw
from ..overview import SessionRow
from ..trace.story import Story, Trace, Transition
from ..trace.table import render
from . import cells

_LOOKS: Final[dict[str, str]] = {"": "", "walked": "bold", "current": "bold reverse"}


def about(row: SessionRow) -> Text:
    """Who it is, and how it is, in a sentence."""
    named = Text.assemble((cells.title(row), "bold"), f" · {row.label}", f" · {row.host}" if row.host else "")
    return named.append(f"\n{row.explanation}")


def chart(row: SessionRow, trace: Trace | None) -> Text:
    """The chart, the present state lit, and below it every arrow that begins there."""
    state, text = State(row.state), Text()
    for line in draw(current=state, path=path(last_story(trace))):
        for run in line:
            text.append(run.text, f"{_LOOKS.get(run.look, cells.PALE)} {_lit(run.look, row)}".strip())
        text.append("\n")
    for arrow in arrows(CHART):
        if arrow.source is state:
            text.append(f"{arrow.text} → {arrow.target}")
            text.append(f"   {arrow.emits}\n" if arrow.emits else "\n", cells.PALE)
    return text


def _lit(look: str, row: SessionRow) -> str:
    return cells.LOOKS[row.tone] if look == "current" else ""


def story(trace: Trace | None) -> Text:
    """The last thing that happened, step by step, as `authflow trace show` prints it."""
    last = last_story(trace)
    return Text("" if last is None else render(Trace(stories=(last,))))


def last_story(trace: Trace | None) -> Story | None:
    return trace.stories[-1] if trace is not None and trace.stories else None


def path(story: Story | None) -> Sequence[Edge]:
    """The ways that a story walked."""
    steps = () if story is None else tuple(step for step in story.steps if isinstance(step, Transition))
    states, triggers = set(State), set(Trigger)
    return [
        Edge(State(step.source), Trigger(step.trigger), State(step.target))
        for step in steps
        if step.source in states and step.target in states and step.trigger in triggers
    ]


def facts(row: SessionRow, now: float) -> Iterator[Text]:
    """A line for each fact that there is."""
    told: list[tuple[str, Text | str]] = [
        ("user", row.user),
        ("state", cells.state(row, now)),
        ("token", Text.assemble(cells.life(row, now), f"  {row.token_type} {row.fingerprint}".rstrip())),
        ("refresh", _refresh(row, now)),
        ("scopes", " ".join(row.scopes) if row.live else ""),
        ("not granted", Text(" ".join(row.scopes_missing), cells.WARN)),
        ("signed in", cells.ago(row.signed_in_at, now) if row.live else ""),
        ("store", cells.store(row)),
        ("reason", row.reason),
        ("last error", Text(row.error, cells.BAD if row.broken else "")),
        ("next step", Text(row.next_step, "bold")),
    ]
    for name, value in told:
        if str(value).strip():
            yield Text.assemble((f"{name:>12}  ", cells.PALE), value)


def _refresh(row: SessionRow, now: float) -> Text:
    last = cells.last_refresh(row, now)
    return Text.assemble(cells.renewal(row, now), f"; last {last}" if last and row.live else "")
