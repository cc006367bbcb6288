"""What a newcomer gets wrong: every such call says what is wrong and what to write, and leaves nothing behind."""

from __future__ import annotations

import copy
import pickle
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from authflow import AsyncSessionManager, SessionManager, State
from authflow.agents import CIBA, Paste
from authflow.errors import (
    AuthflowError,
    ConfigurationError,
    InvalidCall,
    LoginFailed,
    ManagerClosed,
    UnknownProvider,
)
from authflow.providers import GitHub
from authflow.stores import FileStore, SQLiteStore
from authflow.testing import signed_in

from .conftest import go


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"scope": "email"}, "Write scope=['email']"),
        ({"scope": "openid email"}, "Write scope=['openid', 'email']"),
        ({"scope": [1, 2]}, "scope must be a list of strings"),
        ({"scope": 3}, "scope must be a list of strings"),
        ({"acr_values": 3}, "acr_values must be a list of strings"),
        ({"resource": 3}, "resource must be a list of strings"),
        ({"max_age": -5}, "max_age cannot be negative"),
        ({"max_age": float("nan")}, "max_age cannot be negative"),
        ({"agent": CIBA(login_hint="ada"), "login_hint": "grace"}, "Write CIBA(login_hint="),
        ({"acr_values": [None]}, "acr_values must be a list of strings"),
        ({"timeout": "5"}, "Write timeout=600"),
        ({"timeout": 0}, "timeout must lie between"),
        ({"max_age": "now"}, "max_age must be a number of seconds"),
        ({"prompt": ["none"]}, "prompt must be a string"),
        ({"params": "a=b"}, "params must be a mapping"),
        ({"agent": Paste}, "Pass an instance"),
        ({"agent": "paste"}, "agent= is no agent"),
        ({"open_url": "firefox"}, "open_url must be a function"),
    ],
)
async def test_an_argument_that_cannot_be_is_refused_before_anything_begins(manager, heard, arguments, told) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await go(manager["acme"].login(**arguments))

    assert told in str(caught.value)
    assert manager["acme"].state is State.IDLE
    assert heard == []


async def test_an_unknown_argument_names_the_nearest_one(manager) -> None:
    with pytest.raises(TypeError, match="Did you mean 'scope'"):
        await go(manager["acme"].login(scopes=["email"]))


@pytest.mark.parametrize("saved", [None, 5, b"af1.", {"access_token": "x"}])
async def test_what_was_never_saved_is_refused(manager, saved: Any) -> None:
    with pytest.raises(InvalidCall, match=r"Pass what dump\(\) returned"):
        await go(manager["acme"].restore(saved))


async def test_a_login_that_nobody_may_be_asked_for_names_the_remedy(manager, dev, browser) -> None:
    dev.auto = None

    with pytest.raises(LoginFailed, match="without prompt") as caught:
        await go(manager["acme"].login(prompt="none", open_url=browser))

    assert caught.value.error == "login_required"


@pytest.mark.parametrize("name", [3, None, ("acme",), ("acme", "work", "x"), ("acme", 3)])
async def test_what_is_no_name_of_a_session_is_a_key_error(manager, name: Any) -> None:
    with pytest.raises(UnknownProvider, match="no name of a session"):
        manager[name]

    assert manager.get(name) is None


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
async def test_sessions_and_managers_are_not_duplicated(manager, duplicate: Any) -> None:
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        duplicate(manager["acme"])
    with pytest.raises(TypeError, match="neither copied nor pickled"):
        duplicate(manager)


@pytest.mark.parametrize("providers", [None, GitHub("id", "secret"), 3])
def test_one_provider_is_no_list_of_providers(providers: Any) -> None:
    with pytest.raises(ConfigurationError, match="takes a list of providers"):
        SessionManager(providers)


def test_a_class_of_providers_is_no_provider() -> None:
    with pytest.raises(ConfigurationError, match=r"The class GitHub is no provider\. Pass instances"):
        SessionManager([GitHub])  # type: ignore[list-item]


def test_a_store_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="A str is no store"):
        SessionManager([GitHub("id", "secret")], store="sessions.db")  # type: ignore[arg-type]


@pytest.mark.parametrize("manager", [SessionManager, AsyncSessionManager])
def test_a_function_that_tells_the_time_is_no_clock(manager: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is no clock\. Leave clock= away"):
        manager([GitHub("id", "secret")], clock=time.time)


@pytest.mark.parametrize("store", [FileStore, SQLiteStore])
@pytest.mark.parametrize(("path", "told"), [(None, "A NoneType is no path"), (3, "A int is no path"), ("", "an empty")])
def test_what_is_no_path_makes_no_store(store: Any, path: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{told}.*Write {store.__name__}\("):
        store(path)


def test_a_store_that_is_to_survive_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"durable='full' .* Pass \"process\" or \"power\""):
        SQLiteStore(tmp_path / "sessions.db", durable="full")  # type: ignore[arg-type]


def test_the_scopes_of_a_session_in_tests_are_a_list_too() -> None:
    with SessionManager([GitHub("id", "secret")]) as manager:
        with pytest.raises(ConfigurationError, match=r"Write scopes=\['repo', 'gist'\]"):
            signed_in(manager, "github", scopes="repo gist")
        assert manager["github"].state is State.IDLE


@pytest.mark.parametrize("owner", ["", None, 3])
async def test_an_owner_is_a_key_that_is_text(manager, owner: Any) -> None:
    with pytest.raises(ConfigurationError, match="non-empty string"):
        manager.owner(owner)


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="name must be a string, not int"):
        GitHub("id", "secret", name=3)  # type: ignore[arg-type]


async def test_after_close_nothing_begins_and_no_browser_opens(manager, heard, browser) -> None:
    session = manager["acme"]
    await go(session.login(open_url=browser))
    await go(manager.close())
    told, opened = len(heard), len(browser.opened)

    web = manager.owner("somebody")["acme"]
    for call in (
        lambda: manager["acme", "work"].login(open_url=browser),
        lambda: session.refresh(),
        lambda: session.logout(),
        lambda: web.begin(redirect_uri="http://127.0.0.1/callback/acme"),
        lambda: manager.complete("http://127.0.0.1/callback/acme?code=c&state=s"),
        lambda: manager.restore(),
    ):
        with pytest.raises(ManagerClosed, match="This manager was closed"):
            await go(call())

    assert session.live
    assert await go(session.cancel()) is False
    assert (len(heard), len(browser.opened)) == (told, opened)
    await go(manager.close())


async def test_a_login_that_a_receiver_begins_while_the_manager_closes_is_refused(manager, browser) -> None:
    """A program that tries again whenever a login fails must still come to its end."""
    manager["acme"]
    request = await go(manager.owner("somebody")["acme"].begin(redirect_uri="http://127.0.0.1/callback/acme"))
    raised: list[AuthflowError] = []

    def again(session: Any, event: Any) -> None:
        try:
            answer = session.login(open_url=browser)
            if hasattr(answer, "send"):
                answer.send(None)
        except AuthflowError as error:
            raised.append(error)

    manager.on_login_failed.connect(again)
    await go(manager.close())

    assert request.url
    assert [type(error) for error in raised] == [ManagerClosed]
    assert "authflow-loopback" not in {thread.name for thread in threading.enumerate()}
