from __future__ import annotations

import logging
import socket
import threading

import httpx
import pytest

from authflow.errors import ConfigurationError
from authflow.testing import DevProvider


def test_it_is_served_on_loopback_and_gone_afterwards() -> None:
    before = set(threading.enumerate())
    with DevProvider().serve() as provider:
        assert provider.issuer.startswith("http://127.0.0.1:")
        assert httpx.get(f"{provider.url}/api/me", trust_env=False).status_code == 401
        url = provider.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/jwks", trust_env=False)
    assert not set(threading.enumerate()) - before


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "example.com", "localhost", ""])
def test_a125_it_refuses_to_be_served_anywhere_else(host: str) -> None:
    with pytest.raises(ConfigurationError, match="not served"), DevProvider().serve(host=host):
        pass


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=str(port)), DevProvider().serve(port=port):
            pass


def test_a_chosen_port_can_be_used_again_at_once() -> None:
    with DevProvider().serve() as provider:
        port = int(provider.url.rpartition(":")[2])
        httpx.get(f"{provider.url}/jwks", trust_env=False)
    with DevProvider().serve(port=port) as provider:
        assert provider.url.endswith(f":{port}")


def test_one_that_has_an_issuer_is_not_served() -> None:
    with pytest.raises(ConfigurationError, match="issuer"), DevProvider(issuer="https://op.example").serve():
        pass


def test_it_can_be_served_again() -> None:
    provider = DevProvider()
    for _ in range(2):
        with provider.serve():
            assert httpx.get(f"{provider.url}/api/me", trust_env=False).status_code == 401


def test_it_says_once_what_it_is_for(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), DevProvider().serve() as provider:
        httpx.get(f"{provider.url}/jwks", trust_env=False)
    assert [record.name for record in caplog.records].count("authflow.testing") == 1
    assert "development only" in caplog.text


def test_requests_under_way_do_not_keep_it_from_ending() -> None:
    with DevProvider().serve() as provider:
        provider.delay("jwks", 60)
        hold = provider.hold("api")
        urls = [f"{provider.url}/{path}" for path in ("jwks", "api/me")]
        ended: list[object] = []
        threads = [threading.Thread(target=_ask, args=(url, ended), daemon=True) for url in urls]
        for thread in threads:
            thread.start()
        hold.wait()
        idle = socket.create_connection(("127.0.0.1", int(provider.url.rpartition(":")[2])))
    idle.close()
    for thread in threads:
        thread.join(60)
    assert len(ended) == 2
    assert httpx.ReadTimeout not in ended  # nobody waited for the minute to pass


def test_an_error_inside_the_block_ends_it_too() -> None:
    with pytest.raises(RuntimeError, match="inside"), DevProvider().serve() as provider:
        raise RuntimeError("inside")
    with pytest.raises(ConfigurationError):
        _ = provider.url


async def test_on_a_loop_it_starts_and_stops_without_blocking() -> None:
    async with DevProvider().aserve() as provider, httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{provider.url}/api/me")).status_code == 401


def _ask(url: str, ended: list[object]) -> None:
    try:
        ended.append(httpx.get(url, trust_env=False, timeout=50).status_code)
    except httpx.HTTPError as error:
        ended.append(type(error))
