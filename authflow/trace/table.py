"""A trace as plain text, a line for each step: for a terminal, a log, a bug report. Pure."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import Final

from ..errors import printable
from .story import Call, Check, Decision, Dropped, Hop, Step, Story, Trace, Transition, Wait

_WIDE: Final = 100  # columns; a longer step goes on in the next line, and nothing of it is left out


def render(trace: Trace) -> str:
    """Every story: a headline, then its steps with the time since it began."""
    return "\n".join(_story(story) for story in trace.stories) or "The trace is empty.\n"


def moment(at: float) -> str:
    """Seconds since the epoch as `2025-11-28 14:26:40 UTC`; empty for what no calendar has."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, OSError, ValueError):
        return ""


def _story(story: Story) -> str:
    began = moment(story.began) or "at a time that no calendar has"
    place = f" at {story.host}" if story.host else ""
    flow = f" ({story.flow})" if story.flow else ""
    spent = f"{_span(story.seconds)} in all, {_span(story.human_seconds)} of it the human's"
    head = [f"{story.kind} of {story.provider}{place}{flow}: {_outcome(story)}", f"began {began}; {spent}"]
    if story.error is not None:
        head.append(f"error: {story.error.message}")
        head += [f"what to do: {story.error.hint}"] if story.error.hint else []
    lines = [printable(line, len(line)) for line in head] + [""]
    lines += [_wrapped(f"{_since(step.at):>12}  {_mark(step)} {_line(step)}") for step in story.steps]
    if story.left_out:
        lines.append(f"{'':12}  … {story.left_out} steps were not kept")
    return "\n".join(lines) + "\n"


def _outcome(story: Story) -> str:
    if not story.outcome:
        return "goes on"
    return f"{'failed' if story.failed else 'done'}, by {story.outcome}"


def _wrapped(line: str) -> str:
    """The line as it is, without what moves a terminal's cursor; what is too wide, indented below it. A value stays
    in one piece, to be searched for and copied."""
    clean = "".join(ch if ch.isprintable() else " " for ch in line)
    return textwrap.fill(clean, _WIDE, subsequent_indent=" " * 18, break_long_words=False, break_on_hyphens=False)


def _mark(step: Step) -> str:
    if isinstance(step, Check):
        return "✓" if step.ok else "✗"
    if isinstance(step, Transition):
        return "●"
    return {Call: "→", Hop: "↔", Wait: "…", Decision: "?", Dropped: "○"}[type(step)]


def _line(step: Step) -> str:
    if isinstance(step, Transition):
        who = f", by process {step.process}" if step.process else ""
        why = f" ({step.reason})" if step.reason else ""
        return f"{step.source} → {step.target}  {step.trigger}{why}{who}"
    if isinstance(step, Dropped):
        return f"{step.trigger} came too late, in {step.state}; it was dropped"
    if isinstance(step, Call):
        answer = str(step.status) if step.status is not None else f"no answer: {step.failure}"
        got = f"  got {_values(step.got)}" if step.got else ""
        sent = f"  sent {_values(step.sent)}" if step.sent else ""
        return f"{step.method} {step.host}{step.path}  {answer}{_times(step)} in {_span(step.seconds)}{sent}{got}"
    if isinstance(step, Hop):
        return f"{step.sender} → {step.receiver} through the {step.via}: {step.what}  {_values(step.params)}"
    if isinstance(step, Check):
        values = f"  expected {step.expected}, got {step.got}" if not step.ok and step.expected else ""
        return f"{step.name}{f' of the {step.of}' if step.of else ''}{values}{f'  {step.said}' if step.said else ''}"
    if isinstance(step, Wait):
        return f"waited {_span(step.seconds)} for the {step.who.replace('_', ' ')}"
    facts = " ".join(f"{name}={value}" for name, value in step.facts.items())
    return f"{step.question}: {step.move}  {facts}"


def _times(step: Call) -> str:
    return f" ×{step.times}" if step.times > 1 else ""


def _values(values: dict[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in values.items())


def _since(seconds: float) -> str:
    return f"+{seconds * 1e3:.1f} ms" if seconds < 10 else f"+{seconds:.1f} s"


def _span(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
