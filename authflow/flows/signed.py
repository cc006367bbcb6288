"""What the provider signed, verified with its keys: ID tokens and logout tokens.

JOSE and its cryptography are loaded when the first of them comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..protocol.expected import Expected
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
    expected: Expected,
    *,
    now: float,
) -> Flow[dict[str, Any]]:
    """The claims of an ID token, with the keys that are at hand or else fetched (see `with_keys`)."""
    # JOSE and its cryptography are a third of all that authflow imports, and without ID tokens nobody needs them.
    from ..protocol.id_token import verify_id_token

    signed = open_id_token(provider, id_token)

    def verify(keys: IssuerKeys | None) -> dict[str, Any]:
        return verify_id_token(provider, metadata, keys.keys if keys else (), signed, expected, now=now)

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
