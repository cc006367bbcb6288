"""Protected resource metadata (RFC 9728): where they lie, and which are used."""

from __future__ import annotations

from typing import Any

import pytest

from authflow.errors import InsecureURL, ResponseInvalid, ValidationFailed
from authflow.protocol.discovery import build_discovery_requests
from authflow.protocol.resource import (
    ResourceMetadata,
    build_probe_request,
    build_resource_metadata_requests,
    choose_server,
    is_about,
    read_probe_response,
    read_resource_metadata,
    resource_scopes,
)

from .issuer import answer, openid

API = "https://api.example/v1/mcp"
SERVERS = ["https://as.example", "https://other.example"]


def read(**changes: Any) -> ResourceMetadata:
    told = {"resource": API, "authorization_servers": SERVERS, "scopes_supported": ["a"], **changes}
    return read_resource_metadata(openid(), API, answer({k: v for k, v in told.items() if v is not None}))


def places(url: str, challenged: str | None = None) -> list[str]:
    return [str(one.url) for one in build_resource_metadata_requests(openid(), url, challenged)]


def test_the_api_is_asked_without_a_token() -> None:
    request = build_probe_request(openid(), API)
    assert (request.method, str(request.url)) == ("GET", API)
    assert "authorization" not in request.headers
    with pytest.raises(InsecureURL):
        build_probe_request(openid(), "http://api.example/mcp")


def test_only_a_401_says_where_the_metadata_are() -> None:
    said = {"www_authenticate": 'Bearer resource_metadata="https://api.example/meta", scope="a b"'}
    assert read_probe_response(answer(b"", 401, **said)) == ("https://api.example/meta", ("a", "b"))
    for status in (200, 403, 302, 405):
        assert read_probe_response(answer(b"", status, **said)) == (None, ())


def test_without_a_word_they_lie_at_the_well_known_places() -> None:
    known = "https://api.example/.well-known/oauth-protected-resource"
    assert places(API) == [f"{known}/v1/mcp", known]
    assert places("https://api.example") == [known]
    assert places("https://api.example/") == [known]
    assert places("https://api.example/a?b=c") == [f"{known}/a?b=c", known]


def test_where_the_401_said_is_the_only_place() -> None:
    assert places(API, "https://elsewhere.example/meta") == ["https://elsewhere.example/meta"]


@pytest.mark.parametrize(
    "place",
    ["http://api.example/meta", "https://127.0.0.1/meta", "https://[::1]/meta", "https://0x7f.1/", "file:///etc/passwd",
     "https://u@api.example/", "https://api.example/#x", "//api.example", "", "https://a\tb.example/"],
)  # fmt: skip
def test_a_place_that_is_a_trap_is_not_asked(place: str) -> None:
    with pytest.raises(InsecureURL):
        places(API, place)


def test_good_metadata_name_the_servers() -> None:
    found = read()
    assert found.authorization_servers == tuple(SERVERS)
    assert choose_server(openid(issuer=None, discovery=False), found) == SERVERS[0]
    assert choose_server(openid(issuer=SERVERS[1]), found) == SERVERS[1]


def test_a_server_that_the_api_does_not_name_is_not_the_clients() -> None:
    with pytest.raises(ValidationFailed) as refused:
        choose_server(openid(issuer="https://mine.example"), read())
    assert refused.value.check == "issuer"


@pytest.mark.parametrize(
    ("resource", "fits"),
    [
        (API, True), ("https://api.example/v1", True), ("https://api.example/v1/", True), ("https://api.example", True),
        ("https://api.example/", True), ("https://api.example/v", False), ("https://api.example/v1/mcp/x", False),
        ("https://api.example/v1/mcp2", False), ("https://evil.example/v1/mcp", False),
        ("http://api.example/v1", False), ("https://api.example:444/v1", False), ("https://api.example/v1?x=1", False),
        ("https://api.example@evil/", False), ("", False), ("api.example", False),
    ],
)  # fmt: skip
def test_metadata_are_about_the_api_or_what_lies_above_it(resource: str, fits: bool) -> None:
    assert is_about(resource, API) is fits
    if fits:
        assert read(resource=resource).resource == resource
    else:
        with pytest.raises(ValidationFailed) as refused:
            read(resource=resource)
        assert refused.value.check == "resource"


@pytest.mark.parametrize(
    "changes",
    [{"resource": None}, {"resource": 7}, {"authorization_servers": None}, {"authorization_servers": "https://as.example"},
     {"authorization_servers": []}, {"authorization_servers": [7]}, {"scopes_supported": "a"}],
)  # fmt: skip
def test_metadata_of_a_wrong_type_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ResponseInvalid):
        read(**changes)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{" * 100])
def test_what_are_no_metadata_are_refused(body: bytes) -> None:
    with pytest.raises(ResponseInvalid):
        read_resource_metadata(openid(), API, answer(body))


def test_the_scope_is_what_the_401_named_or_what_the_api_supports_and_to_stay_signed_in() -> None:
    found = ResourceMetadata(API, (), ("a", "b"))
    assert resource_scopes(found, ("c",), ()) == ("c",)
    assert resource_scopes(found, (), ("openid",)) == ("a", "b")
    assert resource_scopes(found, (), ("offline_access",)) == ("a", "b", "offline_access")
    assert resource_scopes(ResourceMetadata(API), (), ()) == ()


def test_a_server_that_an_api_named_is_looked_for_in_every_form() -> None:
    asked = [str(one.url) for one in build_discovery_requests("https://as.example/tenant1", every_form=True)]
    assert asked == [
        "https://as.example/.well-known/oauth-authorization-server/tenant1",
        "https://as.example/.well-known/openid-configuration/tenant1",
        "https://as.example/tenant1/.well-known/openid-configuration",
    ]
    assert [one.url.path for one in build_discovery_requests("https://as.example", every_form=True)] == [
        "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
    ]  # fmt: skip
