"""Tokens for a code, new ones for a refresh token; and the end of a token, or what the provider says of it.

Rule 1: an exchange is sent once. A code is good for one use; a second try can only do harm.
Rule 2: once the provider has issued tokens, an error must not lose them: `TokensRefused` carries them to the
        session, which revokes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import AuthflowError, InvalidCall, Phase, Recovery, ValidationFailed
from ..protocol.asked_claims import check_asked_claims
from ..protocol.client_auth import client_moment
from ..protocol.dpop import Binding, check_bound
from ..protocol.expected import Expected
from ..protocol.messages import Granted, ServerMetadata, TokenResponse
from ..protocol.revocation import read_revocation_response
from ..protocol.step import Flow, T
from ..protocol.token import build_refresh_request, build_token_request, to_token, with_id_token
from ..records import Profile, Token
from .asking import UNAVAILABLE, ask, ask_for_tokens, bound, unreadable
from .directory import Directory, with_keys
from .profile import profile_of_claims, softly, verifying, whose, with_groups
from .signed import opened, verified_claims

if TYPE_CHECKING:
    from ..protocol.introspection import Introspection
    from ..protocol.jwks import IssuerKeys
    from ..providers.base import Provider

# What a clock that was set wrong makes of an honest ID token. A login is refused by them; a session that lives
# must not be lost to them.
CLOCK_CHECKS = frozenset({"exp", "iat", "nbf"})


class TokensRefused(Exception):
    """The provider issued tokens, and then a check failed. For the session only: it revokes `token` and fails
    with `cause`. Neither text nor `repr` shows the token."""

    def __init__(self, cause: AuthflowError, token: Token) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.token = token

    def __repr__(self) -> str:
        return f"TokensRefused({self.cause!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("TokensRefused holds tokens and is not pickled")


def exchange(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    expected: Expected,
    scope: Sequence[str],
    now: float,
    front_claims: Mapping[str, Any] | None = None,
    resource: Sequence[str] = (),
    fetch_user: bool = True,
    fetch_groups: bool = False,
    binding: Binding | None = None,
) -> Flow[Granted]:
    """Tokens for a code, checked, and whose they are.

    `expected` is what the authorization request asked for; `front_claims` those of the ID token that came beside the
    code, whose human it must be; `binding` is the key that the tokens are to be bound to. Raises `WireError`,
    `OAuthError`, `ResponseInvalid` when no tokens came, `TokensRefused` when they came and a check failed.
    """
    build = partial(
        build_token_request, provider, metadata, code=code, redirect_uri=redirect_uri, code_verifier=code_verifier,
        resource=resource,
    )  # fmt: skip
    answer = yield from ask_for_tokens(provider, metadata, build, Phase.EXCHANGE, binding)
    return (
        yield from accept(
            provider,
            metadata,
            directory,
            answer,
            expected=msgspec.structs.replace(expected, code=code),
            scope=scope,
            now=now,
            front_claims=front_claims,
            fetch_user=fetch_user,
            fetch_groups=fetch_groups,
            binding=binding,
        )
    )


def accept(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    answer: TokenResponse,
    *,
    expected: Expected,
    scope: Sequence[str],
    now: float,
    front_claims: Mapping[str, Any] | None = None,
    own_claims: Mapping[str, str] | None = None,
    fetch_user: bool = True,
    fetch_groups: bool = False,
    binding: Binding | None = None,
) -> Flow[Granted]:
    """Tokens that a token endpoint gave, checked, and whose they are; the arguments are those of `exchange`.

    `own_claims`: what the ID token must say, if it says anything there. Raises `TokensRefused`.
    """
    token = to_token(answer, now=now, requested_scope=scope)
    with_tokens = _identify(
        provider,
        metadata,
        directory,
        token=token,
        expected=msgspec.structs.replace(expected, access_token=token.access_token),
        now=now,
        front_claims=front_claims,
        own_claims=own_claims or {},
        fetch_user=fetch_user,
        fetch_groups=fetch_groups,
        binding=binding,
    )
    granted: Granted = yield from _keeping(token, with_tokens)
    return msgspec.structs.replace(granted, refresh_in=answer.refresh_in)


def refresh(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    *,
    token: Token,
    claims: Mapping[str, Any] | None,
    scope: Sequence[str] | None = None,
    resource: str | None = None,
    now: float,
    binding: Binding | None = None,
) -> Flow[Granted]:
    """New tokens for a refresh token. `claims` are those of the login; a new ID token must continue them.

    A refresh is no login: when a new ID token cannot be checked because the provider's keys cannot be had, or
    only this machine's clock speaks against it, the old one stays, and `warning` says so. Raises as `exchange`
    does, and `InvalidCall` without a refresh token.
    """
    if not token.refresh_token:
        raise InvalidCall("There is no refresh token.", hint="Sign in again.", phase=Phase.REFRESH)
    build = partial(
        build_refresh_request, provider, metadata, refresh_token=token.refresh_token, scope=scope, resource=resource
    )
    answer = yield from ask_for_tokens(provider, metadata, build, Phase.REFRESH, binding)
    renewed = to_token(answer, now=now, requested_scope=scope or (), previous=token)
    try:
        check_bound(provider, binding, renewed.token_type)
    except ValidationFailed as error:
        raise TokensRefused(error, renewed) from error
    issuer, subject = (str((claims or {}).get(name) or "") for name in ("iss", "sub"))
    granted = Granted(
        token=renewed,
        issuer=issuer,
        subject=subject,
        claims=None if claims is None else dict(claims),
        refresh_in=answer.refresh_in,
    )
    if not provider.openid or not answer.id_token:
        return granted

    expected = Expected(nonce=None, access_token=renewed.access_token, previous_claims=claims)
    checking = verified_claims(provider, metadata, directory, answer.id_token, expected, now=now)
    try:
        fresh: dict[str, Any] = yield from _keeping(renewed, checking)
    except TokensRefused as refused:
        if not (isinstance(refused.cause, UNAVAILABLE) or refused.cause.check in CLOCK_CHECKS):
            raise
        kept = with_id_token(renewed, token.id_token)
        return msgspec.structs.replace(granted, token=kept, warning=refused.cause.info)
    return msgspec.structs.replace(
        granted, token=opened(provider, renewed), issuer=fresh["iss"], subject=fresh["sub"], claims=fresh
    )


def revoke(provider: Provider, metadata: ServerMetadata, *, token: str, token_type_hint: str) -> Flow[bool]:
    """Revokes a token at the provider. True when it is dead there; False when the provider has no way.

    `token_type_hint` is `access_token` or `refresh_token`. Raises `WireError`, `OAuthError`,
    `ResponseInvalid`; their phase is `revoke`.
    """
    try:
        moment = yield from client_moment(provider)
        request = provider.build_revocation_request(metadata, token, token_type_hint, moment)
        if request is None:
            return False
        response = yield from ask(request)
        read_revocation_response(provider, response)
    except AuthflowError as error:
        error.add_facts(phase=Phase.REVOKE)
        raise
    return True


def introspect(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    *,
    token: str,
    token_type_hint: str,
    signed: bool,
    now: float,
) -> Flow[Introspection]:
    """What the provider says of a token now (RFC 7662); `signed`: in a JWT whose signature counts (RFC 9701)."""
    from ..protocol import introspection

    moment = yield from client_moment(provider)
    request = introspection.build_introspection_request(
        provider, metadata, moment, token=token, token_type_hint=token_type_hint, signed=signed
    )
    response = yield from ask(request)
    if not signed:
        return introspection.read_introspection_response(provider, response)
    answer = introspection.check_signed_introspection(provider, response)

    def verify(keys: IssuerKeys | None) -> Introspection:
        return introspection.verify_signed_introspection(provider, metadata, keys.keys if keys else (), answer)

    return (yield from with_keys(provider, metadata, directory, verify, now))


def _keeping(token: Token, flow: Flow[T]) -> Flow[T]:
    """Runs `flow`; an error in it comes out as `TokensRefused`, with the tokens."""
    try:
        return (yield from flow)
    except AuthflowError as error:
        raise TokensRefused(error, token) from error
    except Exception as bug:
        raise TokensRefused(unreadable(bug, Phase.VALIDATE), token) from bug


def _identify(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    *,
    token: Token,
    expected: Expected,
    now: float,
    front_claims: Mapping[str, Any] | None,
    own_claims: Mapping[str, str],
    fetch_user: bool,
    fetch_groups: bool,
    binding: Binding | None,
) -> Flow[Granted]:
    check_bound(provider, binding, token.token_type)
    _check_scope(provider, token)
    claims: dict[str, Any] | None = None
    if provider.openid:
        if not token.id_token:
            raise ValidationFailed(
                "The provider sent no ID token.",
                check="id_token",
                hint="Ask for the scope 'openid', and register the client for OpenID Connect.",
                phase=Phase.VALIDATE,
            )
        claims = yield from verified_claims(provider, metadata, directory, token.id_token, expected, now=now)
        _check_agreement(claims, front_claims)
        for name, value in own_claims.items():
            if claims.get(name, value) != value:
                raise ValidationFailed(
                    "The ID token belongs to another request.", check=name, hint="Begin again.", phase=Phase.VALIDATE
                )
        token = opened(provider, token)

    profile: Profile | None = None
    warning = None
    if fetch_user and not provider.tells_no_user:
        asking = bound(provider.fetch_user(token, metadata, claims or {}), token, binding)
        profile, warning = yield from softly(
            verifying(asking, provider, metadata, directory, now),
            lambda: profile_of_claims(provider, claims)
        )
        check_asked_claims(expected.asked_claims or {}, "userinfo", {} if profile is None else profile.data)
    if profile is not None and fetch_groups:
        known = profile
        profile, missing = yield from softly(
            bound(with_groups(provider, metadata, token, claims or {}, known), token, binding),
            lambda: msgspec.structs.replace(known, groups_complete=False),
        )
        warning = warning or missing
    issuer, subject = whose(provider, metadata, claims, profile)
    return Granted(
        token=token, issuer=issuer, subject=subject, claims=claims, profile=profile, warning=warning
    )


def _check_scope(provider: Provider, token: Token) -> None:
    """A human may untick what was asked for (RFC 6749 §3.3), and an application may be of no use without it."""
    missing = provider.missing_scopes(provider.required_scopes, token.scope)
    if missing:
        raise ValidationFailed(
            f"{', '.join(missing)} was not granted, and is required.",
            check="scope",
            hint="Sign in again and allow it; see required_scopes.",
            recovery=Recovery.SIGN_IN_AGAIN,
            phase=Phase.VALIDATE,
        )


def _check_agreement(claims: Mapping[str, Any], front_claims: Mapping[str, Any] | None) -> None:
    """OpenID Connect Core §3.3.3.6: both ID tokens of one login name the same human of the same issuer."""
    for name in ("iss", "sub"):
        if front_claims is not None and front_claims.get(name) != claims.get(name):
            raise ValidationFailed(
                f"The two ID tokens of this login have not the same {name}.",
                check=name,
                hint="Begin the login again.",
                phase=Phase.VALIDATE,
            )
