"""Where a loopback redirect goes, for every way a provider can be registered."""

from __future__ import annotations

import pytest

from authflow.agents.redirect import LoopbackPlan, plan_loopback
from authflow.errors import ConfigurationError
from authflow.providers.base import Provider


def plan(host: str | None = None, port: int | None = None, **settings: object) -> LoopbackPlan:
    return plan_loopback(Provider("client", name="github", **settings), host, port)  # type: ignore[arg-type]


def test_by_default_it_is_the_ip_literal_any_port_and_the_providers_path():
    assert plan() == LoopbackPlan("127.0.0.1", 0, "/callback/github")


def test_two_providers_have_two_paths():
    assert plan_loopback(Provider("c", name="a")).path != plan_loopback(Provider("c", name="b")).path


def test_a_registered_path_is_kept():
    assert plan(callback_path="/oauth/done").redirect_uri(8000) == "http://127.0.0.1:8000/oauth/done"


def test_a_provider_that_insists_on_localhost_gets_it():
    assert plan(loopback_host="localhost").redirect_uri(8000) == "http://localhost:8000/callback/github"


def test_a_fixed_port_is_kept_and_the_agents_own_wins():
    assert plan(loopback_port=8123).port == 8123
    assert plan(loopback_port=8123, port=9000).port == 9000


def test_a_registered_loopback_uri_with_a_port_is_used_byte_for_byte():
    registered = "http://localhost:8400/auth/done?app=1"
    found = plan(redirect_uri=registered)
    assert (found.host, found.port, found.path) == ("localhost", 8400, "/auth/done")
    assert found.redirect_uri(8400) == registered


def test_a_registered_loopback_uri_without_a_port_leaves_the_port_free():
    found = plan(redirect_uri="http://127.0.0.1/done")
    assert found.port == 0
    assert found.redirect_uri(5000) == "http://127.0.0.1:5000/done"


def test_the_agents_host_and_port_win_over_a_registered_uri():
    found = plan(redirect_uri="http://localhost:8400/done", host="127.0.0.1", port=9000)
    assert found.redirect_uri(9000) == "http://127.0.0.1:9000/done"


def test_an_ipv6_literal_stands_in_brackets():
    assert plan(redirect_uri="http://[::1]:8400/done").redirect_uri(8400) == "http://[::1]:8400/done"
    assert plan(host="::1").redirect_uri(8400) == "http://[::1]:8400/callback/github"


def test_port_80_is_left_out_as_browsers_do():
    assert LoopbackPlan("127.0.0.1", 80, "/").authority(80) == "127.0.0.1"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com", "127.1", ""])
def test_a_host_that_is_not_on_loopback_is_refused(host):
    with pytest.raises(ConfigurationError, match="loopback"):
        plan(host=host)


def test_a_providers_host_that_is_not_on_loopback_is_refused():
    with pytest.raises(ConfigurationError, match="loopback"):
        plan(loopback_host="0.0.0.0")


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist_is_refused(port):
    with pytest.raises(ConfigurationError, match="port"):
        plan(port=port)


def test_a_web_redirect_uri_is_refused_with_the_two_remedies():
    with pytest.raises(ConfigurationError, match=r"begin\(\) and complete\(\)"):
        plan(redirect_uri="https://app.example/callback")


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:x/cb", "http://127.0.0.1:99999/cb", "http://me@127.0.0.1:80/cb", "http://127.0.0.1:80/#f",
            "http://127.0.0.1:80/a b", "http://127.0.0.1:80/\r\nX: y"],
)  # fmt: skip
def test_an_unclean_redirect_uri_is_refused(uri):
    with pytest.raises(ConfigurationError):
        plan(redirect_uri=uri)


@pytest.mark.parametrize("path", ["/a b", "/a?b=c", "/a#b", "/ä", "/a\\b"])
def test_an_unclean_callback_path_is_refused(path):
    with pytest.raises(ConfigurationError):
        plan(callback_path=path)
