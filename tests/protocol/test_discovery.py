"""Discovery: a document about the wrong issuer, or one that sends us into a trap, is refused whole."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import (
    AuthflowError,
    InsecureURL,
    Phase,
    RedirectRefused,
    ResponseInvalid,
    ServerError,
    ValidationFailed,
)
from authflow.protocol.discovery import (
    ENDPOINTS,
    build_discovery_requests,
    configured_metadata,
    fits_template,
    merge_metadata,
    read_metadata,
)
from authflow.protocol.step import DOCUMENT_BYTES, limits_of

from .issuer import ISSUER, METADATA, answer, openid, plain

DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
    "userinfo_endpoint": f"{ISSUER}/userinfo",
    "revocation_endpoint": f"{ISSUER}/revoke",
    "end_session_endpoint": f"{ISSUER}/logout",
}


def read(document, issuer=ISSUER, provider=None, status=200):
    return read_metadata(answer(document, status), issuer, provider or openid())


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        ("https://id.example", ["https://id.example/.well-known/openid-configuration",
                                "https://id.example/.well-known/oauth-authorization-server"]),
        ("https://id.example/", ["https://id.example/.well-known/openid-configuration",
                                 "https://id.example/.well-known/oauth-authorization-server"]),
        ("https://id.example/realms/a", ["https://id.example/realms/a/.well-known/openid-configuration",
                                         "https://id.example/.well-known/oauth-authorization-server/realms/a"]),
    ],
)  # fmt: skip
def test_two_documents_are_asked_for(issuer, urls):
    requests = build_discovery_requests(issuer, seconds=4.0)
    assert [str(request.url) for request in requests] == urls
    assert {limits_of(request).most_bytes for request in requests} == {DOCUMENT_BYTES}
    assert {limits_of(request).seconds for request in requests} == {4.0}


@pytest.mark.parametrize(
    "issuer", ["http://id.example", "https://id.example?a=b", "https://u@id.example", "id.example", ""]
)
def test_an_issuer_that_is_no_clean_url_is_not_asked(issuer):
    with pytest.raises(InsecureURL):
        build_discovery_requests(issuer)


def test_a_loopback_issuer_needs_the_flag():
    with pytest.raises(InsecureURL):
        build_discovery_requests("http://127.0.0.1:9000")
    assert build_discovery_requests("http://127.0.0.1:9000", allow_insecure_loopback=True)


def test_a_good_document():
    assert read({**DOCUMENT, "unknown": {"x": 1}, "scopes_supported": None}) == METADATA


@pytest.mark.parametrize(
    "issuer", [ISSUER + "/", "https://ID.example", "http://id.example", "https://id.example.evil.example", "", None, "https://evil.example"]
)
def test_a_document_about_another_issuer_is_refused(issuer):
    with pytest.raises(ValidationFailed) as caught:
        read({**DOCUMENT, "issuer": issuer})
    assert caught.value.check == "issuer"
    assert repr(ISSUER) in caught.value.hint
    assert caught.value.phase is Phase.PREPARE


def test_of_two_issuers_in_a_document_the_last_counts_and_is_compared():
    body = json.dumps(DOCUMENT).encode()
    with pytest.raises(ValidationFailed):
        read_metadata(answer(body[:-1] + b', "issuer": "https://evil.example"}'), ISSUER, openid())


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize(
    "url", ["http://id.example/x", "javascript:alert(1)", "https://id.example\t.evil.example/x", "https://a@evil.example/",
            "http://127.0.0.1/x", "file:///etc/passwd", ""],
)  # fmt: skip
def test_an_endpoint_that_is_no_clean_https_url_is_refused(name, url):
    with pytest.raises(InsecureURL) as caught:
        read({**DOCUMENT, name: url})
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "10.0.0.1", "127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.1",
             "[::1]", "[::ffff:169.254.169.254]", "[fd00::1]", "192.168.0.1:8443"],
)  # fmt: skip
def test_a_public_issuer_cannot_send_us_into_a_private_network(host):
    with pytest.raises(InsecureURL, match="private address"):
        read({**DOCUMENT, "token_endpoint": f"https://{host}/token"})


def test_a_private_issuer_may_have_private_endpoints():
    issuer = "https://10.0.0.5"
    document = {"issuer": issuer, "token_endpoint": "https://10.0.0.6/token"}
    assert read(document, issuer, openid(issuer=issuer)).token_endpoint == "https://10.0.0.6/token"


def test_a_development_issuer_may_use_http_with_the_flag():
    issuer = "http://127.0.0.1:9000"
    provider = openid(issuer=issuer, allow_insecure_loopback=True)
    document = {"issuer": issuer, "token_endpoint": f"{issuer}/token"}
    assert read(document, issuer, provider).token_endpoint == f"{issuer}/token"


@pytest.mark.parametrize(
    "change", [{"token_endpoint": 7}, {"token_endpoint": ["https://id.example/token"]}, {"scopes_supported": "openid"},
               {"authorization_response_iss_parameter_supported": "true"}, {"issuer": 7}],
)  # fmt: skip
def test_a_member_of_a_wrong_type_is_refused(change):
    with pytest.raises(ResponseInvalid):
        read({**DOCUMENT, **change})


@pytest.mark.parametrize("body", [b"", b"<html>canary</html>", b"[]", b"\xef\xbb\xbf{}", b'{"a":' + b"[" * 100_000])
def test_what_is_no_document_is_refused_and_not_quoted(body):
    with pytest.raises(ResponseInvalid) as caught:
        read(body)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("status", "kind"), [(404, ResponseInvalid), (500, ServerError), (302, RedirectRefused)])
def test_a_bad_status_is_a_typed_error(status, kind):
    with pytest.raises(kind):
        read(b"", status=status)


TEMPLATE = "https://login.example/{tid}/v2.0"


@pytest.mark.parametrize("issuer", ["https://login.example/{tenantid}/v2.0", "https://login.example/1111-22/v2.0"])
def test_an_issuer_of_many_tenants_names_its_template_or_one_tenant(issuer):
    asked = "https://login.example/common/v2.0"
    provider = openid(issuer=asked, issuer_claim_template=TEMPLATE)
    assert read({**DOCUMENT, "issuer": issuer}, asked, provider).issuer == issuer


@pytest.mark.parametrize(
    "issuer", ["https://evil.example/{tenantid}/v2.0", "https://login.example/{tenantid}/v2.0/", "https://login.example/a/b/v2.0"]
)
def test_but_no_other(issuer):
    asked = "https://login.example/common/v2.0"
    with pytest.raises(ValidationFailed):
        read({**DOCUMENT, "issuer": issuer}, asked, openid(issuer=asked, issuer_claim_template=TEMPLATE))


def test_a_literal_placeholder_needs_a_template():
    issuer = "https://login.example/{tenantid}/v2.0"
    with pytest.raises(ValidationFailed):
        read({**DOCUMENT, "issuer": issuer}, "https://login.example/common/v2.0")


def test_a_template_takes_one_segment():
    assert fits_template(TEMPLATE, "https://login.example/a-1/v2.0")
    assert not fits_template(TEMPLATE, "https://loginxexample/a-1/v2.0")


def test_a_providers_own_endpoints_are_metadata_too():
    metadata = configured_metadata(plain(issuer="https://plain.example/login"))
    assert metadata.issuer == "https://plain.example/login"
    assert metadata.token_endpoint == "https://plain.example/token"
    assert metadata.jwks_uri is None


def test_a_providers_own_endpoints_win_over_discovered_ones():
    merged = merge_metadata(openid(userinfo_endpoint="https://api.example/me"), METADATA)
    assert merged == msgspec.structs.replace(METADATA, userinfo_endpoint="https://api.example/me")


VALUES = st.one_of(
    st.text(max_size=30), st.integers(), st.none(), st.booleans(), st.lists(st.text(max_size=5), max_size=2),
    st.sampled_from([f"{ISSUER}/x", "http://10.0.0.1", "https://[", "https://0x7f.1/", "https://a:b/"]),
)  # fmt: skip


@given(
    st.one_of(
        st.binary(max_size=200),
        st.dictionaries(st.sampled_from(msgspec.structs.fields(type(METADATA))).map(lambda f: f.name), VALUES).map(
            lambda found: json.dumps({"issuer": ISSUER, **found}).encode()
        ),
    ),
    st.sampled_from([200, 204, 301, 404, 500]),
)
def test_whatever_a_document_says_it_is_metadata_or_a_typed_error(body, status):
    try:
        metadata = read_metadata(httpx.Response(status, content=body), ISSUER, openid())
    except AuthflowError:
        return
    assert metadata.issuer == ISSUER
    for name in ENDPOINTS:
        url = getattr(metadata, name)
        assert url is None or url.lower().startswith("https://")
