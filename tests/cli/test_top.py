"""`authflow top`, where it cannot be shown. The screen itself is tested in tests/tui."""

from __future__ import annotations


def test_in_a_pipe_the_command_for_pipes_is_named(authflow) -> None:
    told = authflow("top")

    assert (told.returncode, told.stdout) == (2, "")
    assert "authflow status --json" in told.stderr


def test_without_textual_the_line_that_installs_it_is_told(authflow) -> None:
    told = authflow("top", blocked=("textual",))

    assert told.returncode == 2
    assert "pip install 'authflow-sessions[tui]'" in told.stderr
    assert "Traceback" not in told.stderr
