"""Tests of your own application, without a provider, a browser or a network.

It shows `authflow.testing`: sessions that are signed in, expired and revoked by a line, and a renewal that fails.
Run it with pytest, or as it stands: `python your_own_tests.py`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from authflow import AuthflowError, Session, SessionManager, SignInRequired
from authflow.providers import GitHub
from authflow.testing import VirtualClock, expire, fail_next_refresh, revoke, signed_in

# ── the application ──


def title(session: Session) -> str:
    """What the application's window says."""
    if not session.live:
        return "Please sign in again" if session.reason in ("expired", "revoked") else "Welcome"
    name = session.user.name if session.user else "?"
    return f"{name} (offline)" if session.error else str(name)


# ── its tests ──


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def manager(clock: VirtualClock) -> Iterator[SessionManager]:
    with SessionManager([GitHub("client-id", "client-secret")], clock=clock) as made:
        yield made


@pytest.fixture
def ada(manager: SessionManager) -> Session:
    return signed_in(manager, "github", user={"id": 1, "login": "ada", "name": "Ada"}, scopes=["repo"])


def test_nobody_is_signed_in_at_first(manager: SessionManager) -> None:
    assert title(manager["github"]) == "Welcome"


def test_the_window_shows_who_is_signed_in(ada: Session) -> None:
    assert title(ada) == "Ada"
    assert ada.scopes == ("repo",)


@pytest.mark.parametrize("end", [expire, revoke])
def test_a_session_that_ended_by_itself_asks_for_a_sign_in(ada: Session, end: object) -> None:
    end(ada)  # type: ignore[operator]

    assert title(ada) == "Please sign in again"
    with pytest.raises(SignInRequired):
        ada.token()


def test_the_user_who_left_is_not_asked_back(ada: Session) -> None:
    ada.logout()

    assert title(ada) == "Welcome"


def test_an_outage_of_the_provider_signs_nobody_out(ada: Session) -> None:
    fail_next_refresh(ada)

    with pytest.raises(AuthflowError) as caught:
        ada.refresh()

    assert caught.value.recovery == "retry_at"
    assert title(ada) == "Ada (offline)"


def test_a_token_is_renewed_when_its_hour_is_over(ada: Session, clock: VirtualClock) -> None:
    first = ada.token().access_token

    clock.advance(3600)

    assert ada.token().access_token != first
    assert title(ada) == "Ada"


if __name__ == "__main__":
    sys.exit(subprocess.call([sys.executable, "-m", "pytest", __file__, "-q"]))  # noqa: S603
