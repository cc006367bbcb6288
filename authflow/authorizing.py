"""Asking for a login, and what comes of the answer: the front channel's half of a conversation.

    authorize      the parameters → the URL to send the browser to
    read_answer    what the callback said → what the provider said
    redeem         what the provider said → who signed in, and the tokens

Generators, as those in `flows/`; nothing here knows a chart, a session or a clock.

Rule: what cannot be checked is no answer. A response that was to be signed, and is not, is refused before any code
in it is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .claim_sources import with_claims_of_others
from .errors import AuthflowError, ConfigurationError, Phase
from .flows import Directory, ask, exchange, profile_of_claims, verified_claims, with_keys
from .protocol.authorization import build_authorization_url
from .protocol.callback import CallbackParams, check_callback
from .protocol.client_auth import client_moment
from .protocol.dpop import Binding
from .protocol.expected import Expected
from .protocol.jar import build_front_channel, build_request_object, check_hosted, is_object
from .protocol.messages import Granted, ServerMetadata
from .protocol.par import build_par_request, is_pushed, read_par_response
from .protocol.step import Flow, fresh
from .records import Pending, Token

if TYPE_CHECKING:
    from .protocol.jwks import IssuerKeys
    from .providers.base import Provider


Request = Mapping[str, str | tuple[str, ...]]


def authorize(
    provider: Provider, metadata: ServerMetadata, request: Request, *, request_uri: str | None = None
) -> Flow[tuple[str, str | None]]:
    """The URL to send the browser to, for the parameters in `request`; and the request object that the application
    is to serve at `request_uri`, where it named one.

    As the settings and the metadata want it, the parameters are signed (RFC 9101), encrypted, and pushed (RFC 9126).
    Raises what a refusal of the provider is, and `ConfigurationError`.
    """
    if request_uri is not None:
        check_hosted(provider, metadata, request_uri)
    if is_object(provider, metadata):
        made = yield from _request_object(provider, metadata, request)
        if request_uri is not None:
            front = build_front_channel(provider, request, {"request_uri": request_uri})
            return build_authorization_url(provider, metadata, front), made
        request = build_front_channel(provider, request, {"request": made})
    if is_pushed(provider, metadata):
        pushed = yield from _push(provider, metadata, request)
        request = {provider.client_id_param: provider.client_id, "request_uri": pushed}
    return build_authorization_url(provider, metadata, request), None


def _push(provider: Provider, metadata: ServerMetadata, request: Request) -> Flow[str]:
    moment = yield from client_moment(provider)
    response = yield from ask(build_par_request(provider, metadata, moment, request))
    return read_par_response(provider, response)


def _request_object(provider: Provider, metadata: ServerMetadata, request: Request) -> Flow[str]:
    signed = build_request_object(provider, metadata, (yield from fresh()), request)
    alg = provider.request_object_encryption_alg
    if alg is None:
        return signed
    from .protocol.jwe import encrypt_jwt, find_encryption_key
    from .protocol.jwks import build_jwks_request, read_members

    response = yield from ask(build_jwks_request(provider, metadata))
    key = find_encryption_key(read_members(provider, response), alg)
    if key is None:
        raise ConfigurationError(
            f"{provider.name} publishes no key that a request object can be encrypted for with {alg}.",
            hint="Leave request_object_encryption_alg out, or name what the provider supports.",
        )
    return encrypt_jwt(signed, key, alg, provider.request_object_encryption_enc)


def read_answer(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    pending: Pending,
    params: CallbackParams,
    *,
    now: float,
) -> Flow[CallbackParams]:
    """What the provider answered to the request that `pending` made: verified where it is a JWT, and good.

    Raises `ValidationFailed`, the `OAuthError` that the answer is, and `WireError` when a signature needs keys
    that cannot be had.
    """
    said = params
    if pending.jarm:
        from .protocol.jarm import verify_response

        def verify(keys: IssuerKeys | None) -> CallbackParams:
            return verify_response(provider, metadata, keys.keys if keys else (), params, now=now)

        try:
            said = yield from with_keys(provider, metadata, directory, verify, now)
        except AuthflowError as error:
            error.add_facts(phase=Phase.CALLBACK)
            raise
    check_callback(provider, metadata, said, pending.response_type)
    return said


def redeem(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    pending: Pending,
    said: CallbackParams,
    *,
    now: float,
    binding: Binding | None = None,
) -> Flow[Granted]:
    """Who signed in, and the tokens: for the code, for the ID token that came through the browser, or for both
    (OpenID Connect Core §3.2.2.11, §3.3.2.11). An ID token that came beside a code is checked before the code is
    used. Raises as `flows.exchange` does.
    """
    front: dict[str, Any] | None = None
    expected = Expected(
        nonce=pending.nonce, max_age=pending.max_age, acr_values=pending.acr_values, asked_claims=pending.asked_claims
    )
    if "id_token" in pending.response_type.split():
        in_front = msgspec.structs.replace(expected, code=said.code, front_state=said.state)
        front = yield from verified_claims(provider, metadata, directory, said.id_token or "", in_front, now=now)
    if front is not None and said.code is None:
        # Without an access token there is no userinfo: the ID token is all that is known, for as long as it is good.
        token = Token(
            "", id_token=said.id_token, scope=pending.scope, expires_at=float(front["exp"]),
            expires_in=max(0.0, float(front["exp"]) - now),
        )  # fmt: skip
        profile = profile_of_claims(provider, front) if pending.fetch_user else None
        granted = Granted(token=token, issuer=front["iss"], subject=front["sub"], claims=front, profile=profile)
        return (yield from with_claims_of_others(provider, directory, granted, now=now))
    granted = yield from exchange(
        provider,
        metadata,
        directory,
        code=said.code or "",
        redirect_uri=pending.redirect_uri,
        code_verifier=pending.code_verifier,
        expected=expected,
        scope=pending.scope,
        now=now,
        front_claims=front,
        resource=pending.resource,
        fetch_user=pending.fetch_user,
        fetch_groups=pending.fetch_groups,
        binding=binding,
    )
    return (yield from with_claims_of_others(provider, directory, granted, now=now))
