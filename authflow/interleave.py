"""The checker of the refresh protocol: every interleaving of several processes that share one session.

The processes here decide by the very functions of `renewal.py` that the sessions run. Around them stand a
provider that rotates refresh tokens and answers reuse by ending the login, a store, a lock, and what can
happen: a crash at any point, an answer that is lost, a 503, a lock that lapses, a logout, somebody else
signing in. Every order of these is walked, breadth first, so a finding carries a shortest history.

Rule 1: a design is a set of switches over the same walk. `DESIGNS` is what the code does; each of `FLAWED`
        leaves one thing out, as real clients do, and the walk must find what goes wrong.
Rule 2: time is not counted. What it does (a lease that lapses, a claim that grows old) may happen whenever it
        is possible.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from . import renewal
from .renewal import PROMPT, Answer, Move, View

if TYPE_CHECKING:
    from .providers.settings import Rotation

OTHER_LOGIN: Final = 100  # the first refresh token of somebody else who signs in; tokens are numbers here
OLD: Final = PROMPT * 10  # seconds that stand for "long ago"


class At(StrEnum):
    """Where a process is in its renewal."""

    REST = "rest"  # it believes in a live session
    LOCK = "lock"  # it waits for the lock
    READ = "read"  # it is about to read the store and decide
    CLAIM = "claim"  # it is about to write its claim
    SEND = "send"  # its request is on the way
    ANSWERED = "answered"  # the provider has decided; the answer is on the way back
    SILENCE = "silence"  # no answer will come
    TOKENS = "tokens"  # new tokens are here and not stored
    OUT = "out"  # logged out
    SPENT = "spent"  # it lives on its access token; the refresh token is given up
    DEAD = "dead"  # the process died


_FLYING: Final = frozenset({At.CLAIM, At.SEND, At.ANSWERED, At.SILENCE, At.TOKENS})
_QUIET: Final = frozenset({At.REST, At.OUT, At.SPENT, At.DEAD})


class Process(NamedTuple):
    """One process: the token and epoch that it believes in, what it sent, what came."""

    at: At = At.REST
    token: int = 0
    epoch: int = 0
    sent: int = -1
    came: int = -1
    retries: int = 0


class Stored(NamedTuple):
    """The record in the store. A claim is held while its holder may be alive, and left when it gave up."""

    token: int = 0
    epoch: int = 0
    out: bool = False
    holder: int = -1
    held: bool = False
    old: bool = False
    retries: int = 0
    spent: bool = False

    @property
    def claimed(self) -> bool:
        return self.holder >= 0


class Chances(NamedTuple):
    """How often each thing may still happen."""

    renewals: int
    logouts: int
    crashes: int = 0
    losses: int = 0
    overloads: int = 0
    lapses: int = 0
    logins: int = 0


class World(NamedTuple):
    """Everything there is, at one moment."""

    provider: int  # the refresh token that the provider would accept
    revoked: bool
    forgiven: bool  # the grace for the previous token was used
    stored: Stored
    lock: int
    processes: tuple[Process, ...]
    chances: Chances
    marks: frozenset[str] = frozenset()


class Design(NamedTuple):
    """What processes do, as switches. The defaults are what the code does."""

    name: str
    policy: Rotation = "strict"
    processes: int = 2
    grace: bool = False  # the provider forgives one reuse of the last token
    lock: bool = True
    reads_again: bool = True
    claims: bool = True
    claims_by_swap: bool = True
    stores_by_swap: bool = True
    compares_epochs: bool = True
    retries_always: bool = False
    clears_after_no: bool = True
    logout_cancels: bool = False
    tells_before_storing: bool = False
    chances: Chances = Chances(renewals=3, logouts=1)


class Result(NamedTuple):
    """What a walk found: how many worlds there are, and a shortest history for each thing that went wrong."""

    design: Design
    states: int
    findings: dict[str, tuple[str, ...]]

    @property
    def ok(self) -> bool:
        return not self.findings


Next = tuple[str, World]


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
    wrong: dict[str, World] = {}
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        following = list(_following(design, world))
        leads_to[world] = [each for _, each in following]
        for said in _judge(design, world, following):
            wrong.setdefault(said, world)
        for label, each in following:
            if each not in came_from:
                came_from[each] = (world, label)
                waiting.append(each)
    for world in _never_quiet(leads_to):
        wrong.setdefault("a live process can never come to rest", world)
        break
    return Result(design, len(came_from), {said: _history(came_from, world) for said, world in wrong.items()})


def _following(design: Design, world: World) -> Iterator[Next]:
    for number, process in enumerate(world.processes):
        yield from _act(design, world, number, process)
        yield from _suffer(design, world, number, process)
    yield from _pass_time(design, world)


# ── what a process does ──────────────────────────────────────────────────────────────────────────────


def _act(design: Design, world: World, number: int, process: Process) -> Iterator[Next]:
    if process.at is At.REST:
        yield from _at_rest(design, world, number, process)
    elif process.at is At.LOCK:
        yield from _at_lock(world, number, process)
    elif process.at is At.READ:
        yield from _at_read(design, world, number, process)
    elif process.at is At.CLAIM:
        yield from _at_claim(design, world, number, process)
    elif process.at is At.SEND:
        yield from _at_send(design, world, number, process)
    elif process.at is At.ANSWERED:
        yield from _at_answer(design, world, number, process)
    elif process.at is At.SILENCE:
        yield _conclude(design, world, number, process, Answer.SILENCE, "no answer")
    elif process.at is At.TOKENS:
        yield _at_tokens(design, world, number, process)
    elif process.at is At.OUT and world.stored.out and world.chances.logins:
        login = Stored(token=OTHER_LOGIN, epoch=world.stored.epoch + 1)
        fresh = Process(token=OTHER_LOGIN, epoch=login.epoch)
        yield (
            f"p{number}: somebody else signs in",
            _put(world, number, fresh, stored=login, provider=OTHER_LOGIN, revoked=False, spend="logins"),
        )


def _at_rest(design: Design, world: World, number: int, process: Process) -> Iterator[Next]:
    if not _is_same(design, world, process):
        yield f"p{number}: sees that its login is over", _put(world, number, _out(process))
    elif world.chances.renewals:
        at = At.LOCK if design.lock else At.READ
        yield f"p{number}: begins to renew", _put(world, number, process._replace(at=at), spend="renewals")


def _at_lock(world: World, number: int, process: Process) -> Iterator[Next]:
    holder_died = world.lock >= 0 and world.processes[world.lock].at is At.DEAD
    if world.lock < 0 or holder_died:
        yield f"p{number}: has the lock", _put(world, number, process._replace(at=At.READ), lock=number)
    elif world.chances.lapses and world.lock != number:
        moved = _put(world, number, process._replace(at=At.READ), lock=number, spend="lapses")
        yield f"p{number}: the lock lapsed; has it", moved
    yield f"p{number}: waits no longer for the lock", _put(world, number, process._replace(at=At.REST))


def _at_read(design: Design, world: World, number: int, process: Process) -> Iterator[Next]:
    view = _view(design, world, number, process)
    move = renewal.before_sending(view, design.policy)
    if move is Move.LEAVE:
        yield f"p{number}: reads that its login is over", _put(world, number, _out(process), release=True)
    elif move is Move.ADOPT:
        yield f"p{number}: adopts RT{world.stored.token}", _put(world, number, _adopted(world, process), release=True)
    elif move is Move.WAIT:
        yield f"p{number}: another one renews; waits", _put(world, number, process._replace(at=At.REST), release=True)
    elif move is Move.KEEP:
        final = not view.renewable or renewal.is_final(design.policy)
        stored = world.stored._replace(spent=True) if final else world.stored
        kept = process._replace(at=At.SPENT if final else At.REST)
        keeping = _put(world, number, kept, stored=stored, release=True)
        yield f"p{number}: RT{process.token} may be spent; does not present it", keeping
    else:
        retries = 0 if view.left is None or design.policy == "none" else view.retries + 1
        ready = process._replace(at=At.CLAIM, retries=retries, came=_stamp(world.stored))
        yield f"p{number}: may present RT{process.token}", _put(world, number, ready)


def _at_claim(design: Design, world: World, number: int, process: Process) -> Iterator[Next]:
    ready = process._replace(at=At.SEND, sent=process.token, came=-1)
    if not design.claims:
        yield f"p{number}: sends RT{process.token}", _put(world, number, ready)
    elif design.claims_by_swap and _stamp(world.stored) != process.came:
        yield f"p{number}: its claim lost the swap", _put(world, number, process._replace(at=At.READ, came=-1))
    elif world.stored.out or (world.stored.token != process.token and not design.claims_by_swap):
        yield f"p{number}: the record is not what it was", _put(world, number, process._replace(at=At.READ, came=-1))
    else:
        claim = world.stored._replace(holder=number, held=True, old=False, retries=process.retries)
        yield f"p{number}: claims RT{process.token}, sends it", _put(world, number, ready, stored=claim)


def _at_send(design: Design, world: World, number: int, process: Process) -> Iterator[Next]:
    sent = process.sent
    answered = process._replace(at=At.ANSWERED)
    if world.chances.overloads:
        yield _conclude(
            design, world._replace(chances=_less(world.chances, "overloads")), number, process,
            Answer.NOT_PROCESSED, "503, not processed",
        )  # fmt: skip
    if (world.provider >= OTHER_LOGIN) != (sent >= OTHER_LOGIN) or world.revoked:
        yield f"provider: refuses RT{sent} of p{number}", _put(world, number, answered._replace(came=-1))
    elif sent == world.provider:
        rotated = _put(world, number, answered._replace(came=sent + 1), provider=sent + 1, forgiven=False)
        yield f"provider: RT{sent} of p{number} becomes RT{sent + 1}", rotated
    elif design.grace and sent == world.provider - 1 and not world.forgiven:
        again = _put(world, number, answered._replace(came=world.provider), forgiven=True)
        yield f"provider: forgives RT{sent} of p{number}, RT{world.provider} again", again
    else:
        ended = _put(world, number, answered._replace(came=-1), revoked=True, mark="reuse")
        yield f"provider: REUSE of RT{sent} by p{number}, the login is revoked", ended


def _at_answer(design: Design, world: World, number: int, process: Process) -> Iterator[Next]:
    if world.chances.losses:
        silent = _put(world, number, process._replace(at=At.SILENCE, came=-1), spend="losses", mark="loss")
        yield f"net: the answer to p{number} is lost", silent
    if process.came >= 0:
        mark = "told" if design.tells_before_storing else ""
        yield f"p{number}: receives RT{process.came}", _put(world, number, process._replace(at=At.TOKENS), mark=mark)
        return
    view = _view(design, world, number, process._replace(token=process.sent))
    move = renewal.after_refusal(view)
    if move is Move.ADOPT:
        adopted = _put(world, number, _adopted(world, process), release=True)
        yield f"p{number}: refused, but RT{world.stored.token} is stored; adopts it", adopted
    elif move is Move.LEAVE:
        yield f"p{number}: refused, and its login is over", _put(world, number, _out(process), release=True)
    else:
        stored = _without_claim(world.stored)._replace(spent=True)
        spent = _put(world, number, process._replace(at=At.SPENT), stored=stored, release=True)
        yield f"p{number}: refused; gives RT{process.sent} up", spent


def _conclude(design: Design, world: World, number: int, process: Process, answer: Answer, why: str) -> Next:
    """No tokens came: again, later, or never."""
    move = renewal.after_answer(answer, design.policy, process.retries)
    if answer is Answer.SILENCE and design.retries_always:
        move = Move.RETRY
    stored = world.stored
    mine = not design.claims or (stored.holder == number and stored.held and stored.epoch == process.epoch)
    if not mine:
        return f"p{number}: {why}; its claim is gone", _put(world, number, process._replace(at=At.READ), release=False)
    if move is Move.RETRY:
        again = process._replace(at=At.SEND, retries=process.retries + 1)
        marked = stored._replace(retries=again.retries) if design.claims else stored
        return f"p{number}: {why}; sends RT{process.sent} again", _put(world, number, again, stored=marked)
    if move is Move.DEFER_CLAIMED or (answer is Answer.NOT_PROCESSED and not design.clears_after_no):
        left = stored._replace(held=False)
        final = renewal.is_final(design.policy)
        given_up = process._replace(at=At.SPENT if final else At.REST)
        kept = _put(world, number, given_up, stored=left._replace(spent=final), release=True)
        return f"p{number}: {why}; the claim stays", kept
    cleared = _put(world, number, process._replace(at=At.REST), stored=_without_claim(stored), release=True)
    return f"p{number}: {why}; tries later", cleared


def _at_tokens(design: Design, world: World, number: int, process: Process) -> Next:
    stored = world.stored
    view = _view(design, world, number, process._replace(token=process.sent))
    move = Move.STORE if not design.stores_by_swap else renewal.after_lost_swap(view)
    if move is Move.DISCARD:
        after = _out(process) if not view.same else _adopted(world, process)
        return f"p{number}: RT{process.came} cannot be stored", _put(world, number, after, release=True)
    mark = ""
    if stored.out or (design.compares_epochs and stored.epoch != process.epoch):
        mark = "resurrected"
    elif stored.token > process.came:
        mark = "overwritten"
    made = Stored(token=process.came, epoch=stored.epoch)
    renewed = Process(token=process.came, epoch=stored.epoch)
    return f"p{number}: stores RT{process.came}", _put(world, number, renewed, stored=made, release=True, mark=mark)


# ── what happens to it ───────────────────────────────────────────────────────────────────────────────


def _suffer(design: Design, world: World, number: int, process: Process) -> Iterator[Next]:
    if process.at not in (At.DEAD, At.OUT) and world.chances.logouts and not world.stored.out:
        tombstone = Stored(token=-1, epoch=world.stored.epoch + 1, out=True)
        if process.at in (At.REST, At.SPENT):
            out = _put(world, number, _out(process), stored=tombstone, spend="logouts")
            yield f"p{number}: logout", out
        elif design.logout_cancels and process.at in _FLYING:
            lost = "orphan" if process.at in (At.ANSWERED, At.TOKENS) and process.came >= 0 else ""
            out = _put(world, number, _out(process), stored=tombstone, spend="logouts", release=True, mark=lost)
            yield f"p{number}: logout cancels the renewal in flight", out
        else:
            fenced = _put(world, number, process, stored=tombstone, spend="logouts")
            yield f"p{number}: logout during {process.at}", fenced
    if process.at not in (At.DEAD, At.OUT, At.SPENT) and world.chances.crashes:
        dead = _put(world, number, process._replace(at=At.DEAD), spend="crashes", mark="crash")
        yield f"p{number}: dies in {process.at}", dead


def _pass_time(design: Design, world: World) -> Iterator[Next]:
    stored = world.stored
    if not stored.claimed:
        return
    if stored.held and world.processes[stored.holder].at not in _FLYING:
        yield "time: the lease of a dead claim lapses", world._replace(stored=stored._replace(held=False, old=True))
    elif not stored.held and not stored.old:
        yield "time: the claim grows old", world._replace(stored=stored._replace(old=True))


# ── judging ──────────────────────────────────────────────────────────────────────────────────────────


def _judge(design: Design, world: World, following: list[Next]) -> Iterator[str]:
    calm = not world.marks & {"loss", "crash"}
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
    flying = [each.sent for each in world.processes if each.at in (At.SEND, At.ANSWERED)]
    if len(flying) != len(set(flying)):
        yield "the same refresh token is on the wire twice"
    for _, after in following:
        for before, then in zip(world.processes, after.processes, strict=True):
            if before.at not in (At.OUT, At.DEAD) and then.at is At.REST and then.epoch != before.epoch:
                yield "a session became another login's without a word"
    if calm and any(each.at is At.SPENT for each in world.processes):
        yield "a user must sign in again although nothing was lost"
    alive = [each for each in world.processes if each.at is not At.DEAD]
    if not following and any(each.at not in _QUIET for each in alive):
        yield "a live process is stuck"


def _never_quiet(leads_to: dict[World, list[World]]) -> list[World]:
    """The worlds from which no quiet one can be reached."""
    comes_from: dict[World, list[World]] = {}
    for world, following in leads_to.items():
        for each in following:
            comes_from.setdefault(each, []).append(world)
    good = {world for world in leads_to if all(each.at in _QUIET for each in world.processes)}
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


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────


def _view(design: Design, world: World, number: int, process: Process) -> View:
    """What `process` sees; a design that does not read again sees what it believed."""
    stored = world.stored
    if not design.reads_again and process.at is At.READ:
        return View(same=True, newer=False, renewable=True, held=False, left=None, retries=0, token_lives=True)
    left = None
    if design.claims and stored.claimed and not (stored.held and stored.holder == number):
        left = OLD if stored.old else 0.0
    return View(
        same=_is_same(design, world, process),
        newer=not stored.out and stored.token > process.token,
        renewable=not stored.spent,
        held=design.claims and design.claims_by_swap and stored.held and stored.holder != number,
        left=left if not (stored.held and design.claims_by_swap) else None,
        retries=stored.retries,
        token_lives=True,
    )


def _is_same(design: Design, world: World, process: Process) -> bool:
    return not world.stored.out and (world.stored.epoch == process.epoch or not design.compares_epochs)


def _stamp(stored: Stored) -> int:
    """Stands for the record's version: equal as long as nobody wrote."""
    return hash(stored)


