"""A trace as one page that can be mailed: what came of it, where the time went, the way through the chart, who said
what to whom, every check, and a replay of it all.

Whatever stands in a trace is text here: it is escaped, whoever wrote it. See `page` for the policy.
"""

from __future__ import annotations

import json
from math import sqrt
from typing import Final

from ..chart import CHART
from ..trace.story import Call, Check, Decision, Dropped, Hop, Story, Trace, Transition, Wait
from ..trace.table import moment
from . import axis, lanes, mermaid, sequence, svg, traced
from .page import page
from .paint import clean
from .trace_look import SCRIPT, STYLE
from .traced import Drawn, Span, seconds

MOST_STORIES: Final = 40  # on one page; the latest are shown
_WEIGHTS: Final = tuple(range(1, 41))
LOOK: Final = STYLE + "".join(f".w{weight}{{flex-grow:{weight}}}" for weight in _WEIGHTS)


def render(trace: Trace) -> str:
    """The whole page."""
    stories = trace.stories[-MOST_STORIES:]
    title = traced.title_of(stories[0]) if len(stories) == 1 else f"{len(trace.stories)} stories of logins"
    parts = ["<main>"]
    if len(stories) != 1:
        parts.append(_overview(trace, title))
    parts += [article(story, index, alone=len(stories) == 1) for index, story in enumerate(stories, 1)]
    parts += [
        "<footer>Recorded by authflow. Secrets were taken out when it was recorded: ••• stands for one, and equal "
        "digits behind it for equal ones within a story.</footer>",
        "</main>",
    ]
    return page(title, "\n".join(parts), style=LOOK, script=SCRIPT)


def _overview(trace: Trace, title: str) -> str:
    """Every story on one axis of time, and as a list."""
    stories = trace.stories
    earlier = len(stories) - min(len(stories), MOST_STORIES)
    links = ["" if index <= earlier else f"#s{index - earlier}" for index in range(1, len(stories) + 1)]
    parts = [f"<header><h1>{clean(title)}</h1></header>", "<h2>In order of time</h2>"]
    if len(stories) > 1:
        drawing = axis.render(stories[earlier:], theme="page", id="axis", links=links[earlier:])
        parts.append(f'<div class="card" tabindex="0" role="group" aria-label="The axis of time">{drawing}</div>')
    parts.append('<ol class="axis">')
    for story, link in zip(stories, links, strict=True):
        name = clean(traced.title_of(story))
        shown = f'<a href="{link}">{name}</a>' if link else name
        parts.append(
            f"<li><time>{clean(moment(story.began))}</time><span>{shown}</span>{_pill(story)}"
            f"<span>{seconds(story.seconds)}</span></li>"
        )
    return "\n".join([*parts, "</ol>"])


def article(story: Story, index: int, *, alone: bool) -> str:
    """One story, as a part of a page that has `LOOK` and runs `REPLAY`; `index` makes its ids unique there."""
    drawn = traced.draw(story)
    name = f"s{index}"
    frames = json.dumps([list(frame) for frame in drawn.frames], ensure_ascii=True)
    first = story.transitions[0].source if story.transitions else ""
    title = f"<h1>{clean(drawn.title)}</h1>" if alone else f'<h2 class="title">{clean(drawn.title)}</h2>'
    chart = svg.render(
        CHART, theme="page", title=f"The way of this story: {drawn.title}", id=f"{name}-chart", path=drawn.path
    )
    talk = lanes.render(drawn.sequence, theme="page", id=f"{name}-talk")
    return "\n".join(
        [
            f'<article id="{name}" data-frames="{clean(frames)}" data-first="{clean(first)}" '
            f'aria-label="{clean(drawn.title)}">',
            f'<header><div class="head">{title}{_pill(story)}</div>{_meta(story)}</header>',
            _why(story),
            "<h2>Where the time went</h2>",
            _time(story, drawn),
            "<h2>The way it took</h2>",
            f'<div class="card" tabindex="0" role="group" aria-label="The chart with the way">{chart}</div>',
            _controls(len(drawn.frames)),
            "<h2>Who said what to whom</h2>",
            f'<div class="card" tabindex="0" role="group" aria-label="The messages in order">{talk}</div>',
            _checks(story),
            _steps(story),
            _sources(drawn, name),
            "</article>",
        ]
    )


