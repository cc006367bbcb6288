"""What can happen next in a world: each process goes on, or something happens to it, or time passes.

Rule: what a process decides, it decides by `renewal.py`. Only where it stands, and what it has, is told here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from .. import renewal
from ..errors import Sent, ServiceUnavailable
from ..renewal import Answer, Move, View
from .world import FLYING, OLD, OTHER_LOGIN, At, Chances, Design, Process, Stored, World

Next = tuple[str, World]

_BUSY: Final = ServiceUnavailable("The provider says when to come back.", sent=Sent.YES, retry_after=1.0)
_GATEWAY: Final = ServiceUnavailable("Something in between says so, after the provider's answer.", sent=Sent.UNKNOWN)


def what_follows(design: Design, world: World) -> Iterator[Next]:
    """Each next world, and what led to it."""
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
            renewal.classify(_BUSY), "503, not processed",
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
    if world.chances.overloads:
        bare = _put(world, number, process._replace(came=-1), spend="overloads", mark="loss")
        yield _conclude(
            design, bare, number, process._replace(came=-1), renewal.classify(_GATEWAY), "a gateway's 503"
        )
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
    won = not design.stores_by_swap or (design.claims and stored.held and stored.holder == number)
    move = Move.STORE if won else renewal.after_lost_swap(view)
    if move is Move.ADOPT:
        adopted = _put(world, number, _adopted(world, process), release=True)
        return f"p{number}: RT{process.came} is here, but RT{stored.token} is stored; adopts it", adopted
    if move is Move.DISCARD and view.same:
        kept = _put(world, number, _adopted(world, process), revoked=True, release=True, mark="discarded")
        return f"p{number}: revokes RT{process.came}, and with it the login", kept
    if move is Move.DISCARD:
        return f"p{number}: RT{process.came} cannot be stored", _put(world, number, _out(process), release=True)
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
        elif design.logout_cancels and process.at in FLYING:
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
    if stored.held and world.processes[stored.holder].at not in FLYING:
        yield "time: the lease of a dead claim lapses", world._replace(stored=stored._replace(held=False, old=True))
    elif stored.held and world.chances.delays:
        late = world._replace(stored=stored._replace(held=False), chances=_less(world.chances, "delays"))
        yield f"time: the lease of p{stored.holder} lapses in {world.processes[stored.holder].at}", late._replace(
            marks=late.marks | {"late"}
        )
    elif not stored.held and not stored.old:
        yield "time: the claim grows old", world._replace(stored=stored._replace(old=True))


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
