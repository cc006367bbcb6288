"""Ctrl-C while a sync login is at work: no token that the provider has issued is lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from msgspec.structs import replace

from authflow import Session, SessionManager, State, threads
from authflow.errors import AuthflowError
from authflow.testing import DevProvider, ScriptedBrowser

from ..struck import ended, struck_beginning

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="of systems that can signal a thread")
REDIRECT = "https://app.example/callback"


@pytest.fixture
def manager(dev: DevProvider) -> Iterator[SessionManager]:
    with SessionManager([dev.settings("acme", redirect_uri=REDIRECT)], single_user=True, sealing_key=bytes(32)) as made:
        yield made


@pytest.fixture
def issued(dev: DevProvider) -> list[dict[str, Any]]:
    """The answers of the token endpoint."""
    answers: list[dict[str, Any]] = []
    dev.tamper["token_response"] = lambda answer: answers.append(dict(answer))
    return answers


def came_back(session: Session) -> tuple[str, str | None]:
    """A login that was begun, and its browser walked through it."""
    request = session.begin()
    with httpx.Client(trust_env=False) as browser:
        return str(browser.get(request.url).headers["location"]), request.binding


def signed_in(manager: SessionManager, dev: DevProvider) -> Session:
    dev.auto = "ada"
    session = manager["acme"]
    url, binding = came_back(session)
    session.complete(url, binding=binding)
    return session


class CtrlC:
    """Strikes the main thread as soon as a request stands at the provider; lets that go on when the test says so.

    Once is not enough: a signal that comes just before a thread blocks on a lock does not wake it. It is raised once.
    """

    def __init__(self, dev: DevProvider, endpoint: str, *, after: bool = False) -> None:
        self._held = dev.hold(endpoint, after=after)
        self._thread = threading.Thread(target=self._strike, daemon=True)
        self._raised = threading.Event()
        self._before: Any = None

    def _strike(self) -> None:
        self._held.wait()
        while not self._raised.is_set():
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            self._raised.wait(0.1)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if not self._raised.is_set():
            self._raised.set()
            raise KeyboardInterrupt

    def __enter__(self) -> CtrlC:
        self._before = signal.signal(signal.SIGINT, self._hear)
        self._held.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *error: Any) -> None:
        self._thread.join()
        signal.signal(signal.SIGINT, self._before)
        self._held.__exit__(*error)


def kept_or_revoked(session: Session, dev: DevProvider, answer: dict[str, Any]) -> bool:
    present = session._run.record.token
    if session._run.record.state.live and present is not None:
        return present.access_token == answer["access_token"]
    return not dev.accepts(answer["access_token"]) and not dev.accepts(answer["refresh_token"])


@pytest.mark.parametrize(("endpoint", "after"), [("token", True), ("jwks", False), ("userinfo", False)])
def test_an_exchange_goes_on_and_becomes_a_session(
    manager: SessionManager, dev: DevProvider, issued: list[dict[str, Any]], endpoint: str, after: bool
) -> None:
    dev.auto = "ada"
    session = manager["acme"]
    url, binding = came_back(session)
    told = threading.Event()
    manager.on_login.connect(lambda session, event: told.set())
    with CtrlC(dev, endpoint, after=after), pytest.raises(KeyboardInterrupt):
        session.complete(url, binding=binding)
    assert told.wait(10)
    assert len(issued) == 1
    assert session.token().access_token == issued[0]["access_token"]


@pytest.mark.parametrize("endpoint", ["jwks", "userinfo"])
def test_closing_afterwards_revokes_what_an_exchange_has_brought(
    manager: SessionManager, dev: DevProvider, issued: list[dict[str, Any]], endpoint: str
) -> None:
    dev.auto = "ada"
    session = manager["acme"]
    url, binding = came_back(session)
    with CtrlC(dev, endpoint), pytest.raises(KeyboardInterrupt):
        session.complete(url, binding=binding)
    manager.close()  # it waits for what is at work
    assert len(issued) == 1
    assert kept_or_revoked(session, dev, issued[0])
    assert session._run.record.state not in (State.AUTHORIZING, State.EXCHANGING)


@pytest.mark.parametrize("endpoint", ["jwks", "userinfo"])
def test_a_login_that_waits_is_cancelled_and_what_was_issued_is_revoked_or_kept(
    manager: SessionManager, dev: DevProvider, issued: list[dict[str, Any]], endpoint: str
) -> None:
    local = SessionManager([dev.settings("acme")])
    with ScriptedBrowser("ada") as ada, CtrlC(dev, endpoint), pytest.raises(KeyboardInterrupt):
        local["acme"].login(open_url=ada)
    session = local["acme"]
    local.close()
    assert len(issued) == 1
    assert kept_or_revoked(session, dev, issued[0])
    assert session._run.record.state not in (State.AUTHORIZING, State.EXCHANGING)


def test_a_saved_session_that_is_being_renewed_comes_back(
    manager: SessionManager, dev: DevProvider, issued: list[dict[str, Any]]
) -> None:
    session = signed_in(manager, dev)
    saved = replace(session.token(), expires_at=1.0)
    session.logout(revoke=False, end_session=False)
    with CtrlC(dev, "token", after=True), pytest.raises(KeyboardInterrupt):
        session.restore(saved)
    manager.close()
    assert len(issued) == 2
    assert kept_or_revoked(session, dev, issued[1])
    assert session._run.record.state is State.AUTHENTICATED


def test_receivers_are_told_on_the_callers_thread_as_ever(manager: SessionManager, dev: DevProvider) -> None:
    dev.auto = "ada"
    session = manager["acme"]
    url, binding = came_back(session)
    threads: list[Any] = []
    manager.on_login_failed.connect(lambda session, event: threads.append(threading.current_thread()))
    dev.fail_next("token", 400, {"error": "invalid_grant"})
    with pytest.raises(AuthflowError):
        session.complete(url, binding=binding)
    assert threads == [threading.main_thread()]


def test_a_receiver_of_a_failed_login_may_close_the_manager(manager: SessionManager, dev: DevProvider) -> None:
    dev.auto = "ada"
    session = manager["acme"]
    url, binding = came_back(session)
    manager.on_login_failed.connect(lambda session, event: manager.close())
    with dev.lie("id_token_claims", lambda claims: {**claims, "aud": "another"}), pytest.raises(AuthflowError):
        session.complete(url, binding=binding)
    assert session._run.record.state is State.IDLE


# ── struck while a thread is begun ───────────────────────────────────────────────────────────────────

@pytest.fixture
def none_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that has done its work ends at once: the next flight begins one."""
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.0)


