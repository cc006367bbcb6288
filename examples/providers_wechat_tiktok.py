"""Two odd providers, described with `OAuth2`: fields for what is data, pure hooks for the rest.

Run it: it prints the authorization URL of each. A program would write

    manager = SessionManager([WeChat("appid", "secret"), TikTok("client-key", "secret")])
    manager["wechat"].login()

What these classes know comes from https://developers.weixin.qq.com/doc/oplatform/en/ ("Website App") and
https://developers.tiktok.com/doc/login-kit-web ; it has been tried with recorded answers, not with live accounts.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import httpx

from authflow.protocol.authorization import build_authorization_request, build_authorization_url
from authflow.protocol.discovery import configured_metadata
from authflow.protocol.messages import ServerMetadata
from authflow.protocol.step import Flow, build_request, fetch
from authflow.protocol.userinfo import read_userinfo_response
from authflow.providers import OAuth2
from authflow.records import Profile, Token

WECHAT = {
    "scopes": ["snsapi_login"],
    "user_endpoint": "https://api.weixin.qq.com/sns/userinfo",
    "user_id_fn": lambda profile: profile.get("unionid") or profile["openid"],
    "scope_separator": ",",
    "client_id_param": "appid",
    "client_secret_param": "secret",
    "token_method": "GET",
    "authorization_fragment": "wechat_redirect",
    "error_fields": ("errcode", "errmsg"),
    "error_codes": {
        "40029": "invalid_grant",  # the code
        "40163": "invalid_grant",  # the code, used before
        "40030": "invalid_grant",  # the refresh token
        "42002": "invalid_grant",  # the refresh token, expired
        "40013": "invalid_client",  # the appid
        "40125": "invalid_client",  # the secret
    },
    "name_path": "nickname",
    "picture_path": "headimgurl",
    "refresh_scope": False,
    "api_origins": ["https://api.weixin.qq.com"],
}

TIKTOK = {
    "scopes": ["user.info.basic"],
    "user_endpoint": "https://open.tiktokapis.com/v2/user/info/",
    "userinfo_params": {"fields": "open_id,union_id,avatar_url,display_name"},
    "revocation_endpoint": "https://open.tiktokapis.com/v2/oauth/revoke/",
    "scope_separator": ",",
    "client_id_param": "client_key",
    "id_path": "data.user.open_id",
    "name_path": "data.user.display_name",
    "picture_path": "data.user.avatar_url",
    "api_origins": ["https://open.tiktokapis.com"],
}


class WeChat(OAuth2):
    """Sign in with WeChat's QR code. The user's id is the `unionid` where there is one, else the `openid`."""

    def __init__(self, appid: str, secret: str, **settings: Any) -> None:
        super().__init__(
            appid,
            secret,
            "https://open.weixin.qq.com/connect/qrconnect",
            "https://api.weixin.qq.com/sns/oauth2/access_token",
            **{**WECHAT, **settings},
        )

    def amend_token_request(self, request: httpx.Request) -> httpx.Request:
        """A refresh has an endpoint of its own, beside the one for codes."""
        if request.url.params.get("grant_type") != "refresh_token":
            return request
        path = request.url.path.replace("access_token", "refresh_token")
        url = request.url.copy_with(path=path).copy_remove_param("secret")
        return httpx.Request("GET", url, headers=request.headers, extensions=request.extensions)

    def fetch_user(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]
    ) -> Flow[Profile | None]:
        """WeChat wants the access token and the `openid` of the token response in the query."""
        params = {"access_token": token.access_token, "openid": str(token.extra.get("openid", ""))}
        response = yield from fetch(build_request("GET", metadata.userinfo_endpoint or "", params=params))
        return self.read_user(read_userinfo_response(self, response))


class TikTok(OAuth2):
    """Sign in with TikTok. Scopes are separated by commas; the profile lies under `data.user`."""

    def __init__(self, client_key: str, client_secret: str, **settings: Any) -> None:
        super().__init__(
            client_key,
            client_secret,
            "https://www.tiktok.com/v2/auth/authorize/",
            "https://open.tiktokapis.com/v2/oauth/token/",
            **{**TIKTOK, **settings},
        )


def main() -> None:
    for provider in (WeChat("wx0000000000000000", "the-secret"), TikTok("the-client-key", "the-secret")):
        request = build_authorization_request(
            provider,
            redirect_uri=f"https://app.example.com{provider.callback_path}",
            scope=provider.requested_scopes(),
            state=secrets.token_urlsafe(32),
            nonce=None,
            code_verifier=secrets.token_urlsafe(48),
            params={},
        )
        url = build_authorization_url(provider, configured_metadata(provider), request)
        print(f"{provider.label}: {url}\n")


if __name__ == "__main__":
    main()
