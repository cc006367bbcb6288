"""`authflow doctor`: it finds what is wrong, and says what to do about it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from authflow.cli.doctor import check_clock, check_installation, check_surroundings
from authflow.testing import DevProvider

from .conftest import configure

NOW = 1_795_882_421.0


def test_all_is_well_where_all_is_well(authflow, acme: DevProvider, browser, tmp_path: Path) -> None:
    told = authflow("doctor", env={**configure(tmp_path, acme), "BROWSER": browser()})

    assert told.returncode == 0, told.stdout
    assert "✗" not in told.stdout
    assert "register this redirect URI: http://127.0.0.1/callback/acme (any port)" in told.stdout
    assert "its metadata are read" in told.stdout


def test_a_wrong_issuer_is_found(authflow, acme: DevProvider, tmp_path: Path) -> None:
    env = configure(tmp_path, acme)
    file = tmp_path / "authflow.toml"
    file.write_text(file.read_text().replace(acme.issuer, f"{acme.issuer}/"))

    told = authflow("doctor", env=env)

    assert told.returncode == 1
    assert "✗ acme" in told.stdout


def test_a_provider_that_is_down_is_found_and_offline_does_not_ask(authflow, tmp_path: Path) -> None:
    (tmp_path / "authflow.toml").write_text(
        '[providers.acme]\ntype = "openid"\nissuer = "http://127.0.0.1:9"\nclient_id = "a"\n'
        "allow_insecure_loopback = true\n"
    )
    env = {"AUTHFLOW_SEALING_KEY": "A" * 43, "BROWSER": "true"}

    assert authflow("doctor", env=env).returncode == 1
    assert authflow("doctor", "--offline", env=env).returncode == 0


def test_a_missing_key_and_a_missing_secret_are_found(authflow, acme: DevProvider, tmp_path: Path) -> None:
    env = {**configure(tmp_path, acme, 'client_secret_env = "NOT_SET"\n'), "AUTHFLOW_SEALING_KEY": ""}

    told = authflow("doctor", "--offline", "--json", env=env)

    wrong = [one for one in json.loads(told.stdout) if one["outcome"] == "bad"]
    assert [one["about"] for one in wrong] == ["acme", "sealing key"]
    assert "export NOT_SET=" in wrong[0]["remedy"]
    assert "AUTHFLOW_SEALING_KEY" in wrong[1]["remedy"]


def test_the_other_authflow_is_noticed() -> None:
    (finding,) = check_installation({"authflow": ["authflow", "authflow-sessions"]})

    assert finding.outcome == "bad"
    assert "pip uninstall authflow" in finding.remedy
    assert next(iter(check_installation({"authflow": ["authflow-sessions"]}))).outcome == "good"


@pytest.mark.parametrize(("off", "outcome"), [(0, "good"), (20, "good"), (-20, "good"), (300, "bad"), (-300, "bad")])
def test_a_clock_that_is_off_is_noticed(off: float, outcome: str) -> None:
    date = format_datetime(datetime.fromtimestamp(NOW + off, UTC), usegmt=True)

    (finding,) = check_clock("acme", date, NOW)

    assert finding.outcome == outcome
    assert outcome == "good" or ("300 s behind" if off > 0 else "300 s ahead of") in finding.text


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sat, 99 Nov 2026 25:61:61 GMT"])
def test_a_date_that_is_none_says_nothing(date: str | None) -> None:
    assert list(check_clock("acme", date, NOW)) == []


def test_a_remote_shell_and_a_proxy_are_told() -> None:
    found = list(check_surroundings({"SSH_CONNECTION": "a", "HTTPS_PROXY": "http://user:secret@proxy:3128"}))

    assert [one.outcome for one in found] == ["note", "note"]
    assert "--paste" in found[0].remedy
    assert "secret" not in found[1].text