THREADS = ["authflow-flight", "authflow-loopback", "authflow-scheduler", "authflow-receiver"]


@pytest.mark.parametrize("when", ["before", "while"])
@pytest.mark.parametrize("name", THREADS)
def test_a_login_that_is_struck_there_ends_and_the_next_one_works(
    dev: DevProvider, issued: list[dict[str, Any]], name: str, when: str
) -> None:
    with SessionManager([dev.settings("acme")]) as local:
        session, told = local["acme"], threading.Event()
        local.on_login.connect(lambda session, event: told.set(), background=True)
        with struck_beginning(name, when) as at, ScriptedBrowser("ada") as ada, pytest.raises(KeyboardInterrupt):
            session.login(open_url=ada)
        assert len(at) == 1
        if session.state.live:  # it had come to its end when it was struck, or before it could be cancelled
            assert name in ("authflow-receiver", "authflow-flight")
            session.logout()
        else:
            assert name != "authflow-receiver"
            assert session.state is State.IDLE
        told.clear()
        with ScriptedBrowser("ada") as ada:
            session.login(open_url=ada)
        assert told.wait(30)
    present = session._run.record.token
    assert present is not None
    for answer in issued:
        assert dev.accepts(answer["access_token"]) == (answer["access_token"] == present.access_token)


@pytest.mark.parametrize("when", ["before", "while"])
@pytest.mark.parametrize("name", THREADS)
def test_closing_after_a_login_was_struck_there_leaves_nothing_behind(
    dev: DevProvider, issued: list[dict[str, Any]], name: str, when: str
) -> None:
    local = SessionManager([dev.settings("acme")])
    session = local["acme"]
    local.on_login.connect(lambda session, event: None, background=True)
    with struck_beginning(name, when), ScriptedBrowser("ada") as ada, pytest.raises(KeyboardInterrupt):
        session.login(open_url=ada)
    local.close()
    assert all(kept_or_revoked(session, dev, answer) for answer in issued)
    assert session._run.record.state not in (State.AUTHORIZING, State.EXCHANGING)
    assert ended("authflow-flight", "authflow-loopback")


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_renewal_that_is_struck_there_is_the_next_callers_too(
    manager: SessionManager, dev: DevProvider, issued: list[dict[str, Any]], when: str, none_waits: None
) -> None:
    session = signed_in(manager, dev)
    with dev.hold("token", after=True) as held:
        assert ended("authflow-flight")
        with struck_beginning("authflow-flight", when), pytest.raises(KeyboardInterrupt):
            session.refresh()
        held.wait()
        threading.Timer(0.2, held.release).start()
        session.refresh()
    assert len(issued) == 2
    assert session.token().access_token == issued[1]["access_token"]


@pytest.mark.parametrize("when", ["before", "while"])
def test_a_restore_that_is_struck_there_comes_back_and_is_told(
    manager: SessionManager, dev: DevProvider, issued: list[dict[str, Any]], when: str, none_waits: None
) -> None:
    session = signed_in(manager, dev)
    saved = replace(session.token(), expires_at=1.0)
    session.logout(revoke=False, end_session=False)
    told = threading.Event()
    manager.on_restore.connect(lambda session, event: told.set())
    assert ended("authflow-flight")
    with struck_beginning("authflow-flight", when), pytest.raises(KeyboardInterrupt):
        session.restore(saved)
    assert told.wait(30)
    assert session.token().access_token == issued[1]["access_token"]
    assert len(issued) == 2


# ── struck amid what follows a fence ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("hook", ["event", "receiver"])
def test_a_logout_that_is_struck_when_it_holds_is_told_to_the_provider(
    manager: SessionManager, dev: DevProvider, issued: list[dict[str, Any]], hook: str
) -> None:
    session = signed_in(manager, dev)

    def strike(*_: Any) -> None:
        raise KeyboardInterrupt

    if hook == "receiver":
        manager.on_logout.connect(lambda session, event: strike())
        with pytest.raises(KeyboardInterrupt):
            session.logout()
    else:
        with patch.object(manager._house.recorder, "event", strike), pytest.raises(KeyboardInterrupt):
            session.logout()
    manager.close()
    assert session._run.record.state is State.LOGGED_OUT
    assert kept_or_revoked(session, dev, issued[0])
