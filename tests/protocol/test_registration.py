"""Registration and its management (RFC 7591, RFC 7592): requests, and which answers are believed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import (
    AuthflowError,
    ConfigurationError,
    InsecureURL,
    InvalidClient,
    MissingEndpoint,
    NotSupported,
    OAuthError,
    ResponseInvalid,
)
from authflow.protocol.registration import (
    ClientInformation,
    ClientMetadata,
    build_configuration_request,
    build_registration_request,
    choose_application_type,
    choose_auth_method,
    client_id_document,
    keep_management,
    read_deletion_response,
    read_registration_response,
)

from .issuer import ISSUER, METADATA, NOW, answer, openid

SERVER = msgspec.structs.replace(METADATA, registration_endpoint=f"{ISSUER}/register")
APP = ClientMetadata(client_name="My application", contacts=("a@app.example",), more={"tenant": "t-1"})
GIVEN = {
    "client_id": "c-1",
    "client_secret": "s3cret-that-was-given",
    "client_secret_expires_at": NOW + 3600,
    "redirect_uris": ["https://app.example/cb"],
    "registration_client_uri": f"{ISSUER}/register/c-1",
    "registration_access_token": "rat-1",
}


def read(**changes: Any) -> ClientInformation:
    told = {name: value for name, value in {**GIVEN, **changes}.items() if value is not None}
    return read_registration_response(openid(), SERVER, answer(told, 201))


def test_the_request_says_who_asks_and_nothing_that_is_not_the_servers() -> None:
    app = msgspec.structs.replace(APP, initial_access_token="iat-1", client_id_metadata_url="https://app.example/c")
    request = build_registration_request(openid(), SERVER, app, "https://app.example/cb")
    assert (request.method, str(request.url)) == ("POST", f"{ISSUER}/register")
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer iat-1"
    assert json.loads(request.content) == {
        "client_name": "My application", "contacts": ["a@app.example"], "tenant": "t-1",
        "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"], "application_type": "web", "token_endpoint_auth_method": "client_secret_basic",
    }  # fmt: skip
    assert "iat-1" not in repr(app)


@pytest.mark.parametrize("token", ["tökén", "a b", "a\r\nb: c"])
def test_a_token_that_no_header_can_hold_is_told_before_it_is_sent(token: str) -> None:
    app = msgspec.structs.replace(APP, initial_access_token=token)
    with pytest.raises(ConfigurationError) as caught:
        build_registration_request(openid(), SERVER, app, "https://app.example/cb")
    assert token not in str(caught.value)


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "http://app.example/cb", "A://[", "", 7])
def test_no_code_is_asked_for_at_a_place_that_is_none(uri: Any) -> None:
    with pytest.raises(InsecureURL):
        build_registration_request(openid(), SERVER, msgspec.structs.replace(APP, redirect_uris=(uri,)), "https://x/cb")


def test_a_client_id_document_is_about_its_own_url_and_holds_no_secret() -> None:
    url = "https://app.example/client.json"
    app = msgspec.structs.replace(APP, client_id_metadata_url=url, more={"client_id": "c", "client_secret": "s"})
    document = client_id_document(app, "https://app.example/cb", "https://app.example/second")
    assert document["client_id"] == url
    assert document["redirect_uris"] == ["https://app.example/cb", "https://app.example/second"]
    assert "client_secret" not in document


def test_a_server_without_registration_is_told_with_the_remedy() -> None:
    with pytest.raises(MissingEndpoint, match=r"client_id=.*ClientMetadata\(…, client_id_metadata_url="):
        build_registration_request(openid(), METADATA, APP, "https://app.example/cb")


@pytest.mark.parametrize(
    ("uri", "kind"),
    [("http://127.0.0.1/cb", "native"), ("http://[::1]:7/cb", "native"), ("http://localhost/cb", "native"),
     ("com.example.app:/cb", "native"), ("https://app.example/cb", "web")],
)  # fmt: skip
def test_loopback_and_app_links_are_native(uri: str, kind: str) -> None:
    assert choose_application_type(uri) == kind


@pytest.mark.parametrize(
    ("listed", "kind", "method"),
    [
        (None, "web", "client_secret_basic"),
        (None, "native", "client_secret_basic"),  # RFC 8414 §2: the default when nothing is listed
        (("none", "client_secret_basic"), "native", "none"),
        (("none", "client_secret_post"), "web", "client_secret_post"),
        (("none",), "web", "none"),
    ],
)
def test_the_client_authentication_fits_the_application_and_the_server(
    listed: tuple[str, ...] | None, kind: str, method: str
) -> None:
    metadata = msgspec.structs.replace(SERVER, token_endpoint_auth_methods_supported=listed)
    assert choose_auth_method(metadata, kind) == method


def test_a_server_that_wants_a_way_that_cannot_be_asked_for_is_told() -> None:
    with pytest.raises(NotSupported):
        choose_auth_method(msgspec.structs.replace(SERVER, token_endpoint_auth_methods_supported=("tls",)), "web")


def test_a_good_answer_is_the_client_and_its_issuer() -> None:
    known = read()
    assert (known.issuer, known.client_id, known.client_secret) == (ISSUER, "c-1", GIVEN["client_secret"])
    assert known.token_endpoint_auth_method == "client_secret_basic"
    assert (known.is_over(NOW), known.is_over(NOW + 3541)) == (False, True)
    assert not read(client_secret_expires_at=0).is_over(NOW + 1e9)
    assert read(client_secret=None, client_secret_expires_at=None).token_endpoint_auth_method == "none"
    assert str(GIVEN["client_secret"]) not in repr(known)
    assert "rat-1" not in repr(known)


def test_a_secret_that_a_public_client_was_given_is_not_kept() -> None:
    assert read(token_endpoint_auth_method="none").client_secret is None


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None}, {"client_id": ["c"]}, {"client_id": " c"}, {"client_id": "c\x00"},
        {"client_id": "c" * 5000}, {"client_secret": 7},
        {"client_secret": None, "token_endpoint_auth_method": "client_secret_post"},
        {"client_secret_expires_at": True}, {"client_secret_expires_at": -1}, {"redirect_uris": [7]},
        {"redirect_uris": {"a": 1}}, {"token_endpoint_auth_method": "tls_client_auth"},
        {"registration_client_uri": "https://evil.example/register/c-1"},
        {"registration_client_uri": f"{ISSUER}:444/register/c-1"},
        {"registration_access_token": "tökén"}, {"registration_access_token": "a b"},
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(ResponseInvalid):
        read(**changes)


def test_a_refusal_is_the_error_that_it_is() -> None:
    with pytest.raises(OAuthError) as refused:
        read_registration_response(openid(), SERVER, answer({"error": "invalid_redirect_uri"}, 400))
    assert refused.value.error == "invalid_redirect_uri"


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_whatever_a_member_is_only_a_client_or_a_refusal_comes_of_it(value: Any) -> None:
    for name in GIVEN:
        try:
            known = read_registration_response(
                openid(), SERVER, answer(msgspec.json.encode({**GIVEN, name: value}), 201)
            )
        except AuthflowError:
            continue
        assert known.client_id


def test_management_is_authorised_by_the_registrations_own_token() -> None:
    known = read()
    got = build_configuration_request(openid(), known, "GET")
    assert (got.method, str(got.url)) == ("GET", f"{ISSUER}/register/c-1")
    assert got.headers["authorization"] == "Bearer rat-1"
    put = build_configuration_request(openid(), known, "PUT", {"client_name": "New"})
    assert json.loads(put.content) == {
        "client_name": "New", "client_id": "c-1", "client_secret": GIVEN["client_secret"],
    }  # fmt: skip


@pytest.mark.parametrize("missing", ["registration_client_uri", "registration_access_token"])
def test_what_cannot_be_managed_is_not(missing: str) -> None:
    with pytest.raises(NotSupported):
        build_configuration_request(openid(), read(**{missing: None}), "GET")


def test_an_answer_to_a_read_may_leave_out_what_has_not_changed() -> None:
    known = read()
    kept = keep_management(known, read(registration_client_uri=None, registration_access_token=None))
    assert (kept.configuration_uri, kept.registration_access_token) == (
        known.configuration_uri, known.registration_access_token,
    )  # fmt: skip
    with pytest.raises(ResponseInvalid):
        keep_management(known, read(client_id="c-2"))


@pytest.mark.parametrize("status", [204, 200, 401, 404])
def test_these_answers_mean_that_it_is_gone(status: int) -> None:
    read_deletion_response(openid(), answer(b"", status))


@pytest.mark.parametrize("status", [403, 405, 500])
def test_these_do_not(status: int) -> None:
    with pytest.raises(AuthflowError) as refused:
        read_deletion_response(openid(), answer(b"", status))
    assert not isinstance(refused.value, InvalidClient)
