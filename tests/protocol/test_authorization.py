"""The authorization URL: PKCE always, and nothing that binds the answer can be replaced."""

from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from authflow.errors import InsecureURL, InvalidCall, MissingEndpoint
from authflow.protocol.authorization import build_authorization_request, build_authorization_url
from authflow.protocol.pkce import code_challenge
from authflow.providers.base import Provider

from .issuer import METADATA, NONCE, VERIFIER, openid, plain


def build(provider, metadata=METADATA, **changes):
    given = {
        "redirect_uri": "http://127.0.0.1:8400/callback/example", "scope": ["openid", "email"], "state": "state-1",
        "nonce": NONCE, "code_verifier": VERIFIER, "params": {}, **changes,
    }  # fmt: skip
    url = build_authorization_url(provider, metadata, build_authorization_request(provider, **given))
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    assert len({name for name, _ in pairs}) == len(pairs), "no parameter twice"
    return dict(pairs)


def test_what_an_openid_request_is_made_of():
    assert build(openid()) == {
        "response_type": "code",
        "client_id": "client-1",
        "redirect_uri": "http://127.0.0.1:8400/callback/example",
        "scope": "openid email",
        "state": "state-1",
        "nonce": NONCE,
        "code_challenge": code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }


@pytest.mark.parametrize("methods", [None, (), ("plain",)])
def test_metadata_without_s256_never_make_it_plain(methods):
    metadata = msgspec.structs.replace(METADATA, code_challenge_methods_supported=methods)
    assert build(openid(), metadata)["code_challenge_method"] == "S256"


def test_the_scope_openid_is_put_in_where_an_id_token_is_expected():
    assert build(openid(), scope=["email"])["scope"] == "openid email"
    assert build(plain(), scope=["email"], nonce=None)["scope"] == "email"
    assert "scope" not in build(plain(), scope=[], nonce=None)


def test_the_callers_parameters_win_over_the_providers():
    provider = openid(authorization_params={"prompt": "consent", "access_type": "offline"})
    asked = build(provider, params={"prompt": "login", "max_age": "60"})
    assert (asked["prompt"], asked["access_type"], asked["max_age"]) == ("login", "offline", "60")


BOUND = (
    "state", "nonce", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "response_mode",
    "client_id", "request", "request_uri",
)  # fmt: skip


@pytest.mark.parametrize("name", BOUND)
def test_no_parameter_replaces_what_binds_the_answer(name):
    assert build(openid(), params={name: "evil"}) == build(openid())


@pytest.mark.parametrize("name", BOUND)
def test_no_hook_replaces_what_binds_the_answer(name):
    class Hooked(Provider):
        def amend_authorization_params(self, params):
            return {**params, name: "evil"}

    provider = Hooked("client-1", openid=True)
    assert build(provider) == build(openid())


def test_no_query_of_the_endpoint_replaces_what_binds_the_answer():
    metadata = msgspec.structs.replace(METADATA, authorization_endpoint="https://id.example/a?owner=user&state=evil")
    asked = build(openid(), metadata)
    assert (asked["owner"], asked["state"]) == ("user", "state-1")


def test_a_nonce_nobody_made_is_not_sent():
    assert "nonce" not in build(plain(), nonce=None, params={"nonce": "evil"})


def test_a_hook_has_the_last_word_on_the_rest():
    class Hooked(Provider):
        def amend_authorization_params(self, params):
            return {**params, "scope": params["scope"].upper()}

    assert build(Hooked("client-1"), nonce=None, scope=["a"])["scope"] == "A"


def test_a_providers_own_words_are_used():
    provider = plain(client_id_param="client_key", scope_separator=",", authorization_fragment="wechat_redirect")
    request = build_authorization_request(
        provider, redirect_uri="https://app.example/cb", scope=["a", "b"], state="s", nonce=None,
        code_verifier=VERIFIER, params={},
    )  # fmt: skip
    url = build_authorization_url(provider, METADATA, request)
    assert url.endswith("#wechat_redirect")
    asked = dict(parse_qsl(urlsplit(url).query))
    assert (asked["client_key"], asked["scope"]) == ("client-1", "a,b")
    assert "client_id" not in asked


def test_without_an_endpoint_a_clean_redirect_uri_and_a_verifier_there_is_no_url():
    with pytest.raises(MissingEndpoint, match="authorization_endpoint"):
        build(openid(), msgspec.structs.replace(METADATA, authorization_endpoint=None))
    with pytest.raises(InsecureURL):
        build(openid(), msgspec.structs.replace(METADATA, authorization_endpoint="javascript:alert(1)"))
    with pytest.raises(InsecureURL):
        build(openid(), redirect_uri="http://app.example/cb")
    with pytest.raises(InvalidCall):
        build(openid(), code_verifier="short")


def test_an_id_token_alone_is_asked_for_without_a_challenge():
    asked = build(openid(response_type="id_token", response_mode="form_post"))
    assert (asked["response_type"], asked["response_mode"], asked["nonce"]) == ("id_token", "form_post", NONCE)
    assert "code_challenge" not in asked


def test_the_response_mode_is_the_providers_setting():
    assert build(openid(response_mode="query.jwt"))["response_mode"] == "query.jwt"


def test_each_resource_is_a_parameter_of_its_own():
    provider = openid()
    request = build_authorization_request(
        provider, redirect_uri="https://app.example/cb", scope=["a"], state="s", nonce=None, code_verifier=VERIFIER,
        params={}, resource=["https://a.example/", "https://b.example/", "https://a.example/"],
    )  # fmt: skip
    url = build_authorization_url(provider, METADATA, request)
    named = [value for name, value in parse_qsl(urlsplit(url).query) if name == "resource"]
    assert named == ["https://a.example/", "https://b.example/"]
