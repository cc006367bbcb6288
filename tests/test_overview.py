"""What a dashboard shows of each session, made of `manager.snapshot()` alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authflow import SessionManager
from authflow.overview import Action, SessionRow, Tone, look, row_id, row_of_session
from authflow.providers import GitHub, OpenIDConnect
from authflow.stores import FileStore
from authflow.testing import VirtualClock, expire, fail_next_refresh, revoke, signed_in


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def manager(clock: VirtualClock) -> Iterator[SessionManager]:
    providers = [GitHub("id", "secret"), OpenIDConnect("https://idp.example.com", "id", name="work", label="Work")]
    with SessionManager(providers, clock=clock, single_user=True) as manager:
        yield manager


def row(manager: SessionManager, clock: VirtualClock, name: str = "github") -> SessionRow:
    (found,) = [one for one in look(manager.snapshot(), clock.time()).rows if one.provider == name]
    return found


def test_a_session_at_rest_is_quiet_and_can_be_signed_in(manager: SessionManager, clock: VirtualClock) -> None:
    found = row(manager, clock)

    assert (found.state, found.tone, found.live, found.actions) == ("idle", Tone.QUIET, False, (Action.SIGN_IN,))


def test_a_live_session_is_good_and_tells_how_much_life_is_left(manager: SessionManager, clock: VirtualClock) -> None:
    session = signed_in(manager, "github", user={"id": 1, "name": "Ada"}, scopes=["repo"], expires_in=1000)
    clock.advance(250)

    found = row(manager, clock)

    assert (found.tone, found.user, found.scopes, found.broken) == (Tone.GOOD, "Ada", ("repo",), False)
    assert found.life(clock.time()) == 0.75
    assert found.life(clock.time() + 5000) == 0.0
    assert len(found.fingerprint) == 8
    assert session.token().access_token not in msgspec.json.encode(found).decode()
    assert found.actions == (
        Action.REFRESH, Action.SIGN_OUT_HERE, Action.SIGN_OUT_AND_REVOKE, Action.SIGN_OUT_EVERYWHERE
    )  # fmt: skip


def test_a_row_tells_whether_its_token_is_renewed_without_anybody_asking(
    manager: SessionManager, clock: VirtualClock
) -> None:
    assert not row(manager, clock).ahead
    manager.keep_fresh()
    assert row(manager, clock).ahead
    assert row_of_session(manager["github"]) == row(manager, clock)


def test_the_next_renewal_is_told_ahead_of_the_tokens_end(manager: SessionManager, clock: VirtualClock) -> None:
    signed_in(manager, "github", expires_in=1000)

    seen = look(manager.snapshot(), clock.time())

    assert seen.next_refresh is not None
    assert clock.time() + 800 <= seen.next_refresh < clock.time() + 1000
    assert seen.next_refresh == row(manager, clock).renews_at


def test_a_token_without_an_end_has_no_bar(manager: SessionManager, clock: VirtualClock) -> None:
    signed_in(manager, "github", expires_in=None)

    assert row(manager, clock).life(clock.time()) is None


def test_what_cannot_be_renewed_offers_no_renewal(manager: SessionManager, clock: VirtualClock) -> None:
    signed_in(manager, "github", refreshable=False)

    assert Action.REFRESH not in row(manager, clock).actions


def test_a_renewal_that_failed_is_a_warning_with_its_next_step(manager: SessionManager, clock: VirtualClock) -> None:
    session = signed_in(manager, "github")
    fail_next_refresh(session)
    with pytest.raises(Exception, match="unavailable"):
        session.refresh()

    found = row(manager, clock)

    assert (found.tone, found.live, found.broken, found.failures) == (Tone.WARN, True, True, 1)
    assert found.error
    assert found.next_step


@pytest.mark.parametrize("end", [expire, revoke])
def test_a_session_that_ended_by_itself_is_bad_and_a_sign_in_is_next(
    manager: SessionManager, clock: VirtualClock, end: Any
) -> None:
    end(signed_in(manager, "github"))

    found = row(manager, clock)

    assert (found.tone, found.broken, found.next_step) == (Tone.BAD, True, "Sign in again.")
    assert found.actions == (Action.SIGN_IN,)


def test_a_session_that_its_user_ended_is_quiet(manager: SessionManager, clock: VirtualClock) -> None:
    signed_in(manager, "github").logout()

    assert row(manager, clock).tone is Tone.QUIET


def test_a_login_that_waits_for_its_human_is_busy_and_can_be_cancelled(
    manager: SessionManager, clock: VirtualClock
) -> None:
    manager["github"].begin(redirect_uri="https://app.example/callback")

    found = row(manager, clock)

    assert (found.tone, found.actions) == (Tone.BUSY, (Action.CANCEL,))
    assert found.deadline is not None


def test_the_header_counts_states_and_what_is_broken(manager: SessionManager, clock: VirtualClock) -> None:
    signed_in(manager, "github")
    expire(signed_in(manager, "work"))
    manager["github", "second"]

    seen = look(manager.snapshot(), clock.time())

    assert {state: number for state, number in seen.counts.items() if number} == {
        "authenticated": 1, "logged_out": 1, "idle": 1
    }  # fmt: skip
    assert (seen.broken, seen.unsaved, seen.unreadable, seen.store) == (1, 0, 0, "MemoryStore")


def test_rows_stand_by_provider_and_account(manager: SessionManager, clock: VirtualClock) -> None:
    for name, account in (("work", "b"), ("github", "z"), ("work", "a")):
        manager[name, account]

    rows = look(manager.snapshot(), clock.time()).rows

    assert [(one.provider, one.account) for one in rows] == sorted((one.provider, one.account) for one in rows)


def test_no_text_in_it_moves_a_terminals_cursor(manager: SessionManager, clock: VirtualClock) -> None:
    signed_in(manager, "github", user={"id": 1, "name": "\x1b[2J\x9b1mA\u202eda\nLove\rlace"}, scopes=["re\x07po"])

    found = row(manager, clock)

    assert found.user == "[2J 1mA da Love lace"
    assert found.scopes == ("re po",)


def test_an_owners_key_is_told_by_a_fingerprint_only(manager: SessionManager, clock: VirtualClock) -> None:
    signed_in(manager.owner("secret-of-the-cookie"), "github")

    seen = look(manager.snapshot(), clock.time())

    assert b"secret-of-the-cookie" not in msgspec.json.encode(seen)
    assert [len(one.owner) for one in seen.rows] == [8, 0]


def test_a_row_is_found_again_by_its_sessions_key(manager: SessionManager, clock: VirtualClock) -> None:
    session = manager["github", "work"]

    assert row_id(session.key) in [one.id for one in look(manager.snapshot(), clock.time()).rows]


def test_two_sessions_have_two_ids(manager: SessionManager) -> None:
    assert row_id(manager["github"].key) != row_id(manager["github", "work"].key)


def test_nothing_to_see_is_an_overview_too() -> None:
    assert look([], 0.0).rows == ()


def test_a_session_that_its_key_does_not_open_is_not_told_as_signed_out(tmp_path: Path, clock: VirtualClock) -> None:
    provider = GitHub("id", "secret")
    with SessionManager([provider], clock=clock, store=FileStore(tmp_path), sealing_key=b"a" * 32) as manager:
        signed_in(manager, "github", user={"id": 1})
    with SessionManager([provider], clock=clock, store=FileStore(tmp_path), sealing_key=b"b" * 32) as manager:
        found = row(manager, clock)

    assert (found.readable, found.broken, found.tone, found.actions) == (False, True, Tone.BAD, ())
    assert found.explanation == f"GitHub: the stored session cannot be read: {found.error}"
    assert found.next_step
