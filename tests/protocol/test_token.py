"""The token endpoint, named by what it does wrong."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import (
    AuthflowError,
    InvalidClient,
    InvalidGrant,
    MissingEndpoint,
    OAuthError,
    Phase,
    Recovery,
    RedirectRefused,
    ResponseInvalid,
    Sent,
    ServerError,
    ServiceUnavailable,
    ValidationFailed,
)
from authflow.protocol.messages import TokenResponse
from authflow.protocol.step import limits_of
from authflow.protocol.token import (
    LONGEST_LIFETIME,
    build_refresh_request,
    build_token_request,
    read_token_response,
    to_token,
)
from authflow.providers.base import Provider
from authflow.records import Token

from .issuer import METADATA, MOMENT, NOW, VERIFIER, answer, form_of, openid, plain


def read(body, status=200, provider=None, **headers):
    return read_token_response(provider or openid(), answer(body, status, **headers))


def exchange_request(provider, metadata=METADATA):
    return build_token_request(
        provider, metadata, MOMENT, code="code-1", redirect_uri="https://app.example/cb", code_verifier=VERIFIER
    )


# ── requests ──


def test_an_exchange_carries_code_redirect_uri_and_verifier():
    request = exchange_request(openid(timeout=4.0, token_params={"audience": "api", "grant_type": "evil"}))
    assert (request.method, str(request.url)) == ("POST", "https://id.example/token")
    assert form_of(request) == {
        "grant_type": "authorization_code", "code": "code-1", "redirect_uri": "https://app.example/cb",
        "code_verifier": VERIFIER, "audience": "api",
    }  # fmt: skip
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["accept"] == "application/json"
    assert limits_of(request).seconds == 4.0


def test_a_refresh_repeats_the_scope_only_where_that_is_wanted():
    for provider, scope in ((openid(), "a b"), (openid(refresh_scope=False), None)):
        form = form_of(build_refresh_request(provider, METADATA, MOMENT, refresh_token="r", scope=["a", "b"]))
        assert form == {"grant_type": "refresh_token", "refresh_token": "r", **({"scope": scope} if scope else {})}


def test_a_provider_may_want_a_get():
    metadata = msgspec.structs.replace(METADATA, token_endpoint="https://api.example/token?v=2")
    request = exchange_request(plain(token_method="GET", client_id_param="appid"), metadata)
    assert request.method == "GET"
    assert request.url.params["appid"] == "client-1"
    assert request.url.params["v"] == "2"
    assert request.content == b""


def test_a_hook_has_the_last_word():
    class Hooked(Provider):
        def amend_token_request(self, request):
            request.headers["origin"] = "https://app.example"
            return request

    assert exchange_request(Hooked("client-1")).headers["origin"] == "https://app.example"
    refresh = build_refresh_request(Hooked("client-1"), METADATA, MOMENT, refresh_token="r")
    assert refresh.headers["origin"] == "https://app.example"


def test_without_a_token_endpoint_there_is_no_request():
    with pytest.raises(MissingEndpoint, match="token_endpoint"):
        exchange_request(openid(), msgspec.structs.replace(METADATA, token_endpoint=None))


# ── answers ──


def test_a_plain_answer():
    assert read(
        {"access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt", "id_token": "i.d.t",
         "scope": "a b", "refresh_in": 1800, "instance_url": "https://na1.example", "openid": 7}
    ) == TokenResponse(
        access_token="at", scope=("a", "b"), expires_in=3600.0, refresh_token="rt", id_token="i.d.t",
        refresh_in=1800.0, extra={"instance_url": "https://na1.example", "openid": 7},
    )  # fmt: skip


def test_the_least_answer():
    assert read({"access_token": "at"}) == TokenResponse(access_token="at")


def test_a_form_is_read_where_json_was_asked_for():
    got = read(b"access_token=at&scope=a%2Cb&token_type=bearer&expires=3600")
    assert (got.access_token, got.scope, got.expires_in) == ("at", ("a", "b"), 3600.0)


@pytest.mark.parametrize(
    ("said", "scope"),
    [("a b", ("a", "b")), ("a,b", ("a", "b")), ("a, b", ("a", "b")), (["a", "b"], ("a", "b")), ("", ()), (None, None),
     ("a a", ("a",))],
)  # fmt: skip
def test_scope_comes_in_every_form(said, scope):
    assert read({"access_token": "at", "scope": said}).scope == scope


@pytest.mark.parametrize("kind", ["bearer", "BEARER", "Bearer", "", None])
def test_a_bearer_token_is_one_in_any_case_and_by_default(kind):
    assert read({"access_token": "at", "token_type": kind}).token_type == "Bearer"


@pytest.mark.parametrize("kind", ["mac", "user", "N_A", "bear er", 1, ["Bearer"], True])
def test_a_kind_of_token_nobody_understands_is_refused(kind):
    with pytest.raises(ValidationFailed) as caught:
        read({"access_token": "at", "token_type": kind})
    assert caught.value.check == "token_type"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(3600, 3600.0), ("3600", 3600.0), (3600.5, 3600.5), (0, 0.0), (-5, 0.0), (10**18, LONGEST_LIFETIME),
     (10**22, LONGEST_LIFETIME), ("9" * 5000, LONGEST_LIFETIME), (None, None), ("", None)],
)  # fmt: skip
def test_a_lifetime_is_read_and_kept_within_reason(said, seconds):
    assert read({"access_token": "at", "expires_in": said}).expires_in == seconds


@pytest.mark.parametrize("said", [True, False, "soon", "-1", "1e3", "٣", [3600], {"s": 1}, "0x10"])
def test_a_lifetime_that_is_no_number_is_refused(said):
    with pytest.raises(ResponseInvalid):
        read({"access_token": "at", "expires_in": said})


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "9" * 5000])
def test_numbers_that_json_does_not_have_are_refused(number):
    with pytest.raises(ResponseInvalid):
        read(f'{{"access_token": "at", "expires_in": {number}}}'.encode())


def test_a_date_under_the_name_of_expires_is_kept_and_not_read():
    got = read({"access_token": "at", "expires": 1_900_000_000})
    assert got.expires_in is None
    assert got.extra == {"expires": 1_900_000_000}


@pytest.mark.parametrize(
    "token", ["a\r\nX-Evil: 1", "a b", "a\tb", "é", "a\x00", "\x7f", "", None, 7, True, ["at"], {"t": 1}]
)
def test_an_access_token_that_no_header_may_carry_is_refused(token):
    with pytest.raises(ResponseInvalid) as caught:
        read({"access_token": token})
    assert "Evil" not in str(caught.value)


@pytest.mark.parametrize("name", ["refresh_token", "id_token"])
@pytest.mark.parametrize("token", [7, True, ["r"], "a\nb", "é"])
def test_other_tokens_are_texts_too(name, token):
    with pytest.raises(ResponseInvalid):
        read({"access_token": "at", name: token})


def test_an_empty_refresh_token_is_none():
    assert read({"access_token": "at", "refresh_token": "", "id_token": None}).refresh_token is None


BODIES = {
    "nothing": b"",
    "html": b"<html>access_token=canary</html>",
    "a_byte_order_mark": b'\xef\xbb\xbf{"access_token": "canary"}',
    "utf_16": '{"access_token": "canary"}'.encode("utf-16"),
    "latin_1": '{"access_token": "canary", "n": "é"}'.encode("latin-1"),
    "a_list": b'[{"access_token": "canary"}]',
    "a_text": b'"canary"',
    "a_cut_object": b'{"access_token": "canary"',
    "two_objects": b'{"access_token": "canary"}{}',
    "a_hundred_thousand_brackets": b'{"a":' + b"[" * 100_000,
    "forty_levels": b'{"access_token": "canary", "a":' + b"[" * 40 + b"]" * 40 + b"}",
    "a_doubled_form_member": b"access_token=canary&access_token=b",
    "no_token": b'{"token": "canary"}',
    "a_null": b"null",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_that_is_no_token_response_is_refused_and_not_quoted(body):
    with pytest.raises(ResponseInvalid) as caught:
        read(body)
    assert "canary" not in str(caught.value)
    assert "canary" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_of_a_doubled_json_member_the_last_counts():
    assert read(b'{"access_token": "a", "access_token": "b"}').access_token == "b"


# ── errors ──


def test_a_200_with_an_error_in_it_is_an_error():
    with pytest.raises(OAuthError) as caught:
        read({"error": "bad_verification_code", "error_description": "incorrect or expired"})
    assert caught.value.error == "bad_verification_code"
    assert caught.value.phase is Phase.EXCHANGE


def test_a_form_with_an_error_in_it_is_an_error():
    with pytest.raises(InvalidGrant):
        read(b"error=invalid_grant&error_description=no")


def test_an_error_beside_a_token_is_an_error():
    with pytest.raises(InvalidGrant):
        read({"access_token": "at", "error": "invalid_grant"})


@pytest.mark.parametrize("said", [None, "", 0, "0", False, "ok", {"code": "ok", "message": ""}])
def test_an_error_field_that_says_none_is_none(said):
    assert read({"access_token": "at", "error": said}).access_token == "at"


def test_a_providers_own_error_fields_are_read():
    provider = plain(error_fields=("errcode", "errmsg"))
    assert read({"access_token": "at", "errcode": 0}, provider=provider).access_token == "at"
    with pytest.raises(OAuthError) as caught:
        read({"errcode": 40029, "errmsg": "invalid code"}, provider=provider)
    assert (caught.value.error, caught.value.error_description) == ("40029", "invalid code")
    with pytest.raises(InvalidClient):
        read({"error": "invalid_client"}, 401, provider=provider)


def test_an_error_that_is_an_object_is_read_too():
    with pytest.raises(OAuthError) as caught:
        read({"error": {"message": "bad code", "type": "OAuthException", "code": 100}}, 400)
    assert (caught.value.error, caught.value.error_description) == ("100", "bad code")


def test_an_error_description_that_repeats_our_secrets_is_cleaned():
    request = exchange_request(openid(client_secret="s3cret:of+client"))
    response = answer(
        {"error": "invalid_grant", "error_description": f"code-1 {VERIFIER} s3cret:of+client x\x1b[31m"}, 400
    )
    response.request = request
    with pytest.raises(InvalidGrant) as caught:
        read_token_response(openid(), response)
    assert VERIFIER not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", {"message": "down"}])
def test_a_failing_gateway_is_a_server_error_that_may_have_sent_the_code_on(body):
    with pytest.raises(ServerError) as caught:
        read(body, 502)
    assert caught.value.sent is Sent.UNKNOWN
    assert caught.value.recovery is Recovery.RETRY_AT


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_provider_says_when_to_come_back(status):
    with pytest.raises(ServiceUnavailable) as caught:
        read(b"", status, retry_after="120")
    assert caught.value.retry_after == 120.0
    assert caught.value.sent is Sent.YES


@pytest.mark.parametrize(("status", "sent"), [(429, Sent.YES), (503, Sent.UNKNOWN)])
def test_a_bare_503_may_be_a_gateways_and_tells_nothing_of_what_the_provider_did(status, sent):
    with pytest.raises(ServiceUnavailable) as caught:
        read(b"", status)
    assert caught.value.sent is sent


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("0", 0.0), ("1000000000", 86_400.0), ("9" * 400, 86_400.0), ("-5", None), ("soon", None), ("", None),
     ("1e9", None),
     ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0), ("Wed, 21 Oct 2026 07:20:00 GMT", 0.0), ("Wed, 99 Foo", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_a_day_at_most(header, seconds):
    with pytest.raises(ServiceUnavailable) as caught:
        read(b"", 503, retry_after=header, date="Wed, 21 Oct 2026 07:28:00 GMT")
    assert caught.value.retry_after == seconds


def test_an_oauth_error_of_a_failing_server_keeps_its_name():
    with pytest.raises(ServiceUnavailable):
        read({"error": "temporarily_unavailable"}, 503)
    with pytest.raises(OAuthError) as caught:
        read({"error": "slow"}, 429, retry_after="7")
    assert (caught.value.recovery, caught.value.retry_after) == (Recovery.RETRY_AT, 7.0)


def test_a_401_without_a_word_is_about_the_client():
    with pytest.raises(InvalidClient) as caught:
        read(b"", 401)
    assert "client_secret" in caught.value.hint


def test_a_404_page_points_at_the_endpoint():
    with pytest.raises(ResponseInvalid) as caught:
        read(b"<html>not found</html>", 404)
    assert caught.value.recovery is Recovery.FIX_CONFIGURATION


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_refused(status):
    with pytest.raises(RedirectRefused):
        read(b"", status, location="https://evil.example/")


# ── Token ──


def test_a_token_knows_its_end():
    token = to_token(read({"access_token": "at", "expires_in": 60}), now=NOW, requested_scope=["a"])
    assert token == Token("at", scope=("a",), expires_in=60.0, expires_at=NOW + 60)
    assert to_token(read({"access_token": "at"}), now=NOW).expires_at is None


def test_a_refresh_keeps_what_the_answer_leaves_out():
    before = Token("at", scope=("a",), refresh_token="rt", id_token="i", extra={"athlete": 1, "x": 1})
    after = to_token(read({"access_token": "at2", "x": 2}), now=NOW, previous=before)
    assert after == Token("at2", scope=("a",), refresh_token="rt", id_token="i", extra={"athlete": 1, "x": 2})


def test_a_refresh_takes_what_the_answer_brings():
    before = Token("at", scope=("a",), refresh_token="rt", id_token="i")
    after = to_token(
        read({"access_token": "at2", "refresh_token": "rt2", "id_token": "i2", "scope": "b"}), now=NOW, previous=before
    )
    assert (after.refresh_token, after.id_token, after.scope) == ("rt2", "i2", ("b",))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["access_token", "token_type", "expires_in", "scope", "error", "refresh_token", "expires", "x"])


@given(
    st.one_of(
        st.binary(max_size=300),
        st.dictionaries(NAMES, JSON, max_size=6).map(lambda found: json.dumps(found).encode()),
    ),
    st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503]),
    st.dictionaries(st.sampled_from(["content-type", "retry-after", "date", "www-authenticate"]), st.text(max_size=30)),
)
def test_whatever_the_token_endpoint_says_is_a_token_or_a_typed_error(body, status, headers):
    response = httpx.Response(
        status, content=body, headers={name: value.encode() for name, value in headers.items()}
    )
    try:
        got = read_token_response(openid(), response)
    except AuthflowError as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert refused.code
        assert str(refused).isprintable()
        return
    token = to_token(got, now=NOW)
    assert token.access_token
    assert Token.from_json(token.to_json()) == token
