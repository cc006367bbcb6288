"""The chart, held against what was written down by hand.

A test made from the table cannot tell that the table is wrong, so nothing here is: the rows, what each state
allows and the histories are spelled out once more.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from authflow.chart import AT_REST, CHART, ENTERS, LEAVES, LIVE, PENDING, State, Trigger, allowed

ROWS = [
    ("authorize", "idle authorizing logged_out", "authorizing", None, "user"),
    ("reject", "authorizing", "authorizing", None, "provider"),
    ("callback", "authorizing", "exchanging", None, "provider"),
    ("authenticate", "exchanging", "authenticated", "on_login", "provider"),
    ("fail", "authorizing exchanging", "idle", "on_login_failed", "provider"),
    ("cancel", "authorizing exchanging", "idle", "on_login_failed", "user"),
    ("time_out", "authorizing exchanging", "idle", "on_login_failed", "clock"),
    ("restore", "idle authorizing logged_out", "authenticated", "on_restore", "user store"),
    ("refresh", "authenticated", "refreshing", None, "user clock"),
    ("refreshed", "refreshing", "authenticated", "on_refresh", "provider"),
    ("adopt", "authenticated refreshing", "authenticated", "on_refresh", "store"),
    ("defer", "refreshing", "authenticated", "on_refresh_failed", "provider clock"),
    ("reauthenticate", "authenticated refreshing", "authenticated", "on_refresh", "provider"),
    ("logout", "authenticated refreshing", "logged_out", "on_logout", "user"),
    ("revoke", "authenticated refreshing", "logged_out", "on_logout", "provider store"),
    ("expire", "authenticated refreshing", "logged_out", "on_logout", "clock"),
    ("forget", "logged_out", "idle", None, "user"),
]

ALLOWED = {
    "idle": "authorize restore",
    "authorizing": "authorize reject callback fail cancel time_out restore",
    "exchanging": "authenticate fail cancel time_out",
    "authenticated": "refresh adopt reauthenticate logout revoke expire",
    "refreshing": "refreshed adopt defer reauthenticate logout revoke expire",
    "logged_out": "authorize restore forget",
}

# trigger by trigger; after each, the state, and the signals heard in all
STORIES = {
    "a first login, an hour's work, good-bye": (
        "authorize:authorizing callback:exchanging authenticate:authenticated refresh:refreshing "
        "refreshed:authenticated logout:logged_out",
        "on_login on_refresh on_logout",
    ),
    "the human clicks twice and then succeeds": (
        "authorize:authorizing authorize:authorizing callback:exchanging authenticate:authenticated",
        "on_login",
    ),
    "a stranger's callback disturbs nothing": (
        "authorize:authorizing reject:authorizing reject:authorizing callback:exchanging authenticate:authenticated",
        "on_login",
    ),
    "the human says no at the provider, then tries again": (
        "authorize:authorizing fail:idle authorize:authorizing callback:exchanging authenticate:authenticated",
        "on_login_failed on_login",
    ),
    "the answer does not pass a check": (
        "authorize:authorizing callback:exchanging fail:idle",
        "on_login_failed",
    ),
    "the window is closed and nobody comes back": ("authorize:authorizing time_out:idle", "on_login_failed"),
    "the provider never answers the exchange": (
        "authorize:authorizing callback:exchanging time_out:idle",
        "on_login_failed",
    ),
    "the program is ended in the middle": ("authorize:authorizing cancel:idle", "on_login_failed"),
    "yesterday's session comes back": ("restore:authenticated", "on_restore"),
    "while one signs in here, another process already has": (
        "authorize:authorizing restore:authenticated",
        "on_restore",
    ),
    "offline for a while, the session lives on": (
        "restore:authenticated refresh:refreshing defer:authenticated refresh:refreshing refreshed:authenticated",
        "on_restore on_refresh_failed on_refresh",
    ),
    "another process renews first": (
        "restore:authenticated adopt:authenticated refresh:refreshing adopt:authenticated",
        "on_restore on_refresh on_refresh",
    ),
    "a wider scope beside the live session": (
        "restore:authenticated reauthenticate:authenticated refresh:refreshing reauthenticate:authenticated",
        "on_restore on_refresh on_refresh",
    ),
    "the provider takes the session back during a refresh": (
        "restore:authenticated refresh:refreshing revoke:logged_out",
        "on_restore on_logout",
    ),
    "out, and in again": (
        "restore:authenticated expire:logged_out authorize:authorizing callback:exchanging "
        "authenticate:authenticated",
        "on_restore on_logout on_login",
    ),
    "out, forgotten, restored from a backup": (
        "restore:authenticated logout:logged_out forget:idle restore:authenticated",
        "on_restore on_logout on_restore",
    ),
    "out here, in again by another process": (
        "restore:authenticated revoke:logged_out restore:authenticated",
        "on_restore on_logout on_restore",
    ),
}

# what must not happen, however natural it looks
REFUSED = [
    ("idle", "callback"),  # a redirect for a login nobody began
    ("idle", "authenticate"),
    ("idle", "logout"),
    ("authorizing", "authenticate"),  # tokens without a callback
    ("exchanging", "callback"),  # the same redirect again
    ("exchanging", "authorize"),
    ("exchanging", "restore"),  # its own success wins the next generation
    ("exchanging", "reject"),
    ("authenticated", "authorize"),  # a login beside a live session is an attempt, not a transition of it
    ("authenticated", "authenticate"),
    ("authenticated", "restore"),
    ("authenticated", "refreshed"),  # a late answer of a refresh that is over
    ("authenticated", "defer"),
    ("authenticated", "forget"),
    ("refreshing", "refresh"),  # joins the flight instead
    ("refreshing", "fail"),
    ("logged_out", "logout"),
    ("logged_out", "refreshed"),  # the answer arrived after good-bye
    ("logged_out", "adopt"),
    ("logged_out", "cancel"),
]


def row_of(state: str, trigger: str):
    (row,) = [row for row in CHART if row.trigger == trigger and state in row.sources]
    return row


def test_the_table_is_the_one_that_was_agreed() -> None:
    table = [
        (row.trigger.value, " ".join(row.sources), row.target.value, row.emits, " ".join(row.actors)) for row in CHART
    ]

    assert table == ROWS


@pytest.mark.parametrize("state", State)
def test_a_state_allows_exactly_these_triggers(state: State) -> None:
    assert " ".join(allowed(state)) == ALLOWED[state]


@pytest.mark.parametrize("story", STORIES)
def test_a_history_goes_as_written(story: str) -> None:
    steps, signals = STORIES[story]
    state, heard = "idle", []
    for step in steps.split():
        trigger, then = step.split(":")
        assert trigger in allowed(State(state)), f"{trigger} is not allowed in {state}"
        row = row_of(state, trigger)
        assert row.target == then
        heard += [row.emits] if row.emits else []
        state = then

    assert " ".join(heard) == signals


def test_the_histories_use_every_row_of_every_state_that_matters() -> None:
    used = {step.split(":")[0] for steps, _ in STORIES.values() for step in steps.split()}

    assert used == {trigger.value for trigger in Trigger}


@pytest.mark.parametrize(("state", "trigger"), REFUSED)
def test_what_must_not_happen_stands_in_no_row(state: str, trigger: str) -> None:
    assert trigger not in allowed(State(state))


def test_a_session_is_live_in_two_states() -> None:
    assert [state.value for state in State if state.live] == ["authenticated", "refreshing"]
    assert tuple(state for state in State if state.live) == LIVE


def test_three_states_wait_for_somebody() -> None:
    assert [state.value for state in State if state.waiting] == ["authorizing", "exchanging", "refreshing"]
    assert {*PENDING, State.REFRESHING, *AT_REST} == set(State)
    assert not any(state.waiting for state in AT_REST)


def test_the_signals_that_begin_and_end_a_session() -> None:
    assert {"on_login", "on_restore"} == ENTERS
    assert {"on_logout"} == LEAVES


def test_every_row_says_what_it_means() -> None:
    assert all(row.meaning and not row.meaning.endswith(".") for row in CHART)


def test_the_names_are_plain_text() -> None:
    assert f"{State.LOGGED_OUT}/{Trigger.TIME_OUT}" == "logged_out/time_out"


def test_the_chart_loads_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, authflow.chart, authflow.verify;"
        "print([n for n in ('msgspec', 'httpx', 'transitions', 'blinker', 'asyncio') if n in sys.modules])"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert told.strip() == "[]"
