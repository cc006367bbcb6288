"""App links: which redirect URIs are accepted, and what the application's opener gets."""

from __future__ import annotations

import logging

import pytest

from authflow.agents.app_link import AppLink
from authflow.agents.base import Agent, Listener
from authflow.errors import BrowserUnavailable, ConfigurationError, InsecureURL


def ignore(url: str) -> None:
    """An opener that opens nothing."""


def test_the_application_completes_the_login_itself(provider):
    agent = AppLink("https://app.example/signed-in", ignore)
    listener = agent.listen(provider)
    assert isinstance(agent, Agent)
    assert isinstance(listener, Listener)
    assert not agent.waits
    assert listener.redirect_uri == "https://app.example/signed-in"
    listener.start(lambda callback: None)
    listener.close()


def test_the_url_goes_to_the_applications_opener_and_its_result_comes_back():
    opened = []
    agent = AppLink("com.example.app:/signed-in", lambda url: opened.append(url) or "later")
    assert agent.open("https://idp.example/") == "later"
    assert opened == ["https://idp.example/"]


def test_a_hostile_url_never_reaches_the_opener():
    with pytest.raises(InsecureURL):
        AppLink("com.example.app:/signed-in", ignore).open("intent://x#Intent;end")


def test_an_opener_that_says_no_is_heard():
    with pytest.raises(BrowserUnavailable):
        AppLink("https://app.example/x", lambda url: False).open("https://idp.example/")


@pytest.mark.parametrize("uri", ["com.example.app:/signed-in", "com.example.app://signed-in", "org.example.a-b:/x?y=z"])
def test_a036_a_reverse_domain_scheme_is_accepted_with_a_warning(uri, caplog):
    with caplog.at_level(logging.WARNING, "authflow.agents"):
        assert not AppLink(uri, ignore).claimed
    assert "private-use scheme" in caplog.text


def test_a_claimed_https_link_is_accepted_without_one(caplog):
    assert AppLink("https://app.example/signed-in", ignore).claimed
    assert caplog.text == ""


@pytest.mark.parametrize(
    "uri",
    ["myapp:/x", "myapp://x", "http://app.example/x", "http://127.0.0.1/x", "javascript:alert(1)", "file:///x", "https:///x",
     "https://app.example/#x", "https://me@app.example/x", "com.example.app:/a b", "com..app:/x", ".com:/x", "", "/x"],
)  # fmt: skip
def test_everything_else_is_refused(uri):
    with pytest.raises(ConfigurationError):
        AppLink(uri, ignore)