def _pill(story: Story) -> str:
    told, kind = traced.ending(story)
    return f'<span class="pill {kind}">{clean(told)}</span>'


def _meta(story: Story) -> str:
    parts = [f"<b>{clean(story.host or story.provider)}</b>"]
    parts += [clean(story.flow)] if story.flow else []
    parts += [clean(moment(story.began))]
    parts.append(f"<b>{seconds(story.seconds)}</b> in all")
    parts += ["with identity"] if story.with_identity else []
    parts += [f"{story.left_out} steps were not kept"] if story.left_out else []
    return f'<p class="meta">{" · ".join(part for part in parts if part)}</p>'


def _why(story: Story) -> str:
    """Why it failed: the check, what was expected and what came; the error's cause and its remedy."""
    error = story.error
    broken = [step for step in story.checks if not step.ok]
    if error is None and not broken:
        return ""
    check = broken[-1] if broken else None
    title = f"The check “{check.name}” of the {check.of or 'answer'} failed" if check else "It failed"
    if not story.failed:
        title = f"On the way, {title[0].lower()}{title[1:]}"
    parts = [f'<section class="why"><h2>{clean(title)}</h2>']
    if error is not None:
        parts.append(f"<p>{clean(error.message)}</p>")
        parts += [f"<p><strong>What to do:</strong> {clean(error.hint)}</p>"] if error.hint else []
    elif check is not None and check.said:
        parts.append(f"<p>{clean(check.said)}</p>")
    facts: list[tuple[str, str]] = []
    if check is not None and (check.expected or check.got):
        facts += [("expected", check.expected or "–"), ("got", check.got or "nothing")]
    if error is not None:
        facts += [("code", error.code), ("phase", error.phase or "")]
        facts += [("the provider said", f"{error.error} {error.error_description or ''}")] if error.error else []
    told = "".join(f"<dt>{name}</dt><dd><code>{clean(value)}</code></dd>" for name, value in facts if value)
    return "".join([*parts, f"<dl>{told}</dl></section>"])


_WHO: Final = {
    "human": "the human", "provider": "the provider", "other": "another process", "here": "this program",
}  # fmt: skip


def _time(story: Story, drawn: Drawn) -> str:
    """A box for each state, as wide as it was long (by the root, so that short ones can be read), in it a line that
    shows whose time it was; then the sum."""
    groups: list[tuple[str, list[Span]]] = []
    for span in drawn.spans:
        if not groups or groups[-1][0] != span.state:
            groups.append((span.state, []))
        groups[-1][1].append(span)
    longest = max((sum(span.seconds for span in spans) for _, spans in groups), default=0.0) or 1.0
    parts = ['<ul class="time">']
    for state, spans in groups:
        whole = sum(span.seconds for span in spans) or 1.0
        weight = max(1, round(sqrt(whole / longest) * _WEIGHTS[-1]))
        told = " · ".join(f"{seconds(span.seconds)} {_WHO[span.kind]}" for span in spans)
        line = "".join(f'<i class="{span.kind} w{max(1, round(span.seconds / whole * 40))}"></i>' for span in spans)
        parts.append(
            f'<li class="{sequence.BANDS.get(state, "start")} w{weight}"><b>{clean(state)} '
            f"<small>{seconds(whole)}</small></b><span>{told}</span><div>{line}</div></li>"
        )
    sums = {kind: sum(span.seconds for span in drawn.spans if span.kind == kind) for kind in _WHO}
    told = "".join(
        f'<span><i class="{kind}"></i>{seconds(sums[kind])} {_WHO[kind]}</span>' for kind in _WHO if sums[kind]
    )
    return "\n".join([*parts, "</ul>", f'<p class="sum"><span>{seconds(story.seconds)} in all</span>{told}</p>'])


