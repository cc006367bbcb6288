"""What the provider signed, verified with its keys: ID tokens and logout tokens.

JOSE and its cryptography are loaded when the first of them comes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..protocol.jwe import open_jwt
from ..protocol.messages import ServerMetadata
from ..protocol.step import Flow
from ..protocol.token import with_id_token
from ..records import Token
from .directory import Directory, with_keys

if TYPE_CHECKING:
    from ..protocol.jwks import IssuerKeys
    from ..protocol.logout_token import LogoutToken
    from ..providers.base import Provider


def verified_claims(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    id_token: str,
    *,
    now: float,
    nonce: str | None,
    access_token: str | None = None,
    code: str | None = None,
    max_age: float | None = None,
    acr_values: Sequence[str] = (),
    previous_claims: Mapping[str, Any] | None = None,
    asked_claims: Mapping[str, Any] | None = None,
    state: str | None = None,
    since: float | None = None,
) -> Flow[dict[str, Any]]:
    """The claims of an ID token, with the keys that are at hand or else fetched (see `with_keys`).

    `asked_claims` is the `claims` parameter of the request. `state`, for a token that came through the browser: it
    must then say by its c_hash that the code is its own (OpenID Connect Core §3.3.2.11). `since`: when a login
    without a nonce began.
    """
    # JOSE and its cryptography are a third of all that authflow imports, and without ID tokens nobody needs them.
    from ..protocol.id_token import verify_id_token

    signed = open_id_token(provider, id_token)

    def verify(keys: IssuerKeys | None) -> dict[str, Any]:
        return verify_id_token(
            provider, metadata, keys.keys if keys else (), signed, now=now, nonce=nonce,
            access_token=access_token, code=code, max_age=max_age, acr_values=acr_values,
            previous_claims=previous_claims, asked_claims=asked_claims, state=state, since=since,
        )  # fmt: skip

    return (yield from with_keys(provider, metadata, directory, verify, now))


def logout_claims(
    provider: Provider, metadata: ServerMetadata, directory: Directory, logout_token: object, *, now: float
) -> Flow[LogoutToken]:
    """Who a provider says signed out, by a logout token that passed every check (see `with_keys`)."""
    from ..protocol.logout_token import verify_logout_token

    def verify(keys: IssuerKeys | None) -> LogoutToken:
        return verify_logout_token(provider, metadata, keys.keys if keys else (), logout_token, now=now)

    return (yield from with_keys(provider, metadata, directory, verify, now))


def opened(provider: Provider, token: Token) -> Token:
    """`token` with the signed ID token that was inside an encrypted one: that is what a logout may hint with (OpenID
    Connect RP-Initiated Logout §2)."""
    alg = provider.id_token_encrypted_response_alg
    if alg is None or token.id_token is None:
        return token
    return with_id_token(token, open_id_token(provider, token.id_token))


def open_id_token(provider: Provider, id_token: str) -> str:
    """The signed ID token inside an encrypted one; itself where nothing is to be encrypted. Raises
    `ValidationFailed`."""
    alg, enc = provider.id_token_encrypted_response_alg, provider.id_token_encrypted_response_enc
    return open_jwt(provider, id_token, "ID token", alg, enc)
