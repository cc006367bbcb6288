"""The web agent: a redirect URI, and nothing else."""

from __future__ import annotations

import pytest

from authflow.agents.base import Agent, Listener
from authflow.agents.web import Web
from authflow.errors import ConfigurationError, InsecureURL


def test_the_route_is_the_listener(provider):
    agent = Web("https://app.example/callback/github")
    listener = agent.listen(provider)
    assert isinstance(agent, Agent)
    assert isinstance(listener, Listener)
    assert not agent.waits
    assert listener.redirect_uri == agent.redirect_uri == "https://app.example/callback/github"


def test_opening_is_the_routes_own_redirect():
    assert Web("https://app.example/cb").open("https://idp.example/") is None


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8000/cb", "http://localhost:8000/cb", "http://[::1]:8000/cb"])
def test_plain_http_is_for_development_on_loopback(uri):
    assert Web(uri).redirect_uri == uri


def test_plain_http_elsewhere_is_refused():
    with pytest.raises(InsecureURL, match="https"):
        Web("http://app.example/cb")


@pytest.mark.parametrize(
    "uri", ["", "/cb", "https:///cb", "https://app.example/#x", "https://me@app.example/", "https://a b/"]
)
def test_what_is_no_absolute_url_is_refused(uri):
    with pytest.raises(ConfigurationError):
        Web(uri)
