"""The refresh protocol holds in every interleaving, and the checker would see it if it did not."""

from __future__ import annotations

import pytest

from authflow import renewal
from authflow.interleave import DESIGNS, FLAWED, Design, designs, explore, moves, told, walk, world
from authflow.renewal import Answer, Move


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_a110_the_design_holds_in_every_interleaving(design: Design) -> None:
    result = explore(design)
    assert result.findings == {}
    assert result.states > 2_000


REUSED = "a refresh token was presented twice: the provider ended the login"
TWICE_ON_THE_WIRE = "the same refresh token is on the wire twice"
AFTER_THE_LOGOUT = "tokens were stored after the logout"
NOTHING_LOST = "a user must sign in again although nothing was lost"
OVERWRITTEN = "an older token overwrote a newer one"
REVOKED = "the tokens of a live session were revoked"

SHOWS = {
    "no lock, no second look, no swap": (AFTER_THE_LOGOUT, "p0: stores RT1"),
    "a lock around the request only": (AFTER_THE_LOGOUT, "p0: stores RT1"),
    "lock and second look, but stored without a swap": (AFTER_THE_LOGOUT, "p0: stores RT1"),
    "no lock and no claim, only a guarded store": (TWICE_ON_THE_WIRE, "p1: sends RT0"),
    "a logout that cancels the renewal in flight": (
        "live tokens are neither stored nor revoked", "p0: logout cancels the renewal in flight",
    ),
    "told before it is stored": ("a renewal was told that will never be stored", "p0: logout during tokens"),
    "a lock that lapses, and no claim": (TWICE_ON_THE_WIRE, "p1: sends RT0"),
    "a lost answer asked for again, strict provider": (
        REUSED, "provider: REUSE of RT0 by p0, the login is revoked",
    ),
    "a claim that is written without a swap, the lock lapses": (TWICE_ON_THE_WIRE, "p1: claims RT0, sends it"),
    "a claim left standing after a 503": (NOTHING_LOST, "p0: 503, not processed; the claim stays"),
    "another login adopted as one's own": (
        "a session became another login's without a word", "p0: adopts RT100",
    ),
}  # fmt: skip


@pytest.mark.parametrize("design", FLAWED, ids=lambda design: design.name)
def test_each_flawed_design_is_refuted_for_its_flaw_with_a_history_that_ends_in_it(design: Design) -> None:
    result = explore(design)
    finding, last = SHOWS[design.name]
    assert result.findings[finding][-1] == last
    for said, history in result.findings.items():
        assert len(history) >= 3, said
    assert "1. p" in told(result, should_hold=False)


def named(name: str) -> Design:
    (found,) = [design for design in DESIGNS if design.name == name]
    return found


LATE = "provider with a grace, no lock, an answer comes after the lease"


def refuted(design: Design = DESIGNS[0]) -> set[str]:
    return set(explore(design).findings)


def test_it_walks_the_functions_that_the_sessions_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each decision, spoiled in `renewal` itself, is found."""
    honest = renewal.before_sending

    def presents_what_may_be_spent(view: renewal.View, policy: str) -> Move:
        move = honest(view, policy)  # type: ignore[arg-type]
        return Move.CLAIM if move is Move.KEEP else move

    monkeypatch.setattr(renewal, "before_sending", presents_what_may_be_spent)
    assert REUSED in refuted()


def test_a_process_that_does_not_wait_for_another_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = renewal.before_sending
    monkeypatch.setattr(
        renewal, "before_sending", lambda view, policy: honest(view._replace(held=False), policy)
    )
    assert TWICE_ON_THE_WIRE in refuted(DESIGNS[3])


def test_a_strict_provider_that_is_asked_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = renewal.after_answer
    monkeypatch.setattr(
        renewal,
        "after_answer",
        lambda answer, policy, retries: Move.RETRY
        if answer is Answer.SILENCE
        else honest(answer, policy, retries),
    )
    assert refuted()


def test_a_refusal_that_is_believed_without_reading_again_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = renewal.after_refusal
    monkeypatch.setattr(renewal, "after_refusal", lambda view: honest(view._replace(same=True, newer=False)))
    assert NOTHING_LOST in refuted()


def test_tokens_stored_over_a_logout_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "after_lost_swap", lambda view: Move.STORE)
    assert AFTER_THE_LOGOUT in refuted()


def test_tokens_stored_over_newer_ones_of_the_same_login_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "after_lost_swap", lambda view: Move.STORE if view.same else Move.DISCARD)
    assert OVERWRITTEN in refuted(named(LATE))


@pytest.mark.parametrize("newer", [True, False])
def test_tokens_of_a_live_login_that_are_revoked_because_somebody_wrote_first_are_found(
    monkeypatch: pytest.MonkeyPatch, newer: bool
) -> None:
    honest = renewal.after_lost_swap
    monkeypatch.setattr(
        renewal,
        "after_lost_swap",
        lambda view: Move.DISCARD if view.newer is newer else honest(view),
    )
    assert REVOKED in refuted(named(LATE))


def test_a_bare_503_that_is_taken_for_a_clear_no_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "classify", lambda error: Answer.NOT_PROCESSED)
    assert REUSED in refuted(named("strict provider, 503 and crash"))


def test_the_walk_needs_no_more_than_the_rules() -> None:
    """Pure: importing the checker brings no network, no machine and no signals."""
    for part in (designs, moves, walk, world):
        assert {"httpx", "transitions", "blinker"}.isdisjoint(vars(part))
