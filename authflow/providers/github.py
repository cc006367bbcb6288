"""GitHub and GitHub Enterprise: OAuth 2.0 with an issuer, without OpenID Connect.

Vendor's pages: https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
and https://docs.github.com/rest/apps/oauth-applications

Quirks kept here: errors arrive with HTTP 200 under GitHub's own codes; the profile's e-mail address is empty
when it is private, so the verified primary one is read from `/user/emails`; groups are the user's teams, in
pages; a token is revoked by DELETE on the API; the callback carries `iss` though nothing else is OpenID.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Unpack
from urllib.parse import quote

import httpx
import msgspec

from ..errors import Phase, ResponseInvalid
from ..protocol.messages import ServerMetadata
from ..protocol.step import DEFAULT_LIMITS, LIMITS, Flow, Moment, fetch
from ..records import Group, Profile, Token
from .base import Provider
from .calls import build_api_request, check_host, next_page, read_api_response
from .settings import Settings

MOST_PAGES = 20
_API = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
_ERROR_CODES = {
    "bad_verification_code": "invalid_grant",
    "bad_refresh_token": "invalid_grant",
    "incorrect_client_credentials": "invalid_client",
    "redirect_uri_mismatch": "invalid_request",
    "device_flow_disabled": "unauthorized_client",
    "incorrect_device_code": "invalid_grant",
    "token_expired": "expired_token",
}


class GitHub(Provider):
    """Sign in with GitHub: `GitHub("client-id", "client-secret")`.

    For GitHub Enterprise Server, or Enterprise Cloud with data residency, give its `host`.

    Redirect URI: register `http://127.0.0.1/callback/github` for programs on the user's machine; GitHub lets
    the port vary on loopback and wants the path to lie below the registered one. A web application registers
    its own https URI.

    Signing in by code (`agent=DeviceCode()`) is a switch in the application's settings, and needs no client secret.

    Tokens: an OAuth app's token does not expire and has no refresh token. A GitHub App with expiring tokens
    gets one, good for one use. Both kinds need the client secret for the exchange.

    The user's `id` is GitHub's number, never the login, which its owner may change.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        host: str = "github.com",
        **settings: Unpack[Settings],
    ) -> None:
        host = check_host("GitHub", host, "github.example.com")
        web = f"https://{host}"
        api = f"https://api.{host}" if host == "github.com" or host.endswith(".ghe.com") else f"{web}/api/v3"
        origin = api.removesuffix("/api/v3")
        self.configure(
            settings,
            client_id=client_id,
            client_secret=client_secret,
            label="GitHub" if host == "github.com" else f"GitHub ({host})",
            issuer=f"{web}/login/oauth",
            authorization_endpoint=f"{web}/login/oauth/authorize",
            token_endpoint=f"{web}/login/oauth/access_token",
            userinfo_endpoint=f"{api}/user",
            revocation_endpoint=f"{api}/applications/{quote(f'{client_id}', safe='')}/token",
            device_authorization_endpoint=f"{web}/login/device/code",
            client_auth="client_secret_post" if client_secret else None,
            user_scopes=("read:user", "user:email"),
            group_scopes=("read:org",),
            api_origins=(origin,),
            id_path="id",
            picture_path="avatar_url",
            error_codes=_ERROR_CODES,
            refresh_scope=False,
        )

    @classmethod
    def env_options(cls) -> tuple[str, ...]:
        return ("client_secret", "host")

    def fetch_user(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]
    ) -> Flow[Profile | None]:
        """`/user`, with the primary verified address of `/user/emails` where the token may read it."""
        profile = yield from super().fetch_user(token, metadata, claims)
        if profile is None:
            return None

        url = f"{self._user_url(metadata)}/emails"
        response = yield from fetch(build_api_request("GET", url, token, timeout=self.timeout, headers=_API))
        if not response.is_success:  # no user:email scope, or an app without that permission
            return profile
        addresses = read_api_response(self, response, "list of e-mail addresses")
        email, verified = choose_email(addresses, profile.email)
        return msgspec.structs.replace(
            profile, email=email, email_verified=verified, data={**profile.data, "email": email}
        )

    def fetch_groups(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any], profile: Profile
    ) -> Flow[Sequence[Group] | None]:
        """The user's teams, in all organizations the token may read.

        None when GitHub does not tell them (no `read:org`), or there are more than 2,000.
        """
        first = f"{self._user_url(metadata)}/teams"
        groups: list[Group] = []
        request = build_api_request(
            "GET", first, token, timeout=self.timeout, params={"per_page": "100"}, headers=_API
        )
        for _ in range(MOST_PAGES):
            response = yield from fetch(request)
            if response.status_code in (403, 404):
                return None
            groups.extend(read_teams(read_api_response(self, response, "list of teams")))
            link = next_page(response, first)
            if link is None:
                return groups
            request = build_api_request("GET", link, token, timeout=self.timeout, headers=_API)
        return None

    def build_revocation_request(
        self, metadata: ServerMetadata, token: str, token_type_hint: str, moment: Moment
    ) -> httpx.Request | None:
        """DELETE on the application's token: HTTP Basic with id and secret, the access token as JSON."""
        url = metadata.revocation_endpoint or self.revocation_endpoint
        if url is None or self.client_secret is None or token_type_hint != "access_token":
            return None
        basic = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return httpx.Request(
            "DELETE",
            url,
            json={"access_token": token},
            headers={**_API, "authorization": f"Basic {basic}", "user-agent": "authflow"},
            extensions={LIMITS: DEFAULT_LIMITS},
        )

    def _user_url(self, metadata: ServerMetadata) -> str:
        return metadata.userinfo_endpoint or self.userinfo_endpoint or ""


def choose_email(addresses: Any, public: str | None) -> tuple[str | None, bool | None]:
    """The address to show and whether GitHub verified it: the primary one if verified, else the public one."""
    if not isinstance(addresses, list):
        raise ResponseInvalid("GitHub's list of e-mail addresses is no list.", phase=Phase.VALIDATE)
    entries = [one for one in addresses if isinstance(one, dict) and isinstance(one.get("email"), str)]
    for one in entries:
        if one.get("primary") is True and one.get("verified") is True:
            return one["email"], True
    if public is None:
        return None, None
    return public, any(one["email"] == public and one.get("verified") is True for one in entries)


def read_teams(teams: Any) -> list[Group]:
    """One page of `/user/teams` as groups, by the team's name."""
    if not isinstance(teams, list):
        raise ResponseInvalid("GitHub's list of teams is no list.", phase=Phase.VALIDATE)
    return [Group(one, one["name"]) for one in teams if isinstance(one, dict) and isinstance(one.get("name"), str)]