def _without_claim(stored: Stored) -> Stored:
    return stored._replace(holder=-1, held=False, old=False, retries=0)


def _out(process: Process) -> Process:
    return Process(at=At.OUT, token=-1, epoch=process.epoch)


def _adopted(world: World, process: Process) -> Process:
    return Process(token=world.stored.token, epoch=world.stored.epoch)


def _less(chances: Chances, name: str) -> Chances:
    return chances._replace(**{name: getattr(chances, name) - 1})


def _put(
    world: World,
    number: int,
    process: Process,
    *,
    stored: Stored | None = None,
    provider: int | None = None,
    revoked: bool | None = None,
    forgiven: bool | None = None,
    lock: int | None = None,
    release: bool = False,
    spend: str = "",
    mark: str = "",
) -> World:
    processes = (*world.processes[:number], process, *world.processes[number + 1 :])
    held = world.lock if lock is None else lock
    return World(
        provider=world.provider if provider is None else provider,
        revoked=world.revoked if revoked is None else revoked,
        forgiven=world.forgiven if forgiven is None else forgiven,
        stored=world.stored if stored is None else stored,
        lock=-1 if release and held == number else held,
        processes=processes,
        chances=_less(world.chances, spend) if spend else world.chances,
        marks=world.marks | {mark} if mark else world.marks,
    )


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


