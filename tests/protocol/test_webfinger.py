"""WebFinger: what is asked for whom, and which answers name an issuer."""

from __future__ import annotations

import httpx
import pytest

from authflow.errors import InsecureURL, InvalidCall, ResponseInvalid
from authflow.protocol.webfinger import ISSUER_RELATION, build_webfinger_request, read_webfinger_response


def answer(*links: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={"subject": "acct:ada@example.com", "links": list(links)})


def link(href: object, rel: object = ISSUER_RELATION) -> dict[str, object]:
    return {"rel": rel, "href": href}


@pytest.mark.parametrize(
    ("identifier", "host", "resource"),
    [
        ("ada@example.com", "example.com", "acct:ada@example.com"),
        ("acct:ada@example.com", "example.com", "acct:ada@example.com"),
        ("ada%40work.example@example.com:8443", "example.com:8443", "acct:ada%40work.example@example.com:8443"),
        ("example.com", "example.com", "https://example.com"),
        ("example.com:8080", "example.com:8080", "https://example.com:8080"),
        ("https://example.com/ada?x=1#here", "example.com", "https://example.com/ada?x=1"),
    ],
)
def test_an_address_is_asked_about_at_its_own_host(identifier: str, host: str, resource: str) -> None:
    request = build_webfinger_request(identifier)

    assert (request.url.scheme, request.url.netloc.decode()) == ("https", host)
    assert request.url.path == "/.well-known/webfinger"
    assert dict(request.url.params) == {"resource": resource, "rel": ISSUER_RELATION}


@pytest.mark.parametrize(
    "identifier",
    ["", "ada@", "@example.com", "ada lovelace@example.com", "javascript:alert(1)", "https://ada@example.com/",
     "https://", "ftp://example.com", "a\tb", "https://example.com\\@evil.example", "ada@exa/mple.com", "https://[::1"],
)  # fmt: skip
def test_what_is_no_address_is_refused(identifier: str) -> None:
    with pytest.raises((InvalidCall, InsecureURL)):
        build_webfinger_request(identifier)


def test_http_is_for_this_machine_and_when_it_is_allowed() -> None:
    with pytest.raises(InsecureURL):
        build_webfinger_request("http://example.com/ada", allow_insecure_loopback=True)
    with pytest.raises(InsecureURL):
        build_webfinger_request("http://127.0.0.1:8080/ada")
    assert build_webfinger_request("ada@127.0.0.1:8080", allow_insecure_loopback=True).url.scheme == "http"
    assert build_webfinger_request("ada@127.0.0.1:8080").url.scheme == "https"


def test_the_first_link_that_is_an_issuer_counts() -> None:
    strange = ["x", None, {}, link("https://other.example", "avatar"), link(7), link("https://a.example/?q=1")]

    found = read_webfinger_response(answer(*strange, link("https://op.example/t"), link("https://b.example")), "a@x.y")

    assert found == "https://op.example/t"


@pytest.mark.parametrize("links", [(), (link("https://a.example#f"),), ("x",) * 200])
def test_an_answer_without_an_issuer_is_refused(links: tuple[object, ...]) -> None:
    with pytest.raises(ResponseInvalid):
        read_webfinger_response(answer(*links), "ada@example.com")


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"links": {}}', b"{" * 9999])
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(ResponseInvalid):
        read_webfinger_response(httpx.Response(200, content=body), "ada@example.com")


def test_nobody_is_found() -> None:
    with pytest.raises(ResponseInvalid, match="404"):
        read_webfinger_response(answer(link("https://op.example"), status=404), "ada@example.com")


@pytest.mark.parametrize("href", ["http://op.example", "http://169.254.169.254", "javascript:alert(1)", "https://a@b"])
def test_an_issuer_that_is_not_https_is_refused(href: str) -> None:
    with pytest.raises(InsecureURL):
        read_webfinger_response(answer(link(href)), "ada@example.com", allow_insecure_loopback=True)
