"""Tokens without a human: what a back end asks the token endpoint for in its own name, or in somebody's whose word it
has.

    client_credentials   the client itself                     RFC 6749 §4.4
    jwt_bearer           whoever an assertion speaks of        RFC 7523 §2.1
    token_exchange       the subject of a token that it holds  RFC 8693 §2.1

`token.build_grant_request` makes the request of a grant type and its form. The resource owner's password is
no grant here: RFC 9700 §2.4 forbids it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError, Phase, ValidationFailed, printable
from .client_auth import ASSERTION_SECONDS, assertion_audience
from .messages import ServerMetadata, TokenResponse
from .step import Moment

if TYPE_CHECKING:
    from ..providers.base import Provider

Form = Mapping[str, str | tuple[str, ...]]

CLIENT_CREDENTIALS: Final = "client_credentials"
JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"
JWT: Final = "urn:ietf:params:oauth:token-type:jwt"


def with_target(provider: Provider, form: Form, scope: Sequence[str], resource: Sequence[str]) -> Form:
    """`form`, with the scope and the APIs that the token is for (RFC 8707 §2.2)."""
    asked: dict[str, str | tuple[str, ...]] = dict(form)
    if scope:
        asked["scope"] = provider.scope_separator.join(scope)
    if resource:
        asked["resource"] = tuple(resource)
    return asked


def sign_grant_assertion(
    provider: Provider, metadata: ServerMetadata, moment: Moment, subject: str, claims: Mapping[str, Any]
) -> str:
    """An assertion of the client's own about `subject`, signed with its key (RFC 7523 §3). `claims` add to it."""
    key = provider.private_key
    if key is None:
        raise ConfigurationError(
            f"{provider.name}: an assertion about a subject is signed with the client's key.",
            hint="Set client_key=, or pass assertion=.",
        )
    now = int(moment.now)
    full = {
        **claims, "iss": provider.client_id, "sub": subject, "aud": assertion_audience(provider, metadata),
        "jti": moment.jti, "iat": now, "nbf": now, "exp": now + ASSERTION_SECONDS,
    }  # fmt: skip
    alg = key.choose_alg(None, provider.assertion_alg)
    return key.sign({"typ": "JWT", **provider.assertion_headers}, full, alg)


def token_exchange_form(
    *,
    subject_token: str,
    subject_token_type: str = ACCESS_TOKEN,
    actor_token: str | None = None,
    actor_token_type: str = ACCESS_TOKEN,
    requested_token_type: str | None = None,
    audience: Sequence[str] = (),
) -> dict[str, str | tuple[str, ...]]:
    """RFC 8693 §2.1."""
    form: dict[str, str | tuple[str, ...]] = {
        "subject_token": subject_token,
        "subject_token_type": subject_token_type,
    }
    if actor_token is not None:
        form |= {"actor_token": actor_token, "actor_token_type": actor_token_type}
    if requested_token_type is not None:
        form["requested_token_type"] = requested_token_type
    if audience:
        form["audience"] = tuple(audience)
    return form


def check_issued_type(form: Form, answer: TokenResponse) -> None:
    """RFC 8693 §2.2.1: what was issued is what was asked for; nobody shows an API a refresh token, say. Raises
    `ValidationFailed`."""
    wanted = form.get("requested_token_type")
    issued = answer.extra.get("issued_token_type")  # some leave it out, which the RFC does not allow
    if issued is not None and issued not in ((ACCESS_TOKEN, JWT) if wanted is None else (wanted,)):
        raise ValidationFailed(
            "The provider issued another kind of token than was asked for.",
            check="issued_token_type",
            hint=f"It says {printable(issued, 200)!r}; name the one that you want by requested_token_type=.",
            phase=Phase.EXCHANGE,
        )
