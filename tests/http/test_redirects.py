"""Redirects are refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from authflow import errors

from .support import CANARY, Driven, Server, answering, assert_no_secret, plain


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_refused_and_the_post_never_repeated(
    wire: Driven, serve: Callable[..., Server], status: int
) -> None:
    other = serve(answering(plain()))
    server = serve(answering(plain(b"", f"{status} Moved", f"Location: {other.url}/steal\r\n")))
    with pytest.raises(errors.RedirectRefused, match=f"/token answered with a redirect .{status}."):
        wire.post(server.url + "/token")
    assert len(server.requests) == 1
    assert other.connections == 0


def test_a_redirect_to_another_host_is_named_without_its_query(wire: Driven, serve: Callable[..., Server]) -> None:
    location = f"Location: http://login.example:8080/x?code={CANARY}\r\n"
    server = serve(answering(plain(b"", "302 Found", location)))
    with pytest.raises(errors.RedirectRefused) as caught:
        wire.get(f"{server.url}/userinfo?access_token={CANARY}")
    assert "login.example:8080" in caught.value.hint
    assert_no_secret(caught.value)


@pytest.mark.parametrize("location", ["https://other.example/", "http://[broken", "", "\\\\evil", "http://a\tb/"])
def test_a_redirect_elsewhere_or_to_nonsense_is_only_refused(
    wire: Driven, serve: Callable[..., Server], location: str
) -> None:
    server = serve(answering(plain(b"", "302 Found", f"Location: {location}\r\n")))
    with pytest.raises(errors.WireError):
        wire.get(server.url)