# ── the designs ──────────────────────────────────────────────────────────────────────────────────────

_HARD: Final = Chances(renewals=3, logouts=1, crashes=1, losses=1, logins=1)

DESIGNS: Final = (
    Design("strict provider; crash, lost answer, another login", chances=_HARD),
    Design("strict provider, three processes", processes=3, chances=_HARD._replace(logins=0)),
    Design("strict provider, the lock lapses", chances=_HARD._replace(lapses=2)),
    Design("strict provider, no lock at all, three processes", processes=3, lock=False,
           chances=_HARD._replace(logins=0)),
    Design("strict provider, 503 and crash", chances=_HARD._replace(overloads=1)),
    Design("provider with a grace, policy grace", policy="grace", grace=True, chances=_HARD),
    Design("provider with a grace, policy unknown", policy="unknown", grace=True, chances=_HARD),
)  # fmt: skip

_EASY: Final = Chances(renewals=3, logouts=1)

FLAWED: Final = (
    Design("no lock, no second look, no swap", lock=False, reads_again=False, claims=False, stores_by_swap=False,
           chances=_EASY),
    Design("a lock around the request only", reads_again=False, claims=False, stores_by_swap=False, chances=_EASY),
    Design("lock and second look, but stored without a swap", claims=False, stores_by_swap=False, chances=_EASY),
    Design("no lock and no claim, only a guarded store", lock=False, claims=False, chances=_EASY),
    Design("a logout that cancels the renewal in flight", logout_cancels=True, chances=_EASY),
    Design("told before it is stored", tells_before_storing=True, chances=_EASY),
    Design("a lock that lapses, and no claim", claims=False, chances=_EASY._replace(lapses=1)),
    Design("a lost answer asked for again, strict provider", retries_always=True, chances=_EASY._replace(losses=1)),
    Design("a claim that is written without a swap, the lock lapses", claims_by_swap=False,
           chances=_EASY._replace(lapses=1)),
    Design("a claim left standing after a 503", clears_after_no=False, chances=_EASY._replace(overloads=1)),
    Design("another login adopted as one's own", compares_epochs=False, chances=_EASY._replace(logins=1)),
)  # fmt: skip
