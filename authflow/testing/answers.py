"""How the development provider says who signed in: its ID tokens, and answers that are JWTs (JARM)."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256, sha512
from typing import TYPE_CHECKING, Any, cast

from joserfc.jwk import import_key

from ..protocol.jwe import encrypt_jwt
from .grants import Grant

if TYPE_CHECKING:
    from joserfc.jwk import ECKey, RSAKey

    from .dev_provider import DevProvider

RESPONSE_TYPES = ("code", "id_token", "code id_token")
RESPONSE_MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
JARM_SECONDS = 60


def id_token(
    provider: DevProvider,
    grant: Grant,
    scope: Iterable[str],
    *,
    nonce: str | None = None,
    access_token: str | None = None,
    code: str | None = None,
    state: str | None = None,
) -> str:
    """OpenID Connect Core §2, §3.1.3.6, §3.3.2.11: signed, with a hash of each that comes with it."""
    now = int(provider.now())
    beside = {"at_hash": access_token, "c_hash": code, "s_hash": state}
    claims: dict[str, Any] = {
        "iss": provider.issuer,
        "sub": grant.user.sub,
        "aud": grant.client_id,
        "iat": now,
        "exp": now + int(provider.id_token_ttl),
        "auth_time": int(grant.auth_time),
        "sid": grant.sid,
        **{name: half_hash(value, provider.algorithm) for name, value in beside.items() if value},
        **profile(grant, scope),
    }
    if grant.acr is not None:
        claims["acr"] = grant.acr
    if nonce is not None:
        claims["nonce"] = nonce
    if grant.request_id is not None:
        claims["urn:openid:params:jwt:claim:auth_req_id"] = grant.request_id
    claims = provider.tamper.apply("id_token_claims", claims)
    signed = provider.sign(claims)
    token: str = provider.tamper.apply("id_token", encrypted(provider, grant.client_id, "id_token", signed))
    provider.note(token)
    return token


def response(provider: DevProvider, client_id: str, params: Mapping[str, Any]) -> str:
    """JARM §2.1: the parameters of an answer as one signed JWT."""
    claims = {"iss": provider.issuer, "aud": client_id, "exp": int(provider.now()) + JARM_SECONDS, **params}
    claims = provider.tamper.apply("response_claims", claims)
    signed = provider.sign(claims)
    token: str = provider.tamper.apply("response", encrypted(provider, client_id, "authorization", signed))
    provider.note(token)
    return token


def encrypted(provider: DevProvider, client_id: str, what: str, token: str) -> str:
    """`token` for this client's eyes only, where it registered for that."""
    client = provider.clients.get(client_id)
    if client is None or what not in client.encrypts:
        return token
    alg, enc, jwk = client.encrypts[what]
    made = encrypt_jwt(token, cast("RSAKey | ECKey", import_key(dict(jwk))), alg, enc)
    provider.note(made)
    return made


def profile(grant: Grant, scope: Iterable[str]) -> dict[str, Any]:
    """The claims that a scope opens (OpenID Connect Core §5.4)."""
    user, scope = grant.user, set(scope)
    claims: dict[str, Any] = {}
    if "profile" in scope:
        claims |= {"name": user.name, "preferred_username": user.login}
    if "email" in scope:
        claims |= {"email": user.email, "email_verified": user.email_verified}
    if "groups" in scope:
        claims["groups"] = list(user.groups)
    return {**claims, **user.claims}


def half_hash(value: str, algorithm: str) -> str:
    """OpenID Connect Core §3.1.3.6; Ed25519 signs with SHA-512 inside."""
    hashed = sha512 if algorithm in ("EdDSA", "Ed25519") else sha256
    digest = hashed(value.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
