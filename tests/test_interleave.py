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


@pytest.mark.parametrize("design", FLAWED, ids=lambda design: design.name)
def test_each_flawed_design_is_refuted_with_a_history(design: Design) -> None:
    result = explore(design)
    assert result.findings
    for said, history in result.findings.items():
        assert len(history) >= 3, said
    assert "1. p" in told(result, should_hold=False)


def refuted(design: Design = DESIGNS[0]) -> set[str]:
    return set(explore(design).findings)


def test_it_walks_the_functions_that_the_sessions_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each decision, spoiled in `renewal` itself, is found."""
    honest = renewal.before_sending

    def presents_what_may_be_spent(view: renewal.View, policy: str) -> Move:
        move = honest(view, policy)  # type: ignore[arg-type]
        return Move.CLAIM if move is Move.KEEP else move

    monkeypatch.setattr(renewal, "before_sending", presents_what_may_be_spent)
    assert "a refresh token was presented twice: the provider ended the login" in refuted()


def test_a_process_that_does_not_wait_for_another_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = renewal.before_sending
    monkeypatch.setattr(
        renewal, "before_sending", lambda view, policy: honest(view._replace(held=False), policy)
    )
    assert "the same refresh token is on the wire twice" in refuted(DESIGNS[3])


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
    honest = renewal.after_lost_swap
    monkeypatch.setattr(renewal, "after_lost_swap", lambda view: Move.STORE)
    assert "tokens were stored after the logout" in refuted()
    monkeypatch.setattr(renewal, "after_lost_swap", honest)


def test_the_walk_needs_no_more_than_the_rules() -> None:
    """Pure: importing the checker brings no network, no machine and no signals."""
    for part in (designs, moves, walk, world):
        assert {"httpx", "transitions", "blinker"}.isdisjoint(vars(part))
