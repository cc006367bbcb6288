"""Any OAuth 2.0 provider, described by data: endpoints, scopes, and the quirks it has.

Specification: RFC 6749, with RFC 7636 (PKCE) at every login. The arguments are those of Flet's
`OAuthProvider`, by the same names and in the same order. What data cannot say, a subclass says with the pure
hooks of `Provider`; `examples/providers_wechat_tiktok.py` shows two.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, Unpack

import msgspec

from ..errors import ConfigurationError, InsecureURL, Phase, ResponseInvalid
from ..protocol.messages import ServerMetadata
from ..protocol.registration import ClientMetadata
from ..protocol.step import Flow, fetch
from ..protocol.urls import check_endpoint, host_of, origin_of
from ..protocol.userinfo import (
    build_userinfo_request,
    check_userinfo_subject,
    merge_claims,
    read_profile,
    read_userinfo_claims,
)
from ..records import Profile, Token
from .base import Provider
from .settings import CommonSettings, DataFields

UserIdFn = Callable[[Mapping[str, Any]], Any]
_CHOSEN = "user_id_fn()"


class OAuth2Settings(CommonSettings, DataFields, total=False):
    """What every provider class takes, and what an odd provider needs, as data."""

    issuer: str | None
    discovery: bool
    openid: bool
    resource: str | None


@dataclass(frozen=True, kw_only=True, eq=False, init=False, repr=False)
class OAuth2(Provider):
    """Sign in with any OAuth 2.0 provider.

        OAuth2(
            "client-id", "client-secret",
            "https://idp.example.com/authorize", "https://idp.example.com/token",
            user_endpoint="https://idp.example.com/me", user_id_fn=lambda profile: profile["id"],
        )

    `redirect_url` (or `redirect_uri`) is the application's callback; without it a login uses loopback,
    `http://127.0.0.1/callback/oauth2`, on any port.
    `user_id_fn(profile)` picks the user's id out of the answer of `user_endpoint`; without it, the member
    that `id_path` names is taken (`id` unless told otherwise).
    `code_challenge` and `code_verifier` are ignored, with a warning: a pair that is kept with the provider
    would be the same for every user and every login, so authflow makes a fresh one for each attempt.
    `code_challenge_method` can only be `S256`.

    Raises `ConfigurationError`.
    """

    user_id_fn: UserIdFn | None = None

    def __init__(
        self,
        client_id: str,
        client_secret: str | None,
        authorization_endpoint: str,
        token_endpoint: str,
        redirect_url: str | None = None,
        scopes: Sequence[str] | None = None,
        user_scopes: Sequence[str] | None = None,
        user_endpoint: str | None = None,
        user_id_fn: UserIdFn | None = None,
        group_scopes: Sequence[str] | None = None,
        code_challenge: str | None = None,
        code_challenge_method: str | None = None,
        code_verifier: str | None = None,
        authorization_params: Mapping[str, str] | None = None,
        **settings: Unpack[OAuth2Settings],
    ) -> None:
        if code_challenge_method not in (None, "S256"):
            raise ConfigurationError(
                f"{type(self).__name__}: code_challenge_method must be S256.",
                hint="Leave it out: PKCE with S256 is always on.",
            )
        if code_challenge is not None or code_verifier is not None:
            warnings.warn(
                "code_challenge and code_verifier are ignored: PKCE protects a login only when the pair is new, "
                "so authflow makes one for every attempt. Leave both arguments out.",
                UserWarning,
                stacklevel=2,
            )
        if user_id_fn is not None and not callable(user_id_fn):
            raise ConfigurationError(f"{type(self).__name__}: user_id_fn must be a function of the profile.")
        if user_endpoint is not None and settings.get("userinfo_endpoint") not in (None, user_endpoint):
            raise ConfigurationError(
                f"{type(self).__name__}: user_endpoint and userinfo_endpoint differ.",
                hint="They are two spellings of one setting: give one of them.",
            )
        object.__setattr__(self, "user_id_fn", user_id_fn)
        chosen: dict[str, object] = dict(settings)
        if redirect_url is not None:
            chosen["redirect_url"] = redirect_url
        self.configure(
            chosen,
            client_id=client_id,
            client_secret=client_secret,
            authorization_endpoint=None if settings.get("resource") else authorization_endpoint,
            token_endpoint=None if settings.get("resource") else token_endpoint,
            userinfo_endpoint=user_endpoint,
            scopes=scopes or (),
            user_scopes=user_scopes or (),
            group_scopes=group_scopes or (),
            authorization_params=authorization_params or {},
            # With a function, no path may stand in for it.
            id_path=_CHOSEN if user_id_fn else "sub" if settings.get("openid") else "id",
        )

    @classmethod
    def for_resource(
        cls,
        url: str,
        client_id: str = "",
        client_secret: str | None = None,
        *,
        client_name: str = "",
        **settings: Any,
    ) -> Self:
        """Whatever server signs people in to the API at `url` (RFC 9728): an API, or an MCP server.

            SessionManager([OAuth2.for_resource("https://mcp.example.com/mcp", client_name="My agent")])

        Nothing is asked now, in no colour. The first login asks the API who its server is, that server what it can
        do, and, without a `client_id`, has the application registered there by the name of `client_name`
        (`registration=ClientMetadata(…)` in its place says more). Tokens are for this API: `resource` goes along in
        every request (RFC 8707), and `session.auth` sends them to the API's origin only.

        With a `client_id` or an `initial_access_token`, say by `issuer=` whose it is: it is sent to no other.
        `scopes=` stands in for what the API asks for. `name` and `label` are the API's host unless they are given.
        Raises `ConfigurationError`.
        """
        try:
            check_endpoint(url, allow_insecure_loopback=bool(settings.get("allow_insecure_loopback")))
        except InsecureURL as error:
            raise InsecureURL(f"{cls.__name__}.for_resource: {error.message}", hint=error.hint) from None
        if client_name and settings.get("registration") is not None:
            raise ConfigurationError(
                f"{cls.__name__}.for_resource: client_name= and registration= both name the application.",
                hint="Give the name once: registration=ClientMetadata(client_name=…).",
            )
        host = host_of(url)
        chosen = {
            "name": re.sub(r"[^A-Za-z0-9._-]", "-", host),
            "label": host,
            "registration": ClientMetadata(client_name=client_name or settings.get("label") or "authflow"),
            **settings,
            "resource": url,
            "api_origins": [origin_of(url), *settings.get("api_origins", ())],
        }
        return cls(client_id, client_secret, "", "", **chosen)

    @classmethod
    def env_settings(cls) -> tuple[str, ...]:
        return ("client_id", "authorization_endpoint", "token_endpoint")

    @classmethod
    def env_options(cls) -> tuple[str, ...]:
        return ("client_secret", "user_endpoint", "redirect_url")

    def fetch_user(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]
    ) -> Flow[Profile | None]:
        """The answer of `user_endpoint`, its id chosen by `user_id_fn`; None when nothing is known."""
        if self.user_id_fn is None:
            return (yield from super().fetch_user(token, metadata, claims))

        answer: dict[str, Any] = {}
        if metadata.userinfo_endpoint:
            response = yield from fetch(build_userinfo_request(self, metadata, token))
            answer = yield from read_userinfo_claims(self, response)
            check_userinfo_subject(self, claims, answer)
        data = merge_claims(claims, answer)
        return self.read_user(data) if data else None

    def read_user(self, data: Mapping[str, Any]) -> Profile:
        """The profile in `data`: its id by `user_id_fn`, or else `id_path`. Raises `ResponseInvalid`."""
        if self.user_id_fn is None:
            return read_profile(self, data)
        profile = read_profile(self, {**data, _CHOSEN: call_user_id_fn(self.user_id_fn, data)})
        return msgspec.structs.replace(profile, data=dict(data))


def call_user_id_fn(user_id_fn: UserIdFn, data: Mapping[str, Any]) -> Any:
    """The id that the application's function picks. Raises `ResponseInvalid` when it cannot."""
    try:
        return user_id_fn(data)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise ResponseInvalid(
            f"user_id_fn failed with {type(error).__name__} on the profile.",
            hint="Let user_id_fn return the member that names the user for good.",
            phase=Phase.VALIDATE,
        ) from None
