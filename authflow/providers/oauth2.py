"""Any OAuth 2.0 provider, described by data: endpoints, scopes, and the quirks it has.

Specification: RFC 6749, with RFC 7636 (PKCE) at every login. The arguments are those of Flet's
`OAuthProvider`, by the same names and in the same order. What data cannot say, a subclass says with the pure
hooks of `Provider`; `examples/providers_wechat_tiktok.py` shows two.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Unpack

from ..errors import ConfigurationError
from .base import CommonSettings, DataFields, Provider, UserIdFn


class OAuth2Settings(CommonSettings, DataFields, total=False):
    """What every provider class takes, and what an odd provider needs, as data."""

    issuer: str | None
    discovery: bool
    openid: bool


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
            authorization_endpoint=authorization_endpoint,
            token_endpoint=token_endpoint,
            userinfo_endpoint=user_endpoint,
            scopes=scopes or (),
            user_scopes=user_scopes or (),
            group_scopes=group_scopes or (),
            authorization_params=authorization_params or {},
            id_path="sub" if settings.get("openid") else "id",
        )

    @classmethod
    def env_settings(cls) -> tuple[str, ...]:
        return ("client_id", "authorization_endpoint", "token_endpoint")

    @classmethod
    def env_options(cls) -> tuple[str, ...]:
        return ("client_secret", "user_endpoint", "redirect_url")
