"""The commands that work on kept sessions, as typed, one process each: what one leaves, the next one finds."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from authflow.testing import DevProvider

from .conftest import configure

Typed = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def typed(authflow, acme: DevProvider, browser, tmp_path: Path) -> Typed:
    """Types a command where acme is configured, with a browser that signs ada in."""
    env = {**configure(tmp_path, acme, 'scopes = ["offline_access"]\n'), "BROWSER": browser()}
    return lambda *args, **more: authflow(*args, env={**env, **more})


@pytest.fixture
def signed_in(typed: Typed) -> Typed:
    assert typed("login", "acme").returncode == 0
    return typed


def rows(told: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(told.stdout)
    return found


@pytest.mark.parametrize(
    "words",
    ["status", "accounts", "refresh acme", "providers list", "providers show acme", "doctor", "trace last",
     "logout acme"],
)  # fmt: skip
def test_in_a_pipe_there_is_no_colour_and_nothing_that_turns(signed_in: Typed, words: str) -> None:
    told = signed_in(*words.split(" "))
    said = told.stdout + told.stderr
    assert said.strip()
    assert [one for one in said if not one.isprintable() and one != "\n"] == []


# ── status ──


def test_before_anything_nobody_is_signed_in(typed: Typed) -> None:
    told = typed("status")

    assert told.returncode == 0
    assert "not signed in" in told.stdout
    assert "authflow login acme" in told.stdout
    assert typed("status", "acme").returncode == 1


def test_a_session_outlives_the_command_that_signed_in(signed_in: Typed) -> None:
    told = signed_in("status", "acme")

    assert told.returncode == 0
    assert "✓ Ada Lovelace" in told.stdout
    assert "authenticated; the access token is good for" in told.stdout


def test_status_as_json_is_plain_data_without_a_token(signed_in: Typed, acme: DevProvider) -> None:
    told = signed_in("status", "--json")

    (row,) = rows(told)
    assert (row["provider"], row["state"], row["live"], row["broken"]) == ("acme", "authenticated", True, False)
    assert not [one for one in acme.secrets if one and one in told.stdout]


def test_a_session_that_the_provider_ended_is_broken_and_exit_1(signed_in: Typed, acme: DevProvider) -> None:
    acme.fail_next("token", 400, {"error": "invalid_grant"})
    assert signed_in("refresh", "acme").returncode == 1

    told = signed_in("status")

    assert told.returncode == 1
    assert "✗" in told.stdout
    (row,) = rows(signed_in("status", "--json"))
    assert row["broken"] is True


def test_a_provider_that_cannot_be_used_is_shown_beside_the_others(signed_in: Typed, tmp_path: Path) -> None:
    with open(tmp_path / "authflow.toml", "a") as file:
        file.write('[providers.globex]\ntype = "openid"\nclient_id = "x"\n')

    told = signed_in("status")

    assert told.returncode == 1
    assert "✓ Ada Lovelace" in told.stdout
    assert "globex: issuer missing" in told.stdout


# ── token, refresh ──


def test_a_token_is_valid_and_alone_on_standard_output(signed_in: Typed, acme: DevProvider) -> None:
    told = signed_in("token", "acme")

    assert acme.accepts(told.stdout.removesuffix("\n"))
    assert told.stderr == ""


def test_a_header_is_a_whole_line_for_curl(signed_in: Typed, acme: DevProvider) -> None:
    told = signed_in("token", "acme", "--header")

    assert told.stdout.startswith("Authorization: Bearer ")
    assert acme.accepts(told.stdout.split()[-1])


def test_a_token_that_is_bound_to_a_key_is_printed_and_said_to_be(typed: Typed, tmp_path: Path) -> None:
    file = tmp_path / "authflow.toml"
    file.write_text(file.read_text() + "dpop = true\n")
    assert typed("login", "acme").returncode == 0

    told = typed("token", "acme", "--header")

    assert told.returncode == 0
    assert told.stdout.startswith("Authorization: DPoP ")
    assert "acme: this token is bound to a key: only a program with session.auth can use it." in told.stderr
    assert told.stdout.split()[-1] not in told.stderr


def test_a_token_that_has_to_live_longer_is_renewed_first(signed_in: Typed) -> None:
    first = signed_in("token", "acme").stdout

    assert signed_in("token", "acme").stdout == first
    assert signed_in("token", "acme", "--min-ttl", "3600").stdout != first


def test_a_renewal_gives_another_token(signed_in: Typed) -> None:
    first = signed_in("token", "acme").stdout

    told = signed_in("refresh", "acme")

    assert "can be renewed" in told.stdout
    assert signed_in("token", "acme").stdout != first


@pytest.mark.parametrize("command", ["token", "refresh", "export"])
def test_without_a_session_the_command_that_makes_one_is_named(typed: Typed, command: str) -> None:
    told = typed(command, "acme")

    assert (told.returncode, told.stdout) == (2, "")
    assert "authflow login acme" in told.stderr


# ── accounts ──


def test_the_account_that_signed_in_last_is_meant_until_another_is_chosen(signed_in: Typed) -> None:
    first = signed_in("token", "acme").stdout
    assert signed_in("login", "acme", "--account", "work").returncode == 0
    work = signed_in("token", "acme").stdout
    assert work != first

    assert signed_in("switch", "acme").returncode == 0

    assert signed_in("token", "acme").stdout == first
    assert signed_in("token", "acme", "--account", "work").stdout == work
    assert [(one["account"], one["active"]) for one in rows(signed_in("accounts", "--json"))] == [
        ("", True), ("work", False),
    ]  # fmt: skip


def test_an_account_that_is_not_there_cannot_be_chosen(signed_in: Typed) -> None:
    told = signed_in("switch", "acme", "home")

    assert told.returncode == 2
    assert "authflow login acme --account home" in told.stderr


def test_signing_in_again_changes_nothing(signed_in: Typed, acme: DevProvider) -> None:
    before = acme.count("token")

    told = signed_in("login", "acme")

    assert told.returncode == 0
    assert "You are signed in already." in told.stderr
    assert acme.count("token") == before


# ── logout ──


def test_signing_out_ends_the_tokens_at_the_provider(signed_in: Typed, acme: DevProvider) -> None:
    token = signed_in("token", "acme").stdout.strip()

    told = signed_in("logout", "acme")

    assert (told.returncode, told.stdout) == (
        0, "✓ acme: signed out; revoked: refresh token and access token.\n",
    )  # fmt: skip
    assert not acme.accepts(token)
    assert "not signed in" in signed_in("status").stdout


def test_signing_out_everywhere_reaches_every_account(signed_in: Typed) -> None:
    signed_in("login", "acme", "--account", "work")

    told = signed_in("logout", "--all")

    assert told.stdout.count("signed out") == 2
    assert rows(signed_in("accounts", "--json")) == []


def test_signing_out_here_only_leaves_the_provider_alone(signed_in: Typed, acme: DevProvider) -> None:
    token = signed_in("token", "acme").stdout.strip()

    assert signed_in("logout", "acme", "--local").returncode == 0
    assert acme.accepts(token)


def test_a_provider_that_cannot_be_told_is_exit_1_and_signed_out_all_the_same(
    signed_in: Typed, acme: DevProvider
) -> None:
    acme.fail_next("revoke", 500, "down", times=9)

    told = signed_in("logout", "acme")

    assert told.returncode == 1
    assert "signed out" in told.stdout
    assert "could not be told" in told.stdout
    assert signed_in("status", "acme").returncode == 1


def test_signing_out_of_nothing_in_particular_is_a_wrong_call(typed: Typed) -> None:
    assert typed("logout").returncode == 2


# ── export and import ──


def test_a_session_moves_to_another_machine_under_a_passphrase(signed_in: Typed, tmp_path: Path) -> None:
    told = signed_in("export", "acme", "--output", "acme.session", AUTHFLOW_PASSPHRASE="open sesame")
    assert told.returncode == 0
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "acme.session").stat().st_mode) == 0o600
    assert "not signed in" in signed_in("status").stdout

    elsewhere = {"HOME": str(tmp_path / "another"), "AUTHFLOW_PASSPHRASE": "open sesame"}
    told = signed_in("import", "acme", "acme.session", **elsewhere)

    assert told.returncode == 0, told.stderr
    assert "signed in as Ada Lovelace" in told.stdout
    assert signed_in("refresh", "acme", **elsewhere).returncode == 0


def test_another_passphrase_opens_nothing(signed_in: Typed) -> None:
    signed_in("export", "acme", "--output", "acme.session", AUTHFLOW_PASSPHRASE="open sesame")

    told = signed_in("import", "acme", "acme.session", AUTHFLOW_PASSPHRASE="sesame")

    assert told.returncode == 2
    assert "acme.session: The encrypted text does not open." in told.stderr
    assert "--forget" not in told.stderr  # which is said of a session that is kept here


@pytest.mark.parametrize("text", ["", "access_token: abc"])
def test_for_what_is_no_saved_token_no_passphrase_is_asked(signed_in: Typed, tmp_path: Path, text: str) -> None:
    signed_in("logout", "acme", "--local")
    (tmp_path / "saved").write_text(text)

    told = signed_in("import", "acme", "saved")

    assert told.returncode == 2
    assert "saved: This is no saved token of a known format." in told.stderr
    assert "assphrase" not in told.stderr


def test_a_file_that_is_there_is_not_overwritten_and_nothing_is_lost(signed_in: Typed, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")

    told = signed_in("export", "acme", "--output", "precious", AUTHFLOW_PASSPHRASE="open sesame")

    assert told.returncode == 1
    assert (tmp_path / "precious").read_text() == "precious"
    assert signed_in("status", "acme").returncode == 0


def test_a_token_that_flet_saved_signs_in(signed_in: Typed, tmp_path: Path, acme: DevProvider) -> None:
    from authflow.crypto import encrypt

    token = signed_in("token", "acme").stdout.strip()
    signed_in("logout", "acme", "--local")
    (tmp_path / "flet").write_text(encrypt(json.dumps({"access_token": token, "scope": ["openid"]}), "open sesame"))

    told = signed_in("import", "acme", "flet", "--from", "flet", AUTHFLOW_PASSPHRASE="open sesame")

    assert told.returncode == 0, told.stderr
    assert signed_in("token", "acme").stdout.strip() == token


# ── what goes wrong ──


def test_without_a_key_nothing_is_begun(authflow, acme: DevProvider, browser, tmp_path: Path) -> None:
    env = {**configure(tmp_path, acme), "BROWSER": browser(), "AUTHFLOW_SEALING_KEY": ""}

    told = authflow("login", "acme", env=env)

    assert told.returncode == 2
    assert "AUTHFLOW_SEALING_KEY" in told.stderr
    assert acme.requests == []


def test_another_key_does_not_open_the_sessions_and_does_not_lose_them(signed_in: Typed) -> None:
    told = signed_in("status", AUTHFLOW_SEALING_KEY="A" * 43)

    assert told.returncode == 1
    assert "✗ cannot be read" in told.stdout
    assert signed_in("status", "acme").returncode == 0


# ── a key that is lost ──


LOST = {"AUTHFLOW_SEALING_KEY": "A" * 43}


def test_status_and_doctor_name_the_way_out_of_a_lost_key(signed_in: Typed) -> None:
    for command in (("status",), ("doctor", "--offline"), ("token", "acme"), ("login", "acme")):
        told = signed_in(*command, **LOST)

        assert told.returncode != 0
        assert "authflow logout" in told.stdout + told.stderr
        assert "--forget" in told.stdout + told.stderr


@pytest.mark.parametrize("key", ["A" * 43, ""])
def test_a_record_whose_key_is_lost_is_dropped_and_one_can_sign_in_again(signed_in: Typed, key: str) -> None:
    told = signed_in("logout", "acme", "--forget", AUTHFLOW_SEALING_KEY=key)

    assert (told.returncode, told.stdout) == (
        0, "✓ acme: forgotten here. The provider was not told: end its session there.\n"
    )  # fmt: skip
    assert signed_in("login", "acme", **LOST).returncode == 0
    assert signed_in("status", "acme", **LOST).returncode == 0


def test_what_can_be_read_is_not_dropped(signed_in: Typed) -> None:
    told = signed_in("logout", "acme", "--forget")

    assert told.returncode == 1
    assert "was left alone" in told.stdout
    assert signed_in("status", "acme").returncode == 0


def test_all_that_cannot_be_read_is_dropped_and_nothing_else(signed_in: Typed) -> None:
    signed_in("logout", "acme", "--forget", **LOST)
    signed_in("login", "acme", **LOST)
    signed_in("login", "acme", "--account", "work")

    told = signed_in("logout", "--all", "--forget")

    assert told.stdout.splitlines() == [
        "✓ acme: forgotten here. The provider was not told: end its session there.",
        "– acme (work): it can be read, and was left alone.",
    ]


def test_one_account_is_dropped_and_not_its_neighbour(signed_in: Typed) -> None:
    signed_in("login", "acme", "--account", "work")

    assert signed_in("logout", "acme", "--account", "work", "--forget", **LOST).returncode == 0

    assert [row["account"] for row in rows(signed_in("accounts", "--json"))] == [""]


def test_nothing_to_drop_is_said(typed: Typed) -> None:
    told = typed("logout", "acme", "--forget")

    assert (told.returncode, told.stdout) == (0, "There is no such record.\n")


def test_dropping_a_provider_that_there_is_not_names_the_one_that_was_meant(typed: Typed) -> None:
    told = typed("logout", "acm", "--forget")

    assert told.returncode == 2
    assert "Did you mean 'acme'?" in told.stderr


# ── the key ──


def test_a_key_is_made_where_there_is_none_and_then_one_can_sign_in(typed: Typed, tmp_path: Path) -> None:
    none = {"AUTHFLOW_SEALING_KEY": ""}
    told = typed("login", "acme", **none)
    assert told.returncode == 2
    assert "authflow key new" in told.stderr

    made = typed("key", "new", **none)

    assert made.returncode == 0
    (file,) = tmp_path.rglob("sealing.key")
    assert str(file) in made.stdout
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() not in made.stdout
    assert typed("login", "acme", **none).returncode == 0
    assert "store modes: " in typed("doctor", "--offline", **none).stdout


def test_a_key_that_is_there_stays(typed: Typed, tmp_path: Path) -> None:
    typed("key", "new", AUTHFLOW_SEALING_KEY="")
    (file,) = tmp_path.rglob("sealing.key")
    before = file.read_text()

    told = typed("key", "new", AUTHFLOW_SEALING_KEY="")

    assert told.returncode == 0
    assert file.read_text() == before


def test_a_key_for_the_environment_is_printed_and_kept_nowhere(typed: Typed, tmp_path: Path) -> None:
    told = typed("key", "new", "--print", AUTHFLOW_SEALING_KEY="")

    assert typed("login", "acme", AUTHFLOW_SEALING_KEY=told.stdout.strip()).returncode == 0
    assert list(tmp_path.rglob("sealing.key")) == []


def test_a_key_says_where_it_is_and_what_it_does_not_open(signed_in: Typed) -> None:
    own, other = signed_in("key", "show"), signed_in("key", "show", **LOST)

    assert "in the variable AUTHFLOW_SEALING_KEY" in own.stdout
    assert "sealed with" not in own.stdout
    assert "1 stored sessions were sealed with" in other.stdout
    assert "authflow logout --all --forget" in other.stdout


def test_files_that_others_can_read_are_found(signed_in: Typed, tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("modes are POSIX's")
    (folder,) = [path for path in tmp_path.rglob("sessions") if path.is_dir()]
    folder.chmod(0o755)

    told = signed_in("doctor", "--offline")

    assert told.returncode == 1
    assert f"chmod -R go-rwx {folder}" in told.stdout


# ── the store ──


def test_a_store_can_be_chosen(signed_in: Typed, tmp_path: Path) -> None:
    with open(tmp_path / "authflow.toml", "a") as file:
        file.write('[store]\ntype = "sqlite"\npath = "sessions.db"\n')

    assert signed_in("status", "acme").returncode == 1
    assert signed_in("login", "acme").returncode == 0
    assert signed_in("status", "acme").returncode == 0
    assert (tmp_path / "sessions.db").exists()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('type = "sqllite"\n', "line 10: store: type is no store"),
        ('type = "sqllite"\n', "Did you mean 'sqlite'?"),
        ('typ = "sqlite"\n', "Did you mean 'type'?"),
        ('type = "redis"\n', "store of type redis needs url_env"),
        ('type = "redis"\nurl_env = "NO_SUCH_VARIABLE"\n', "line 11: store: the environment has no NO_SUCH_VARIABLE"),
        ('pth = "here"\n', "line 10: store: a store of type file has no setting pth"),
    ],
)
def test_a_store_that_cannot_be_is_refused_with_its_line(typed: Typed, tmp_path: Path, table: str, said: str) -> None:
    with open(tmp_path / "authflow.toml", "a") as file:
        file.write(f"\n[store]\n{table}")

    told = typed("status")

    assert told.returncode == 2
    assert said in told.stderr


def test_a_mistyped_table_is_named(typed: Typed, tmp_path: Path) -> None:
    with open(tmp_path / "authflow.toml", "a") as file:
        file.write('[stor]\ntype = "sqlite"\n')

    told = typed("status")

    assert told.returncode == 2
    assert "Did you mean [store]?" in told.stderr


def test_every_command_shows_an_example(authflow) -> None:
    from authflow.cli.main import COMMANDS

    for name in COMMANDS:
        told = authflow(name, "--help")
        assert told.returncode == 0, name
        assert "Example" in told.stdout, name
