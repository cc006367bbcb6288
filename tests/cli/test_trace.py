"""`authflow trace`, as typed."""

from __future__ import annotations

import stat
from pathlib import Path

from msgspec.structs import replace

from authflow.trace.story import Trace, Transition
from tests.trace.examples import FAILED_LOGIN, LOGIN

from .conftest import configure


def test_a_file_is_shown_step_by_step(authflow, tmp_path: Path) -> None:
    LOGIN.save(tmp_path / "one.json")
    told = authflow("trace", "show", "one.json")
    assert told.returncode == 0, told.stderr
    assert "waited 2.12 s for the human" in told.stdout


def test_a_file_that_is_no_trace_is_refused_in_one_line(authflow, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{}")
    told = authflow("trace", "show", "one.json")
    assert told.returncode == 1
    assert "This is no trace that can be read" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_replay_that_comes_out_the_same_is_exit_0(authflow, tmp_path: Path) -> None:
    LOGIN.save(tmp_path / "one.json")
    told = authflow("trace", "replay", "one.json")
    assert told.returncode == 0, told.stderr
    assert "decisions" in told.stdout


def test_a_divergence_is_shown_and_is_exit_1(authflow, tmp_path: Path) -> None:
    text = LOGIN.to_json().replace('"trigger": "callback"', '"trigger": "refresh"')
    (tmp_path / "one.json").write_text(text, encoding="utf-8")
    told = authflow("trace", "replay", "one.json")
    assert told.returncode == 1
    assert "refused: InvalidTransition" in told.stderr


def test_steps_that_tell_too_little_are_looked_up_in_the_chart_and_counted_apart(authflow, tmp_path: Path) -> None:
    (story,) = LOGIN.stories
    steps = tuple(replace(one, given=None) if isinstance(one, Transition) else one for one in story.steps)
    Trace(stories=(replace(story, steps=steps),)).save(tmp_path / "one.json")
    told = authflow("trace", "replay", "one.json")
    assert (told.returncode, told.stdout) == (0, "0 decisions, all as they were.\n"), told.stderr
    assert f"{len(story.transitions)} steps tell too little" in told.stderr

    text = (tmp_path / "one.json").read_text().replace('"source": "exchanging"', '"source": "logged_out"')
    (tmp_path / "one.json").write_text(text)
    told = authflow("trace", "replay", "one.json")
    assert told.returncode == 1
    assert "logged_out → authenticated by authenticate, and is now not on the chart" in told.stderr


def test_a_time_that_no_calendar_has_is_no_traceback(authflow, tmp_path: Path) -> None:
    (story,) = LOGIN.stories
    Trace(stories=(replace(story, began=1e300),)).save(tmp_path / "one.json")
    told = authflow("trace", "show", "one.json")
    assert told.returncode == 0, told.stderr
    assert "at a time that no calendar has" in told.stdout


def test_a_page_is_made_and_opened_in_the_browser(authflow, tmp_path: Path) -> None:
    FAILED_LOGIN.save(tmp_path / "one.json")
    script = tmp_path / "browser"
    script.write_text('#!/bin/sh\necho "$@" > "$OPENED"\n')
    script.chmod(0o755)
    env = {"BROWSER": str(script), "OPENED": str(tmp_path / "opened"), "XDG_STATE_HOME": str(tmp_path / "state")}
    told = authflow("trace", "open", "one.json", env=env)
    assert told.returncode == 0, told.stderr
    page = Path(told.stdout.strip())
    assert page.as_uri() in (tmp_path / "opened").read_text()
    assert b"nonce" in page.read_bytes()


def test_without_any_sign_in_there_is_no_last_trace(authflow) -> None:
    told = authflow("trace", "last")
    assert told.returncode == 1
    assert "authflow login" in told.stderr


def test_a_failed_sign_in_is_the_last_trace_and_nobody_else_can_read_it(authflow, acme, browser, tmp_path) -> None:
    env = {**configure(tmp_path, acme), "BROWSER": browser(deny=True), "XDG_STATE_HOME": str(tmp_path / "state")}
    told = authflow("login", "acme", env=env)
    assert told.returncode == 1
    assert "authflow trace last" in told.stderr

    shown = authflow("trace", "last", env=env)
    assert "login of acme" in shown.stdout
    assert "failed, by fail" in shown.stdout
    assert "\nwhat to do: " in shown.stdout
    (file,) = (tmp_path / "state").rglob("traces/*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    saved = authflow("trace", "last", "--save", "failed.html", env=env)
    assert saved.returncode == 0, saved.stderr
    assert "access_denied" in (tmp_path / "failed.html").read_text(encoding="utf-8")