def _controls(count: int) -> str:
    return (
        '<div class="replay" role="group" aria-label="Replay">'
        '<button type="button" class="play">Play</button>'
        '<button type="button" class="step back" aria-label="one message back">◀</button>'
        '<button type="button" class="step on-one" aria-label="one message on">▶</button>'
        f'<input type="range" min="0" max="{count}" value="{count}" aria-label="Replay: the message">'
        '<output aria-live="off"></output></div>'
    )


def _checks(story: Story) -> str:
    if not story.checks:
        return ""
    rows = []
    for step in story.checks:
        sign = '<span class="passed">✓ passed</span>' if step.ok else '<span class="failed">✗ failed</span>'
        rows.append(
            f'<tr><td class="sign">{sign}</td><td>{clean(step.name)}</td><td>{clean(step.of)}</td>'
            f'<td class="value">{clean(step.expected)}</td><td class="value">{clean(step.got)}</td></tr>'
        )
    passed = sum(step.ok for step in story.checks)
    return (
        f"<h2>Every check: {passed} of {len(story.checks)} passed</h2>"
        '<div class="wide" tabindex="0" role="group" aria-label="Every check"><table><thead><tr>'
        + _heads("result", "check", "of", "expected", "got")
        + f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _steps(story: Story) -> str:
    """The same as a table: for a screen reader, and for whoever searches."""
    rows = "".join(
        f"<tr><td>{index}</td><td>+{seconds(step.at)}</td><td>{kind}</td>"
        f'<td class="value">{clean(what)}</td><td class="value">{clean(said)}</td></tr>'
        for index, step in enumerate(story.steps, 1)
        for kind, what, said in [_row(step)]
    )
    return (
        f"<details><summary>All {len(story.steps)} steps as a table</summary>"
        '<div class="wide" tabindex="0" role="group" aria-label="All steps"><table><thead><tr>'
        + _heads("step", "when", "kind", "what", "details")
        + f"</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _row(step: object) -> tuple[str, str, str]:
    if isinstance(step, Transition):
        why = [step.origin, step.reason or "", str(step.error or "")]
        return "transition", f"{step.trigger}: {step.source} → {step.target}", " · ".join(one for one in why if one)
    if isinstance(step, Dropped):
        return "dropped", f"{step.trigger} in {step.state}", f"{step.origin} · came too late"
    if isinstance(step, Call):
        answer = f"{step.failure or 'no answer' if step.status is None else step.status}{traced.times(step)}"
        told = [f"{name}={value}" for values in (step.sent, step.got) for name, value in values.items()]
        return "call", f"{step.method} {step.host}{step.path} → {answer}, {seconds(step.seconds)}", " · ".join(told)
    if isinstance(step, Hop):
        told = [f"{name}={value}" for name, value in step.params.items()]
        return "browser", f"{step.what}: {step.sender} → {step.receiver}, {step.host}{step.path}", " · ".join(told)
    if isinstance(step, Check):
        check = sequence.Check(step.name, step.ok, step.expected, step.got)
        return "check", f"{step.of}: {sequence.tell(check)}", step.said
    if isinstance(step, Wait):
        return "wait", f"{step.who}: {seconds(step.seconds)}", ""
    if isinstance(step, Decision):
        return "decision", f"{step.question}: {step.move}", " · ".join(f"{k}={v}" for k, v in step.facts.items())
    return "", "", ""


def _sources(drawn: Drawn, name: str) -> str:
    talk = sequence.mermaid(drawn.sequence)
    way = mermaid.flowchart(CHART, drawn.path, title=drawn.title)
    return (
        '<div class="tools">'
        f'<button type="button" data-copy="{name}-mermaid">Copy the messages as Mermaid</button>'
        f'<button type="button" data-copy="{name}-way">Copy the way as Mermaid</button>'
        '<span class="copied" role="status"></span></div>'
        f'<details><summary>As Mermaid text</summary><pre id="{name}-mermaid" tabindex="0">{clean(talk)}</pre>'
        f'<pre id="{name}-way" tabindex="0">{clean(way)}</pre></details>'
    )


def _heads(*names: str) -> str:
    return "".join(f'<th scope="col">{name}</th>' for name in names)
