"""The userinfo request (OpenID Connect Core §5.3) and the profile that is read from it by the `*_path` fields.

Rule: who signed in is what the ID token says. Userinfo adds to it, and a userinfo answer about somebody else
fails the login.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx
from msgspec.structs import replace

from ..errors import Phase, ResponseInvalid, ValidationFailed
from ..records import Group, Profile, Token
from .endpoints import endpoint_of
from .messages import ServerMetadata
from .reading import dig, read_object
from .step import DOCUMENT_BYTES, Flow, Limits, build_request, fetch, verified
from .urls import add_query
from .witness import differs, passed

if TYPE_CHECKING:
    from ..providers.base import Provider

# Claims that speak of the ID token, not of the human.
PROTOCOL_CLAIMS = frozenset(
    {
        "iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "at_hash", "c_hash", "s_hash",
        "urn:openid:params:jwt:claim:auth_req_id", "urn:openid:params:jwt:claim:rt_hash",
    }
)  # fmt: skip


def build_userinfo_request(provider: Provider, metadata: ServerMetadata, token: Token) -> httpx.Request:
    """Asks who signed in, with the token in the header (RFC 6750 §2.1), or by a setting in the form (§2.2). Raises
    `MissingEndpoint`."""
    endpoint = endpoint_of(provider, metadata, "userinfo_endpoint", hint="Set userinfo_endpoint=.")
    if provider.userinfo_params:
        endpoint = add_query(endpoint, provider.userinfo_params)
    if provider.userinfo_token_in_form_body:
        limits = Limits(most_bytes=DOCUMENT_BYTES, seconds=provider.timeout)
        return build_request("POST", endpoint, form={"access_token": token.access_token}, limits=limits)
    return build_request(
        provider.userinfo_method,
        endpoint,
        headers={"authorization": f"Bearer {token.access_token}"},
        limits=Limits(most_bytes=DOCUMENT_BYTES, seconds=provider.timeout),
    )


def read_userinfo_claims(provider: Provider, response: httpx.Response) -> Flow[dict[str, Any]]:
    """The claims of a userinfo answer; a JWT is verified first (§5.3.2).

    Raises `OAuthError`, `ResponseInvalid`, `ValidationFailed` for a JWT that does not pass, and for an answer that is
    none though the client registered for one (`check="userinfo"`).
    """
    if _is_jwt(response):
        try:
            token = response.content.decode("ascii").strip()
        except UnicodeDecodeError:
            raise ResponseInvalid("The userinfo response is no JWT.", phase=Phase.VALIDATE) from None
        return (yield from verified(token))
    claims = read_userinfo_response(provider, response)
    if provider.userinfo_signed_response_alg or provider.userinfo_encrypted_response_alg:
        raise ValidationFailed(
            "The userinfo response is no JWT, and this client asked for one.",
            check="userinfo",
            hint="Compare the client's registration with the userinfo_… settings.",
            phase=Phase.VALIDATE,
        )
    return claims


def _is_jwt(response: httpx.Response) -> bool:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return response.is_success and kind in ("application/jwt", "application/jose")


def read_userinfo_response(provider: Provider, response: httpx.Response) -> dict[str, Any]:
    """The JSON object of a userinfo answer. Raises `OAuthError`, or `ResponseInvalid` for anything else: a JWT is
    for `read_userinfo_claims`."""
    if _is_jwt(response):
        raise ResponseInvalid(
            "The userinfo response is a JWT, and was read as plain JSON.",
            hint="Read it by read_userinfo_claims, or register the client without userinfo_signed_response_alg.",
            phase=Phase.VALIDATE,
        )
    return read_object(provider, response, "userinfo response", phase=Phase.VALIDATE, bearer=True)


def fetch_userinfo(
    provider: Provider, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]
) -> Flow[Profile | None]:
    """The signed-in human: userinfo over the ID token's claims; the claims alone where there is no userinfo
    endpoint; None where there is neither.

    Raises `ValidationFailed` (`check="userinfo_sub"`) when userinfo speaks of somebody else (§5.3.2).
    """
    if not metadata.userinfo_endpoint:
        return read_profile(provider, merge_claims(claims, {})) if claims else None
    response = yield from fetch(build_userinfo_request(provider, metadata, token))
    data = yield from read_userinfo_claims(provider, response)
    check_userinfo_subject(provider, claims, data)
    return read_profile(provider, merge_claims(claims, data))


def check_userinfo_subject(provider: Provider, claims: Mapping[str, Any], data: Mapping[str, Any]) -> None:
    """OpenID Connect Core §5.3.2, where there is an ID token to compare with."""
    if provider.openid and claims.get("sub") is not None and data.get("sub") != claims["sub"]:
        differs("userinfo_sub", "userinfo", claims["sub"], data.get("sub"))
        raise ValidationFailed(
            "The userinfo response is about somebody else than the ID token.",
            check="userinfo_sub",
            hint="Check that userinfo_endpoint is this provider's.",
            phase=Phase.VALIDATE,
        )
    if provider.openid and claims.get("sub") is not None:
        passed("userinfo_sub", "userinfo", claims["sub"], data.get("sub"))


def merge_claims(claims: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the human: `data` over `claims`, `sub` as the ID token has it, nothing of the protocol."""
    merged = {**claims, **data}
    if "sub" in claims:
        merged["sub"] = claims["sub"]
    return {name: value for name, value in merged.items() if name not in PROTOCOL_CLAIMS}


def read_profile(provider: Provider, data: Mapping[str, Any]) -> Profile:
    """A profile by the provider's `*_path` fields. The id is a text, whatever the provider sent.

    Raises `ResponseInvalid` when there is no id at `id_path`.
    """
    found = dig(data, provider.id_path)
    if isinstance(found, bool) or not isinstance(found, (str, int)) or found == "":
        raise ResponseInvalid(
            f"The profile has no id at {provider.id_path!r}.",
            hint="Set id_path= to the member that names the user for good.",
            phase=Phase.VALIDATE,
        )
    return Profile(
        id=str(found),
        data=dict(data),
        name=_text(dig(data, provider.name_path)),
        email=_text(dig(data, provider.email_path)),
        email_verified=_flag(dig(data, provider.email_verified_path)),
        picture=_text(dig(data, provider.picture_path)),
    )


def without_sources(profile: Profile) -> Profile:
    """Without the tokens for what others say of the human (OpenID Connect Core §5.6.2): no application needs them."""
    if "_claim_sources" not in profile.data:
        return profile
    kept = {name: value for name, value in profile.data.items() if name != "_claim_sources"}
    return replace(profile, data=kept)


def read_groups(provider: Provider, data: Mapping[str, Any]) -> list[Group] | None:
    """The groups that a claim lists; None when the provider says that there are more than fit in a token
    (Entra's `_claim_names`, `hasgroups`)."""
    name = provider.groups_claim
    if not name:
        return []
    elsewhere = data.get("_claim_names")
    if isinstance(elsewhere, Mapping) and name in elsewhere:
        return None
    if _flag(data.get("hasgroups")):
        return None
    found = dig(data, name)
    listed = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    groups = []
    for one in listed:
        if isinstance(one, str):
            groups.append(Group({"name": one}, one))
        elif isinstance(one, Mapping):
            label = one.get("name") or one.get("displayName") or one.get("display") or one.get("id")
            if label is not None:
                groups.append(Group(one, str(label)))
    return groups


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None
