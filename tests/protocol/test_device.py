"""Device authorization (RFC 8628): what is asked, what a human may be shown, and the dialects of three vendors."""

import msgspec
import pytest

from authflow.errors import (
    InsecureURL,
    InvalidClient,
    MissingEndpoint,
    Phase,
    ResponseInvalid,
    ServiceUnavailable,
    UnauthorizedClient,
)
from authflow.protocol.device import (
    build_device_request,
    build_device_token_request,
    read_device_response,
)
from authflow.protocol.discovery import configured_metadata
from authflow.protocol.terms import DEFAULT_INTERVAL, LONGEST_WAIT, Terms
from authflow.providers import Auth0, GitHub, Google, Microsoft

from .issuer import ISSUER, METADATA, MOMENT, answer, form_of, openid, plain

WITH_DEVICE = msgspec.structs.replace(METADATA, device_authorization_endpoint=f"{ISSUER}/device")
GOOD = {
    "device_code": "dc-that-only-this-side-knows",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://id.example/activate",
    "expires_in": 1800,
}


def build(provider=None, **more):
    arguments = {"scope": ("openid", "email"), "params": {}, **more}
    return build_device_request(provider or openid(), WITH_DEVICE, MOMENT, **arguments)


def read(provider=None, *, status=200, **changes):
    said = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
    return read_device_response(provider or openid(), answer(said, status))


def test_the_request_names_the_client_and_the_scope():
    request = build()
    assert str(request.url) == "https://id.example/device"
    assert form_of(request) == {"scope": "openid email", "client_id": "client-1"}
    assert request.headers["authorization"].startswith("Basic ")


def test_a_caller_may_ask_for_more_and_a_preset_too():
    assert form_of(build(openid(device_params={"audience": "api"}), params={"acr_values": "phr"}, resource=("r",))) == {
        "audience": "api", "acr_values": "phr", "resource": "r", "scope": "openid email", "client_id": "client-1",
    }  # fmt: skip


def test_a_provider_without_the_endpoint_says_what_to_do():
    with pytest.raises(MissingEndpoint) as missing:
        build_device_request(openid(), METADATA, MOMENT, scope=(), params={})
    assert "Paste" in missing.value.hint


def test_what_is_not_said_has_the_default_of_the_specification():
    code = read()
    assert (code.user_code, code.verification_uri) == ("WDJB-MJHT", "https://id.example/activate")
    assert code.terms == Terms("dc-that-only-this-side-knows", 1800.0, DEFAULT_INTERVAL)
    assert code.verification_uri_complete is None
    assert "dc-that" not in repr(code)


@pytest.mark.parametrize(
    ("changes", "interval", "expires_in"),
    [
        ({"interval": 7}, 7.0, 1800.0),
        ({"interval": "7", "expires_in": "60"}, 7.0, 60.0),
        ({"interval": 0}, 1.0, 1800.0),
        ({"interval": 10**9}, 300.0, 1800.0),
        ({"expires_in": 10**15}, 5.0, LONGEST_WAIT),
    ],
)
def test_numbers_are_sane(changes, interval, expires_in):
    terms = read(**changes).terms
    assert (terms.interval, terms.expires_in) == (interval, expires_in)


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": ...},
        {"device_code": ""},
        {"device_code": 17},
        {"device_code": "x" * 5000},
        {"device_code": "line\nbreak"},
        {"user_code": ...},
        {"user_code": ""},
        {"user_code": 123456},
        {"user_code": "\x1b\x07"},
        {"user_code": "A" * 65},
        {"verification_uri": ...},
        {"verification_uri": ""},
        {"expires_in": ...},
        {"expires_in": 0},
        {"expires_in": -5},
        {"expires_in": True},
        {"expires_in": "soon"},
        {"interval": "often"},
        {"interval": [5]},
    ],
)
def test_an_answer_that_cannot_be_used_is_refused(changes):
    with pytest.raises(ResponseInvalid) as invalid:
        read(**changes)
    assert invalid.value.phase is Phase.AUTHORIZE
    assert "dc-that" not in str(invalid.value)


@pytest.mark.parametrize(
    "uri",
    [
        "http://id.example/activate",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://id.example/\x1b[2Jactivate",
        "https://id.example/a b",
        "https://good@evil.example/",
        "https://id.example\\@evil.example/",
        "https://id.example/" + "a" * 9000,
        17,
    ],
)
@pytest.mark.parametrize("name", ["verification_uri", "verification_uri_complete"])
def test_no_human_is_sent_to_a_page_that_is_no_clean_https(name, uri):
    with pytest.raises(InsecureURL):
        read(**{name: uri})


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("WD\x1b[2JJB", "WD [2JJB"),
        ("AB\r\nCD", "AB CD"),
        ("AB\u202eCD", "AB CD"),
        ("  AB-CD ", "AB-CD"),
        ("日本", "日本"),
    ],
)
def test_a_code_cannot_write_over_the_terminal(code, shown):
    assert read(user_code=code).user_code == shown


def test_an_error_is_the_error():
    with pytest.raises(InvalidClient):
        read_device_response(openid(), answer({"error": "invalid_client"}, 401))


def test_one_poll_holds_the_code():
    request = build_device_token_request(openid(), WITH_DEVICE, MOMENT, device_code="dc", user_code=None)
    assert str(request.url) == "https://id.example/token"
    assert form_of(request) == {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "dc"}


# ── dialects ─────────────────────────────────────────────────────────────────────────────────────────


def test_google_calls_its_page_a_url():
    said = {"verification_url": "https://www.google.com/device", "verification_uri": ...}
    assert read(Google("id", "secret"), **said).verification_uri == "https://www.google.com/device"


def test_google_says_its_quota_in_error_code():
    with pytest.raises(ServiceUnavailable):
        read_device_response(Google("id", "secret"), answer({"error_code": "rate_limit_exceeded"}, 403))


def test_github_says_that_the_application_has_it_switched_off():
    with pytest.raises(UnauthorizedClient):
        read_device_response(GitHub("id"), answer({"error": "device_flow_disabled"}, 200))


def test_github_knows_its_endpoint_without_discovery():
    assert GitHub("id").device_authorization_endpoint == "https://github.com/login/device/code"


def test_auth0_is_asked_for_the_api_here_too():
    assert Auth0("t.eu.auth0.com", "id", audience="https://api").device_params == {"audience": "https://api"}


def test_microsoft_declines_in_words_of_its_own():
    assert Microsoft("id").error_codes["authorization_declined"] == "access_denied"


def test_amazon_wants_another_grant_type_and_the_users_code_again():
    amazon = plain(
        device_authorization_endpoint="https://api.amazon.com/auth/o2/create/codepair",
        device_params={"response_type": "device_code"},
        device_grant_type="device_code",
        device_sends_user_code=True,
    )
    metadata = configured_metadata(amazon)
    asked = build_device_request(amazon, metadata, MOMENT, scope=("profile",), params={})
    assert form_of(asked)["response_type"] == "device_code"
    polled = build_device_token_request(amazon, metadata, MOMENT, device_code="dc", user_code="AB-CD")
    assert form_of(polled) == {"grant_type": "device_code", "device_code": "dc", "user_code": "AB-CD"}
