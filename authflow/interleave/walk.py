"""The walk through all that can happen, and what must never come of it.

Rule: it goes breadth first, so what it finds has a shortest history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from .designs import DESIGNS, FLAWED
from .moves import Next, what_follows
from .world import QUIET, At, Design, Process, Stored, World


class Result(NamedTuple):
    """What a walk found: how many worlds there are, and a shortest history for each thing that went wrong."""

    design: Design
    states: int
    findings: dict[str, tuple[str, ...]]

    @property
    def ok(self) -> bool:
        return not self.findings


def explore(design: Design) -> Result:
    """Walks every interleaving of `design`."""
    start = World(
        provider=0,
        revoked=False,
        forgiven=False,
        stored=Stored(),
        lock=-1,
        processes=tuple(Process() for _ in range(design.processes)),
        chances=design.chances,
    )
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    leads_to: dict[World, list[World]] = {}
    wrong: dict[str, tuple[World, tuple[str, ...]]] = {}  # where it shows, and the step that leads on from there
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        following = list(what_follows(design, world))
        leads_to[world] = [each for _, each in following]
        for said in _judge(design, world, following):
            wrong.setdefault(said, (world, ()))
        for label, each in following:
            if _changes_hands(world, each):
                wrong.setdefault("a session became another login's without a word", (world, (label,)))
            if each not in came_from:
                came_from[each] = (world, label)
                waiting.append(each)
    for world in _never_quiet(leads_to):
        wrong.setdefault("a live process can never come to rest", (world, ()))
        break
    findings = {said: (*_history(came_from, world), *step) for said, (world, step) in wrong.items()}
    return Result(design, len(came_from), findings)


def told(result: Result, *, should_hold: bool) -> str:
    """A result as lines of text: a history for each finding."""
    if should_hold:
        head = f"  {'✓' if result.ok else '✗'} {result.design.name}: {result.states:,} states"
    else:
        head = f"  {'✗' if result.ok else '✓'} without it: {result.design.name}: {result.states:,} states"
        if result.ok:
            head += "; the walk should have found a fault and did not"
    lines = [head]
    for said, history in result.findings.items():
        lines.append(f"      {said}")
        lines += [f"        {number}. {step}" for number, step in enumerate(history, 1)]
        if not should_hold:
            break  # one example shows what the part is for
    return "\n".join(lines)


def walk_designs() -> Iterator[tuple[bool, Result]]:
    """Every design with whether it should pass: those of the code, then the flawed ones."""
    for design in DESIGNS:
        yield True, explore(design)
    for design in FLAWED:
        yield False, explore(design)


# ── judging ──────────────────────────────────────────────────────────────────────────────────────────


def _judge(design: Design, world: World, following: list[Next]) -> Iterator[str]:
    calm = not world.marks & {"loss", "crash", "late"}
    if "reuse" in world.marks and (calm or design.policy == "strict"):
        yield "a refresh token was presented twice: the provider ended the login"
    if "resurrected" in world.marks:
        yield "tokens were stored after the logout"
    if "overwritten" in world.marks:
        yield "an older token overwrote a newer one"
    if "orphan" in world.marks:
        yield "live tokens are neither stored nor revoked"
    if "told" in world.marks and world.stored.out and any(each.at is At.TOKENS for each in world.processes):
        yield "a renewal was told that will never be stored"
    if "discarded" in world.marks:
        yield "the tokens of a live session were revoked"
    flying = [each.sent for each in world.processes if each.at in (At.SEND, At.ANSWERED)]
    if len(flying) != len(set(flying)) and ("late" not in world.marks or design.policy == "strict"):
        yield "the same refresh token is on the wire twice"
    if calm and any(each.at is At.SPENT for each in world.processes):
        yield "a user must sign in again although nothing was lost"
    alive = [each for each in world.processes if each.at is not At.DEAD]
    if not following and any(each.at not in QUIET for each in alive):
        yield "a live process is stuck"


def _changes_hands(world: World, after: World) -> bool:
    """In this step a process that believes in one login gets to believe in another. (A login that a process brings
    back after its logout is found by what it stored.)"""
    return not world.stored.out and any(
        before.at not in (At.OUT, At.DEAD) and then.at is At.REST and then.epoch != before.epoch
        for before, then in zip(world.processes, after.processes, strict=True)
    )


def _never_quiet(leads_to: dict[World, list[World]]) -> list[World]:
    """The worlds from which no quiet one can be reached."""
    comes_from: dict[World, list[World]] = {}
    for world, following in leads_to.items():
        for each in following:
            comes_from.setdefault(each, []).append(world)
    good = {world for world in leads_to if all(each.at in QUIET for each in world.processes)}
    waiting = deque(good)
    while waiting:
        for before in comes_from.get(waiting.popleft(), ()):
            if before not in good:
                good.add(before)
                waiting.append(before)
    return [world for world in leads_to if world not in good]


def _history(came_from: dict[World, tuple[World, str] | None], world: World) -> tuple[str, ...]:
    steps = []
    before = came_from[world]
    while before is not None:
        world, label = before
        steps.append(label)
        before = came_from[world]
    return tuple(reversed(steps))
