"""How a provider is asked to sign somebody in, and how it is to answer: settings, and which of them go together.

Rule: a response type with `token` in it brings an access token through the browser, where it leaks (RFC 9700
§2.1.2); an answer in the fragment reaches no server at all. Neither is offered: what is no code comes by form_post.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .base import Provider

ResponseType = Literal["code", "id_token", "code id_token"]
ResponseMode = Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]

RESPONSE_TYPES = ("code", "id_token", "code id_token")
RESPONSE_MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
_BY_FORM = ("form_post", "form_post.jwt")


class AskingSettings(TypedDict, total=False):
    """What every provider class takes about the authorization request and its answer."""

    response_type: ResponseType
    response_mode: ResponseMode | None


def check_asking(provider: Provider, who: str) -> None:
    """Refuses what cannot work, or should not. Raises `ConfigurationError`."""
    if "token" in str(provider.response_type).split():
        raise ConfigurationError(
            f"{who}: a response type with token in it sends the access token through the browser.",
            hint="Use response_type='code'; RFC 9700 §2.1.2 says why.",
        )
    if provider.response_type not in RESPONSE_TYPES:
        raise ConfigurationError(
            f"{who}: response_type {provider.response_type!r} is not offered.", hint=f"Use one of {RESPONSE_TYPES}."
        )
    if provider.response_mode not in (None, *RESPONSE_MODES):
        raise ConfigurationError(
            f"{who}: response_mode {provider.response_mode!r} is not offered.",
            hint=f"Use one of {RESPONSE_MODES}; an answer in the fragment reaches no server.",
        )
    if provider.response_type == "code":
        return
    if not provider.openid:
        raise ConfigurationError(f"{who}: only OpenID Connect has an ID token.", hint="Use response_type='code'.")
    if provider.omits_nonce:
        raise ConfigurationError(
            f"{who}: only the nonce ties an ID token that comes through the browser to its attempt.",
            hint="Use response_type='code' where ID tokens have no nonce.",
        )
    if provider.response_mode not in _BY_FORM:
        raise ConfigurationError(
            f"{who}: the answer to response_type={provider.response_type!r} must come by form_post.",
            hint="Set response_mode='form_post'; by itself it comes in the fragment, which reaches no server.",
        )
