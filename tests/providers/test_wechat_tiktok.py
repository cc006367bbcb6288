"""The two odd providers of the examples, against answers in the shapes that WeChat and TikTok send."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authflow.errors import InvalidGrant, OAuthError
from authflow.protocol.authorization import build_authorization_request, build_authorization_url
from authflow.protocol.discovery import configured_metadata
from authflow.providers import OAuth2
from authflow.records import Token
from tests.providers.recorded import VERIFIER, RecordedProvider, json_answer, login, renew

EXAMPLE = Path(__file__).parents[2] / "examples" / "providers_wechat_tiktok.py"

WECHAT_TOKEN = {
    "access_token": "OezXcEiiBSKSxW0eoylIeNcxNd8c2Q",
    "expires_in": 7200,
    "refresh_token": "OezXcEiiBSKSxW0eoylIeRefresh",
    "openid": "oLVPpjqs9BhvzwPj5A-vTYAX3GLc",
    "scope": "snsapi_login",
    "unionid": "o6_bmasdasdsad6_2sgVt7hMZOPfL",
}
WECHAT_USER = {
    "openid": "oLVPpjqs9BhvzwPj5A-vTYAX3GLc",
    "nickname": "Ada",
    "sex": 2,
    "headimgurl": "https://thirdwx.qlogo.cn/mmopen/x/0",
    "privilege": [],
    "unionid": "o6_bmasdasdsad6_2sgVt7hMZOPfL",
}
TIKTOK_TOKEN = {
    "access_token": "act.example12345Example12345Example",
    "expires_in": 86400,
    "open_id": "723f24d7-e717-40f8-a2b6-cb8464cd23b4",
    "refresh_expires_in": 31536000,
    "refresh_token": "rft.example12345Example12345Example",
    "scope": "user.info.basic,video.list",
    "token_type": "Bearer",
}
TIKTOK_USER = {
    "data": {"user": {"open_id": TIKTOK_TOKEN["open_id"], "union_id": "c9c60f44", "display_name": "Ada"}},
    "error": {"code": "ok", "message": "", "log_id": "20220829194722CBE87ED59D524E727021"},
}


@pytest.fixture(scope="module")
def example() -> ModuleType:
    spec = importlib.util.spec_from_file_location("providers_wechat_tiktok", EXAMPLE)
    if spec is None or spec.loader is None:
        pytest.fail("the example is not there")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def wechat(idp: RecordedProvider, example: ModuleType) -> OAuth2:
    idp.on("GET", "/sns/oauth2/access_token", json_answer(WECHAT_TOKEN))
    idp.on("GET", "/sns/userinfo", json_answer(WECHAT_USER))
    return at(idp, example.WeChat("the-appid", "the-secret"))


@pytest.fixture
def tiktok(idp: RecordedProvider, example: ModuleType) -> OAuth2:
    idp.on("POST", "/v2/oauth/token/", json_answer(TIKTOK_TOKEN))
    idp.on("GET", "/v2/user/info/", json_answer(TIKTOK_USER))
    return at(idp, example.TikTok("the-key", "the-secret", scopes=["user.info.basic", "video.list"]))


def at(idp: RecordedProvider, provider: OAuth2) -> OAuth2:
    """The same paths, on the recorded server."""
    endpoints = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
    local = {name: idp.origin + urlsplit(getattr(provider, name)).path for name in endpoints}
    return provider.replace(**local, allow_insecure_loopback=True)


def authorization_url(provider: OAuth2) -> Any:
    request = build_authorization_request(
        provider,
        redirect_uri="https://app.example.com/cb",
        scope=provider.requested_scopes(),
        state="the-state",
        nonce=None,
        code_verifier=VERIFIER,
        params={},
    )
    return urlsplit(build_authorization_url(provider, configured_metadata(provider), request))


def test_wechats_authorization_url_has_an_appid_and_its_fragment(wechat: OAuth2) -> None:
    url = authorization_url(wechat)
    assert url.fragment == "wechat_redirect"
    assert parse_qs(url.query)["appid"] == ["the-appid"]
    assert "client_id" not in parse_qs(url.query)


def test_wechats_code_is_exchanged_by_get_with_its_own_names(idp: RecordedProvider, wechat: OAuth2) -> None:
    login(wechat)
    (call,) = idp.asked("/sns/oauth2/access_token")
    assert call.method == "GET"
    assert call.query["appid"] == "the-appid"
    assert call.query["secret"] == "the-secret"
    assert call.query["code"] == "the-code"


def test_wechats_openid_is_kept_and_sent_for_the_profile(idp: RecordedProvider, wechat: OAuth2) -> None:
    granted = login(wechat)
    assert granted.token.extra["openid"] == WECHAT_TOKEN["openid"]
    (call,) = idp.asked("/sns/userinfo")
    assert call.query == {"access_token": WECHAT_TOKEN["access_token"], "openid": WECHAT_TOKEN["openid"]}
    assert (granted.profile.id, granted.profile.name) == (WECHAT_USER["unionid"], "Ada")


def test_a_wechat_user_without_unionid_is_the_openid(idp: RecordedProvider, wechat: OAuth2) -> None:
    idp.on("GET", "/sns/userinfo", json_answer({"openid": "o-1", "nickname": "Ada"}))
    assert login(wechat).profile.id == "o-1"


def test_wechats_error_with_status_200_is_an_error(idp: RecordedProvider, wechat: OAuth2) -> None:
    idp.on("GET", "/sns/oauth2/access_token", json_answer({"errcode": 40029, "errmsg": "invalid code"}))
    with pytest.raises(InvalidGrant, match="40029"):
        login(wechat)


def test_wechats_profile_may_be_an_error_too(idp: RecordedProvider, wechat: OAuth2) -> None:
    idp.on("GET", "/sns/userinfo", json_answer({"errcode": 40003, "errmsg": "invalid openid"}))
    with pytest.raises(OAuthError, match="40003"):
        login(wechat)


def test_wechats_refresh_has_an_endpoint_of_its_own(idp: RecordedProvider, wechat: OAuth2) -> None:
    idp.on("GET", "/sns/oauth2/refresh_token", json_answer({**WECHAT_TOKEN, "access_token": "new"}))
    renewed = renew(wechat, Token("old", refresh_token="the-refresh-token", extra={"openid": "o-1"}))
    assert renewed.token.access_token == "new"
    (call,) = idp.calls
    assert call.path == "/sns/oauth2/refresh_token"
    assert call.query["refresh_token"] == "the-refresh-token"
    assert "secret" not in call.query


def test_tiktoks_authorization_url_has_a_client_key_and_commas(tiktok: OAuth2) -> None:
    query = parse_qs(authorization_url(tiktok).query)
    assert query["client_key"] == ["the-key"]
    assert query["scope"] == ["user.info.basic,video.list"]


def test_tiktoks_profile_is_nested_and_its_ok_is_no_error(idp: RecordedProvider, tiktok: OAuth2) -> None:
    granted = login(tiktok)
    assert (granted.profile.id, granted.profile.name) == (TIKTOK_TOKEN["open_id"], "Ada")
    assert granted.token.scope == ("user.info.basic", "video.list")
    assert granted.token.extra["open_id"] == TIKTOK_TOKEN["open_id"]
    assert "open_id" in idp.asked("/v2/user/info/")[0].query["fields"]
    assert idp.asked("/v2/oauth/token/")[0].form["client_key"] == "the-key"


def test_tiktoks_nested_error_is_an_error(idp: RecordedProvider, tiktok: OAuth2) -> None:
    said = {"data": {}, "error": {"code": "scope_not_authorized", "message": "no", "log_id": "1"}}
    idp.on("GET", "/v2/user/info/", json_answer(said))
    with pytest.raises(OAuthError) as caught:
        login(tiktok)
    assert (caught.value.code, caught.value.error) == ("oauth_error", "scope_not_authorized")


def test_tiktoks_token_error_has_a_log_id_and_the_rfcs_code(idp: RecordedProvider, tiktok: OAuth2) -> None:
    said = {"error": "invalid_grant", "error_description": "Authorization code is expired.", "log_id": "1"}
    idp.on("POST", "/v2/oauth/token/", json_answer(said))
    with pytest.raises(InvalidGrant):
        login(tiktok)
