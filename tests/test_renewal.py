"""When a token is renewed, and what each answer means for it: decisions, without a network or a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.chart import State
from authflow.errors import (
    AuthflowError,
    ConnectFailed,
    DeadlineExceeded,
    InvalidClient,
    InvalidGrant,
    InvalidScope,
    LoginRequired,
    MissingEndpoint,
    RedirectRefused,
    ResponseInvalid,
    Sent,
    ServerError,
    ServiceUnavailable,
    oauth_error,
)
from authflow.records import Claim, SessionRecord, Token
from authflow.renewal import (
    FOREVER,
    LONGEST_PAUSE,
    REST,
    Answer,
    Move,
    View,
    after_answer,
    after_lost_swap,
    after_refusal,
    before_sending,
    classify,
    is_final,
    pause,
    renew_ahead_at,
    renew_at,
    view_of,
)

NOW = 1_800_000_000.0
POLICIES = ("none", "grace", "strict", "unknown")


def record(lifetime: float | None = 3600.0, **changes: object) -> SessionRecord:
    end = None if lifetime is None else NOW + lifetime
    token = Token("at", expires_in=lifetime, expires_at=end, refresh_token="rt")
    facts = {"state": State.AUTHENTICATED, "epoch": 1, "generation": 1, "token": token, **changes}
    return SessionRecord(**facts)  # type: ignore[arg-type]


# ── when ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("lifetime", "margin"),
    [(3600, 300), (86_400, 300), (1800, 180), (600, 60), (300, 30), (200, 30), (150, 30), (100, 20), (10, 2), (1, 0.2)],
)
def test_the_margin_is_a_tenth_between_30_s_and_5_min_and_at_most_a_fifth(lifetime: float, margin: float) -> None:
    assert renew_at(record(lifetime)) == pytest.approx(NOW + lifetime - margin)


def test_jitter_takes_up_to_a_fifth_of_the_margin_away() -> None:
    assert renew_at(record(3600), jitter=1.0) == pytest.approx(NOW + 3600 - 240)


@given(st.floats(1, 1e6), st.floats(0, 1))
def test_a_token_is_renewed_in_the_last_fifth_of_its_life_and_before_its_end(lifetime: float, jitter: float) -> None:
    due = renew_at(record(lifetime), jitter)
    assert NOW + 0.8 * lifetime - 1e-3 <= due < NOW + lifetime


def test_the_servers_refresh_in_wins() -> None:
    assert renew_at(record(3600, refresh_at=NOW + 100), jitter=0.5) == NOW + 100


def test_a_refresh_in_after_the_end_is_ignored() -> None:
    assert renew_at(record(3600, refresh_at=NOW + 9999)) == NOW + 3300


@pytest.mark.parametrize(("lifetime", "least"), [(3600, 30), (100, 10), (1, 0.1), (0, 0)])
def test_a_server_that_wants_it_renewed_at_once_is_asked_after_a_while(lifetime: float, least: float) -> None:
    for refresh_at in (NOW, NOW - 1e9, NOW + 1e-9):
        assert renew_at(record(lifetime, refresh_at=refresh_at)) == pytest.approx(NOW + least)


@given(st.floats(-1e18, 1e18), st.one_of(st.none(), st.floats(-1e18, 1e18)), st.floats(0, 1))
def test_unasked_nothing_is_renewed_within_a_second(lifetime: float, refresh_in: float | None, jitter: float) -> None:
    at = None if refresh_in is None else NOW + refresh_in
    token = Token("at", expires_in=max(lifetime, 0.0), expires_at=NOW + max(lifetime, 0.0), refresh_token="rt")
    assert renew_ahead_at(record(token=token, refresh_at=at), jitter) >= NOW + REST - 1e-3 * max(1.0, abs(lifetime))


def test_a_token_without_an_end_and_no_token_are_never_renewed() -> None:
    for when in (renew_at, renew_ahead_at):
        assert when(record(None)) == FOREVER
        assert when(SessionRecord()) == FOREVER


def test_a_token_that_does_not_say_how_long_it_lives_is_renewed_at_its_end() -> None:
    assert renew_at(record(token=Token("at", expires_at=NOW + 50))) == NOW + 50


@pytest.mark.parametrize(("failures", "longest"), [(0, 1), (1, 2), (5, 32), (8, 256), (9, 300), (10_000, 300)])
def test_the_pause_doubles_up_to_five_minutes(failures: int, longest: float) -> None:
    assert pause(failures, 1.0, None) == longest
    assert pause(failures, 0.0, None) == 0.0


@pytest.mark.parametrize(("asked", "given"), [(7.0, 7.0), (0.0, 0.5), (-5.0, 0.5), (86_400.0, LONGEST_PAUSE)])
def test_retry_after_is_a_floor_and_is_capped(asked: float, given: float) -> None:
    assert pause(0, 0.5, asked) == given


# ── what an answer tells ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (InvalidGrant("no"), Answer.REFUSED),
        (LoginRequired("no"), Answer.REFUSED),
        (InvalidClient("no"), Answer.CONFIGURATION),
        (InvalidScope("no"), Answer.CONFIGURATION),
        (oauth_error("unsupported_grant_type"), Answer.CONFIGURATION),
        (MissingEndpoint("no"), Answer.CONFIGURATION),
        (RedirectRefused("no"), Answer.CONFIGURATION),
        (ServiceUnavailable("busy", sent=Sent.YES), Answer.NOT_PROCESSED),
        (ServiceUnavailable("a gateway's", sent=Sent.UNKNOWN), Answer.SILENCE),
        (oauth_error("temporarily_unavailable"), Answer.NOT_PROCESSED),
        (oauth_error("something_of_its_own"), Answer.NOT_PROCESSED),
        (ConnectFailed("no", sent=Sent.NO), Answer.NOT_PROCESSED),
        (ServerError("broken", sent=Sent.UNKNOWN), Answer.SILENCE),
        (DeadlineExceeded("late", sent=Sent.UNKNOWN), Answer.SILENCE),
        (ConnectFailed("cut", sent=Sent.UNKNOWN), Answer.SILENCE),
        (ResponseInvalid("HTML"), Answer.SILENCE),
    ],
    ids=lambda value: value if isinstance(value, Answer) else f"{type(value).__name__} {value.code} {value.sent}",
)
def test_what_an_answer_tells_about_the_refresh_token(error: AuthflowError, answer: Answer) -> None:
    assert classify(error) is answer


@pytest.mark.parametrize("policy", POLICIES)
def test_tokens_are_stored_and_a_clear_no_clears_the_claim(policy: str) -> None:
    assert after_answer(Answer.TOKENS, policy, 0) is Move.STORE  # type: ignore[arg-type]
    for answer in (Answer.NOT_PROCESSED, Answer.CONFIGURATION):
        assert after_answer(answer, policy, 0) is Move.DEFER  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "retries", "move"),
    [
        ("none", 0, Move.DEFER),
        ("strict", 0, Move.DEFER_CLAIMED),
        ("grace", 0, Move.RETRY),
        ("grace", 1, Move.DEFER_CLAIMED),
        ("unknown", 0, Move.RETRY),
        ("unknown", 1, Move.DEFER_CLAIMED),
    ],
)
def test_a108_after_silence_the_token_is_presented_again_at_most_once_and_never_where_reuse_is_punished(
    policy: str, retries: int, move: Move
) -> None:
    assert after_answer(Answer.SILENCE, policy, retries) is move  # type: ignore[arg-type]


def view(**changes: object) -> View:
    facts: dict[str, object] = {
        "same": True, "newer": False, "renewable": True, "held": False, "left": None, "retries": 0, "token_lives": True,
    }  # fmt: skip
    return View(**{**facts, **changes})  # type: ignore[arg-type]


# ── before the request ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("changes", "move"),
    [
        ({}, Move.CLAIM),
        ({"same": False}, Move.LEAVE),
        ({"same": False, "newer": True}, Move.LEAVE),
        ({"newer": True}, Move.ADOPT),
        ({"newer": True, "held": True}, Move.ADOPT),
        ({"held": True}, Move.WAIT),
        ({"renewable": False}, Move.KEEP),
    ],
    ids=repr,
)
def test_the_store_is_asked_first(policy: str, changes: dict[str, object], move: Move) -> None:
    assert before_sending(view(**changes), policy) is move  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "changes", "move"),
    [
        ("none", {"left": 1.0}, Move.CLAIM),
        ("none", {"left": 9999.0, "retries": 5}, Move.CLAIM),
        ("strict", {"left": 0.0}, Move.KEEP),
        ("strict", {"left": 9999.0, "token_lives": False}, Move.KEEP),
        ("grace", {"left": 1.0}, Move.CLAIM),
        ("grace", {"left": 1.0, "retries": 1}, Move.KEEP),
        ("unknown", {"left": 20.0}, Move.CLAIM),
        ("unknown", {"left": 21.0}, Move.KEEP),
        ("unknown", {"left": 21.0, "token_lives": False}, Move.CLAIM),
        ("unknown", {"left": 1.0, "retries": 1}, Move.KEEP),
        ("unknown", {"left": 1.0, "token_lives": False, "retries": 9}, Move.CLAIM),
        ("grace", {"left": 1.0, "token_lives": False, "retries": 1}, Move.CLAIM),
    ],
)
def test_a_claim_that_nobody_ended_is_judged_by_what_the_provider_does_with_reuse(
    policy: str, changes: dict[str, object], move: Move
) -> None:
    assert before_sending(view(**changes), policy) is move  # type: ignore[arg-type]


@given(st.floats(0, 1e6), st.integers(0, 5), st.booleans())
def test_a_token_that_may_be_spent_is_never_presented_to_a_strict_provider(
    left: float, retries: int, token_lives: bool
) -> None:
    may_be_spent = view(left=left, retries=retries, token_lives=token_lives)
    assert before_sending(may_be_spent, "strict") is Move.KEEP
    assert is_final("strict")
    assert after_answer(Answer.SILENCE, "strict", retries) is Move.DEFER_CLAIMED


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "strict"])
@given(left=st.floats(0, 1e6), retries=st.integers(0, 9))
def test_elsewhere_a_session_whose_access_token_is_dead_always_gets_another_try(
    policy: str, left: float, retries: int
) -> None:
    dead = view(left=left, retries=retries, token_lives=False)
    assert not is_final(policy)  # type: ignore[arg-type]
    assert before_sending(dead, policy) is Move.CLAIM  # type: ignore[arg-type]


# ── after the request ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "move"),
    [
        ({}, Move.DEFER),
        ({"token_lives": False}, Move.REVOKE),
        ({"newer": True, "token_lives": False}, Move.ADOPT),
        ({"same": False, "token_lives": False}, Move.LEAVE),
    ],
    ids=repr,
)
def test_a_refusal_ends_only_a_login_that_nobody_else_renewed(changes: dict[str, object], move: Move) -> None:
    assert after_refusal(view(**changes)) is move


@pytest.mark.parametrize(
    ("changes", "move"),
    [
        ({}, Move.STORE),
        ({"held": True}, Move.STORE),
        ({"newer": True}, Move.ADOPT),
        ({"same": False}, Move.DISCARD),
        ({"same": False, "newer": True}, Move.DISCARD),
    ],
    ids=repr,
)
def test_new_tokens_go_to_the_login_they_belong_to_and_to_no_other(changes: dict[str, object], move: Move) -> None:
    assert after_lost_swap(view(**changes)) is move


# ── what a process sees ──────────────────────────────────────────────────────────────────────────────


def test_the_same_login_is_the_same_epoch_and_the_same_human() -> None:
    asked = record(issuer="https://op.example", subject="ada")
    assert view_of(asked, asked, NOW, "me").same
    others = ({"epoch": 2}, {"subject": "grace"}, {"issuer": "https://evil.example"}, {"state": State.LOGGED_OUT})
    for changes in others:
        other = record(**{"issuer": "https://op.example", "subject": "ada", **changes})
        assert not view_of(other, asked, NOW, "me").same


@pytest.mark.parametrize(
    ("refresher", "deadline", "held"), [("them", NOW + 1, True), ("them", NOW, False), ("me", NOW + 1, False)]
)
def test_a_token_is_held_by_another_process_while_its_lease_runs(refresher: str, deadline: float, held: bool) -> None:
    stored = record(state=State.REFRESHING, refresher=refresher, deadline=deadline, claim=Claim(at=NOW - 5))
    seen = view_of(stored, stored, NOW, "me")
    assert seen.held is held
    assert seen.left == 5.0


def test_a_claim_from_the_future_is_a_claim_of_now() -> None:
    stored = record(claim=Claim(at=NOW + 3600, retries=1))
    seen = view_of(stored, stored, NOW, "me")
    assert (seen.left, seen.retries) == (0.0, 1)


def test_a_token_lives_until_its_end_and_one_without_an_end_always() -> None:
    assert view_of(record(10), record(10), NOW + 9, "me").token_lives
    assert not view_of(record(10), record(10), NOW + 10, "me").token_lives
    assert view_of(record(None), record(None), NOW + 1e9, "me").token_lives
