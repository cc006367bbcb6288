"""`authflow login`, as typed: against a provider on this machine, with a script in the place of the browser."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from .conftest import ROOT, SEALING_KEY, configure


def test_a_sign_in_shows_the_user_and_the_scopes(authflow, acme, browser, tmp_path: Path) -> None:
    told = authflow("login", "acme", env={**configure(tmp_path, acme), "BROWSER": browser()})

    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == "Signed in to Acme as Ada Lovelace <ada@example.com>."
    assert lines[1] == f"user id: {acme.known_user('ada').sub}"
    assert lines[2] == "scopes:  openid profile email"
    assert lines[3].startswith("session: Acme: authenticated;")


def test_states_and_signals_go_to_standard_error(authflow, acme, browser, tmp_path: Path) -> None:
    told = authflow("login", "acme", env={**configure(tmp_path, acme), "BROWSER": browser()})

    for word in ("idle → authorizing", "exchanging → authenticated", "on_login"):
        assert word in told.stderr
        assert word not in told.stdout
    assert "\x1b" not in told.stdout + told.stderr


def test_a_sign_in_that_is_only_tried_prints_no_secret_and_leaves_no_token(authflow, acme, browser, tmp_path) -> None:
    told = authflow("login", "acme", "--try", env={**configure(tmp_path, acme), "BROWSER": browser()})

    assert "Nothing is kept; revoked: refresh token, access token." in told.stderr
    tokens = {one for one in acme.secrets if one and one.startswith("dev_")}
    assert tokens
    assert not any(acme.accepts(one) for one in tokens)
    assert not [one for one in acme.secrets if one and one in told.stdout + told.stderr]


def test_scopes_and_groups_can_be_asked_for(authflow, acme, browser, tmp_path: Path) -> None:
    env = configure(tmp_path, acme, 'groups_claim = "groups"\ngroup_scopes = ["groups"]\n')

    told = authflow("login", "acme", "--groups", "--scope", "extra", env={**env, "BROWSER": browser()})

    assert "groups:  engineers, admins" in told.stdout
    assert "extra" in told.stdout


def test_a_denied_login_says_so(authflow, acme, browser, tmp_path: Path) -> None:
    told = authflow("login", "acme", env={**configure(tmp_path, acme), "BROWSER": browser(deny=True)})

    assert told.returncode == 1
    assert told.stdout == ""
    assert "Denied: Acme was told no." in told.stderr


def test_a_login_that_nobody_finishes_times_out(authflow, acme, browser, tmp_path: Path) -> None:
    env = {**configure(tmp_path, acme), "BROWSER": browser(never=True)}

    told = authflow("login", "acme", "--timeout", "1", env=env)

    assert told.returncode == 1
    assert "Timed out: nobody came back from Acme within 1 s." in told.stderr
    assert "--timeout" in told.stderr


def test_two_ways_at_once_are_refused(authflow, acme, tmp_path: Path) -> None:
    told = authflow("login", "acme", "--device", "--paste", env=configure(tmp_path, acme))

    assert told.returncode == 2
    assert "--device and --paste are two ways; choose one." in told.stderr


def test_a_wrong_secret_is_named_by_the_provider(authflow, acme, browser, tmp_path: Path) -> None:
    env = {**configure(tmp_path, acme), "ACME_CLIENT_SECRET": "hunter2", "BROWSER": browser()}

    told = authflow("login", "acme", env=env)

    assert told.returncode == 1
    assert "Error: " in told.stderr
    assert "hunter2" not in told.stderr


def test_a_provider_that_is_not_there_is_no_traceback(authflow, browser, tmp_path: Path) -> None:
    (tmp_path / "authflow.toml").write_text(
        '[providers.acme]\ntype = "openid"\nissuer = "http://127.0.0.1:9"\nclient_id = "a"\n'
        "allow_insecure_loopback = true\n"
    )

    told = authflow("login", "acme", env={"BROWSER": browser(), "AUTHFLOW_SEALING_KEY": SEALING_KEY})

    assert told.returncode == 1
    assert "Error: " in told.stderr
    assert "Traceback" not in told.stderr


def test_an_unknown_provider_lists_the_known_ones(authflow, acme, tmp_path: Path) -> None:
    told = authflow("login", "gitlab", env=configure(tmp_path, acme))

    assert told.returncode == 2
    assert "has no provider 'gitlab'; it has: acme." in told.stderr


def test_no_configuration_says_how_to_write_one(authflow) -> None:
    told = authflow("login", "github")

    assert told.returncode == 2
    assert "There is no authflow.toml here" in told.stderr
    assert "[providers.github]" in told.stderr


def test_a_broken_file_names_its_line(authflow, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[providers.github]\ntype = \n")

    told = authflow("login", "github", "--config", "my.toml")

    assert told.returncode == 2
    assert "Error: my.toml, line 2: this is no TOML" in told.stderr


def test_a_secret_in_the_file_is_refused_and_not_shown(authflow, acme, tmp_path: Path) -> None:
    env = configure(tmp_path, acme, 'client_secret = "hunter2"\n')

    told = authflow("login", "acme", env=env)

    assert told.returncode == 2
    assert "authflow.toml, line 7: acme: a secret stands in the file." in told.stderr
    assert "ACME_CLIENT_SECRET" in told.stderr
    assert "hunter2" not in told.stderr


def test_a_secret_cannot_be_typed_on_the_command_line(authflow) -> None:
    told = authflow("login", "github", "--client-secret", "hunter2")

    assert told.returncode == 2
    assert "No such option" in told.stderr


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C of another process is POSIX")
def test_ctrl_c_while_waiting_ends_it(acme, browser, tmp_path: Path) -> None:
    env = {
        **os.environ, **configure(tmp_path, acme), "BROWSER": browser(never=True), "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
    }  # fmt: skip
    code = (
        "import sys, threading; from authflow.cli import main; status = main(['login', 'acme']);"
        "print([t.name for t in threading.enumerate()]); sys.exit(status)"
    )
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env, text=True, **pipes) as process:
        guard = threading.Timer(60, process.kill)
        guard.start()
        while "idle → authorizing" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:  # a signal just before the main thread blocks does not wake it
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=45)
        guard.cancel()

    assert process.returncode == 130
    assert err.endswith("Interrupted.\n")
    assert out == "['MainThread']\n"
