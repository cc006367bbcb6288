"""What is drawn is what goes over the wire: the flows are run, and compared with their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from authflow import SessionManager
from authflow.diagrams.flows import FLOWS
from authflow.testing import DevProvider, ScriptedBrowser

DRAWN = {flow.name: flow.sequence for flow in FLOWS}
PATHS = {
    "GET …/openid-configuration": ("GET", "metadata"),
    "GET authorization_endpoint": ("GET", "authorize"),
    "POST token_endpoint": ("POST", "token"),
    "GET jwks_uri": ("GET", "jwks"),
    "GET userinfo_endpoint": ("GET", "userinfo"),
    "POST revocation_endpoint": ("POST", "revoke"),
    "GET end_session_endpoint": ("GET", "end_session"),
}


def asked_in(flow: str) -> list[tuple[str, str]]:
    """What the picture says that the provider is asked."""
    return [
        PATHS[one.text] for one in DRAWN[flow].messages
        if one.target == "provider" and one.source != "provider" and not one.reply
    ]  # fmt: skip


def asked(dev: DevProvider) -> list[tuple[str, str]]:
    """What the provider was asked, the human's own clicks left out."""
    known = set(PATHS.values())
    said = [(one.method, dev._endpoint_of(one.path)) for one in dev.requests]
    clicks = ("GET", "end_session")  # the question whether one really wants to, answered
    return [one for i, one in enumerate(said) if one in known and not (one == clicks and one in said[:i])]


@pytest.fixture
def dev() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada").serve() as provider:
        yield provider


@pytest.fixture
def browser() -> Iterator[ScriptedBrowser]:
    person = ScriptedBrowser("ada")
    yield person
    person.close()


@pytest.fixture
def manager(dev: DevProvider) -> Iterator[SessionManager]:
    with SessionManager([dev.settings("acme")], single_user=True) as manager:
        yield manager


def test_a_login_asks_the_provider_what_is_drawn(dev: Any, manager: Any, browser: Any) -> None:
    manager["acme"].login(open_url=browser)

    assert asked(dev) == asked_in("code-pkce")


def test_a_refresh_asks_the_provider_what_is_drawn(dev: Any, manager: Any, browser: Any) -> None:
    manager["acme"].login(open_url=browser)
    dev.forget_requests()

    manager["acme"].refresh()

    assert asked(dev) == asked_in("refresh")


def test_a_logout_asks_the_provider_what_is_drawn(dev: Any, manager: Any, browser: Any) -> None:
    manager["acme"].login(open_url=browser)
    dev.forget_requests()

    browser.go(manager["acme"].logout().end_session_url)

    assert asked(dev) == asked_in("logout")


def test_every_lane_of_a_flow_has_a_part_in_it() -> None:
    for name, sequence in DRAWN.items():
        used = {end for one in sequence.messages for end in (one.source, one.target)}
        assert used == {lane.key for lane in sequence.lanes}, name


def test_an_answer_follows_its_question() -> None:
    for name, sequence in DRAWN.items():
        open_calls: list[tuple[str, str]] = []
        for one in sequence.messages:
            if one.reply:
                assert (one.target, one.source) in open_calls, f"{name}: {one.text}"
                open_calls.remove((one.target, one.source))
            elif one.source != one.target:
                open_calls.append((one.source, one.target))
