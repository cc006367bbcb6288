"""A trace as text: a headline that says how it ended, then a line for each step."""

from __future__ import annotations

import pytest

from authflow.errors import ErrorInfo
from authflow.trace.story import Call, Story, Trace, Transition
from authflow.trace.table import moment, render

from .examples import EXAMPLES, FAILED_LOGIN, LOGIN, REFRESH_ELSEWHERE


def test_a_login_is_told_step_by_step() -> None:
    lines = render(LOGIN).splitlines()
    assert lines[0] == "login of acme at accounts.example.com (authorization code, PKCE): done, by authenticate"
    assert lines[1].endswith("2.41 s in all, 2.12 s of it the human's")
    assert any("waited 2.12 s for the human" in line for line in lines)
    assert any("✓ nonce of the ID token" in line for line in lines)


def test_a_failed_login_says_which_check_failed_and_what_to_do() -> None:
    text = render(FAILED_LOGIN)
    assert "\nerror: The ID token's nonce is not that of this login.\n" in text
    assert "\nwhat to do: The answer may be another login's; begin again.\n" in text
    assert "✗ nonce of the ID token  expected •••e09d, got •••3c11" in text


def test_another_process_is_named() -> None:
    text = render(REFRESH_ELSEWHERE)
    assert "by process 4be1c07d" in text
    assert "for the other process" in text


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_step_has_its_line(name: str) -> None:
    trace = EXAMPLES[name]
    told = [line for line in render(trace).splitlines() if line.lstrip().startswith("+")]
    assert len(told) == sum(len(story.steps) for story in trace.stories)


def test_nothing_in_a_trace_moves_a_terminals_cursor() -> None:
    step = Transition(0.0, "\x1b[2J", "idle\r", "\x07")
    text = render(Trace(stories=(Story("a", "login\x1b", "acme\x1b[31m", 0.0, steps=(step,)),)))
    assert not [ch for ch in text if ch != "\n" and not ch.isprintable()]


def test_an_empty_trace_says_so() -> None:
    assert render(Trace()) == "The trace is empty.\n"


@pytest.mark.parametrize("began", [1e300, -1e18, 1e12])
def test_a_time_that_no_calendar_has_is_told_as_that(began: float) -> None:
    assert moment(began) == ""
    text = render(Trace(stories=(Story("a", "login", "acme", began),)))
    assert text.splitlines()[1].startswith("began at a time that no calendar has; ")


def test_a_long_step_goes_on_in_lines_below_and_nothing_of_it_is_left_out() -> None:
    told = {f"member{number}": "x" * 30 for number in range(20)} | {"last": "word" * 50}
    steps = (Call(0.5, "POST", "acme.example", "/token", 0.1, sent=told, status=200), Transition(1.0, "a", "b", "c"))
    lines = render(Trace(stories=(Story("a", "login", "acme", 0.0, steps=steps),))).splitlines()
    step = lines[3:-1]
    assert " ".join(line.strip() for line in step).split("sent ")[1].split() == [f"{a}={b}" for a, b in told.items()]
    assert all(line.startswith(" " * 18) for line in step[1:])
    assert all(len(line) <= 100 for line in step if "last" not in line)
    assert lines[-1].endswith("b → c  a")


def test_an_errors_words_are_not_cut() -> None:
    said = " ".join(f"word{number}" for number in range(140))
    failed = Transition(0.0, "fail", "exchanging", "idle", error=ErrorInfo("x", said, hint=said))
    text = render(Trace(stories=(Story("a", "login", "acme", 0.0, outcome="fail", steps=(failed,)),)))
    assert f"error: {said}\n" in text
    assert f"what to do: {said}\n" in text
