"""Conversations with a provider, made of the pure steps in `protocol/`: discover, exchange, refresh, revoke.

Each is a generator that yields `httpx.Request` and gets `httpx.Response`; a driver throws a `WireError` into
it when no answer came. Nothing here knows a chart, a session or a clock.

Rule 1: an exchange is sent once. A code is good for one use; a second try can only do harm.
Rule 2: once the provider has issued tokens, an error must not lose them: `TokensRefused` carries them to the
        session, which revokes them.
Rule 3: what only adds to a login (the profile, the groups) may be missing. A failure of the wire or of the
        provider's servers there is a warning; an answer that contradicts the ID token is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from .errors import (
    AuthflowError,
    InvalidCall,
    Phase,
    ProviderError,
    RedirectRefused,
    ResponseInvalid,
    ServerError,
    ServiceUnavailable,
    ValidationFailed,
    WireError,
    whereabouts,
)
from .protocol import step
from .protocol.asked_claims import check_asked_claims
from .protocol.client_auth import client_moment
from .protocol.discovery import (
    build_discovery_requests,
    check_metadata,
    configured_metadata,
    issuer_of,
    merge_metadata,
    read_metadata,
)
from .protocol.dpop import Binding, Nonces, bind, check_bound, check_dpop_alg, fetch_bound
from .protocol.jwe import open_jwt
from .protocol.messages import Granted, ServerMetadata, TokenResponse
from .protocol.revocation import read_revocation_response
from .protocol.step import Flow, Moment, T
from .protocol.token import build_refresh_request, build_token_request, to_token, with_id_token
from .protocol.urls import origin_of
from .protocol.userinfo import merge_claims, read_profile
from .records import Profile, Token

if TYPE_CHECKING:
    from .protocol.introspection import Introspection
    from .protocol.jwks import IssuerKeys
    from .protocol.logout_token import LogoutToken
    from .providers.base import Provider

METADATA_SECONDS = 300.0
OLDEST_METADATA_SECONDS = 86_400.0  # metadata that could not be renewed serve this long

# The provider cannot be reached, or cannot answer at present: nothing is said about the login.
UNAVAILABLE = (WireError, ServerError, ServiceUnavailable)

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


class Directory:
    """What is known of issuers: metadata and keys, by issuer; of servers: DPoP nonces, by origin. It does no I/O;
    flows fill it.

    One directory may serve many threads: every entry is replaced whole, never changed. A failure is not kept.
    """

    def __init__(self) -> None:
        self._metadata: dict[str, tuple[ServerMetadata, float]] = {}
        self._keys: dict[tuple[str, str], IssuerKeys] = {}
        self.nonces = Nonces()
        self._judged: dict[int, tuple[Provider, ServerMetadata | None, ServerMetadata]] = {}

    def __repr__(self) -> str:
        return f"Directory({sorted(self._metadata)})"

    def metadata(self, issuer: str, now: float, oldest: float = METADATA_SECONDS) -> ServerMetadata | None:
        """What was discovered for `issuer` less than `oldest` seconds ago."""
        kept = self._metadata.get(issuer)
        if kept is None or not 0 <= now - kept[1] < oldest:
            return None
        return kept[0]

    def keep_metadata(self, issuer: str, metadata: ServerMetadata, now: float) -> None:
        self._metadata[issuer] = (metadata, now)

    def keys(self, metadata: ServerMetadata) -> IssuerKeys | None:
        """The keys last fetched for this issuer from this place."""
        return self._keys.get((metadata.issuer, metadata.jwks_uri or ""))

    def keep_keys(self, metadata: ServerMetadata, keys: IssuerKeys) -> None:
        self._keys[metadata.issuer, metadata.jwks_uri or ""] = keys

    def judged(self, provider: Provider, source: ServerMetadata | None) -> ServerMetadata | None:
        """What `judge` was told for this very provider object and `source`: judging is dear and always the same."""
        kept = self._judged.get(id(provider))
        return kept[2] if kept is not None and kept[0] is provider and kept[1] is source else None

    def judge(self, provider: Provider, source: ServerMetadata | None, checked: ServerMetadata) -> ServerMetadata:
        """Keeps `checked` as what this provider object makes of `source`."""
        self._judged[id(provider)] = provider, source, checked
        return checked

    def forget(self, issuer: str) -> None:
        """Drops what is known of `issuer`; the next login asks anew."""
        self._metadata.pop(issuer, None)
        for slot in [slot for slot in self._keys if slot[0] == issuer]:
            self._keys.pop(slot, None)


def discover(provider: Provider, directory: Directory, now: float) -> Flow[ServerMetadata]:
    """The provider's endpoints: its own fields, over what its issuer publishes where it uses discovery.

    Metadata are asked for again after five minutes; while the issuer does not answer, the old ones serve for
    a day. Raises `ConfigurationError`, `ProviderError`, `WireError`; their phase is `prepare`.
    """
    if not provider.discovery:
        return directory.judged(provider, None) or directory.judge(provider, None, configured_metadata(provider))

    issuer = issuer_of(provider)
    known = directory.metadata(issuer, now)
    if known is None:
        try:
            known = yield from fetch_metadata(provider, issuer)
        except UNAVAILABLE as error:
            known = directory.metadata(issuer, now, OLDEST_METADATA_SECONDS)
            if known is None:
                error.add_facts(phase=Phase.PREPARE)
                raise
        else:
            directory.keep_metadata(issuer, known, now)
    # Another provider object may have put it there, with other settings.
    return directory.judged(provider, known) or directory.judge(
        provider, known, merge_metadata(provider, check_metadata(known, issuer, provider))
    )


def fetch_metadata(provider: Provider, issuer: str) -> Flow[ServerMetadata]:
    """The first of the well-known documents that is one. When none is, the error is the first one's."""
    requests = build_discovery_requests(
        issuer,
        allow_insecure_loopback=provider.allow_insecure_loopback,
        seconds=provider.timeout,
        every_form=provider.resource is not None,
    )
    missing: AuthflowError | None = None
    for request in requests:
        try:
            response = yield from ask(request)
            return read_metadata(response, issuer, provider)
        except RedirectRefused as error:
            missing = missing or error
        except (*UNAVAILABLE, ValidationFailed):
            raise
        except ProviderError as error:
            missing = missing or error
    raise missing or ResponseInvalid("The issuer publishes no discovery document.", phase=Phase.PREPARE)


def exchange(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    *,
    code: str,
    redirect_uri: str,
    code_verifier: str,
    nonce: str | None,
    scope: Sequence[str],
    now: float,
    max_age: float | None = None,
    acr_values: Sequence[str] = (),
    asked_claims: Mapping[str, Any] | None = None,
    front_claims: Mapping[str, Any] | None = None,
    resource: Sequence[str] = (),
    fetch_user: bool = True,
    fetch_groups: bool = False,
    binding: Binding | None = None,
) -> Flow[Granted]:
    """Tokens for a code, checked, and whose they are.

    `nonce`, `max_age` (seconds), `acr_values` and `asked_claims` are what the authorization request asked for;
    `front_claims` those of the ID token that came beside the code, whose human it must be; `binding` is the key
    that the tokens are to be bound to. Raises `WireError`, `OAuthError`, `ResponseInvalid` when no tokens came,
    `TokensRefused` when they came and a check failed.
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
            code=code,
            nonce=nonce,
            scope=scope,
            now=now,
            max_age=max_age,
            acr_values=acr_values,
            asked_claims=asked_claims,
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
    scope: Sequence[str],
    now: float,
    code: str | None = None,
    nonce: str | None = None,
    max_age: float | None = None,
    acr_values: Sequence[str] = (),
    asked_claims: Mapping[str, Any] | None = None,
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
        code=code,
        nonce=nonce,
        now=now,
        max_age=max_age,
        acr_values=acr_values,
        asked_claims=asked_claims or {},
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

    checking = verified_claims(
        provider, metadata, directory, answer.id_token, now=now, nonce=None,
        access_token=renewed.access_token, previous_claims=claims,
    )  # fmt: skip
    try:
        fresh: dict[str, Any] = yield from _keeping(renewed, checking)
    except TokensRefused as refused:
        if not (isinstance(refused.cause, UNAVAILABLE) or refused.cause.check in CLOCK_CHECKS):
            raise
        kept = with_id_token(renewed, token.id_token)
        return msgspec.structs.replace(granted, token=kept, warning=refused.cause.info)
    return msgspec.structs.replace(
        granted, token=_opened(provider, renewed), issuer=fresh["iss"], subject=fresh["sub"], claims=fresh
    )


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
) -> Flow[dict[str, Any]]:
    """The claims of an ID token, with the keys that are at hand or else fetched (see `with_keys`).

    `asked_claims` is the `claims` parameter of the request. `state`, for a token that came through the browser: it
    must then say by its c_hash that the code is its own (OpenID Connect Core §3.3.2.11).
    """
    # JOSE and its cryptography are a third of all that authflow imports, and without ID tokens nobody needs them.
    from .protocol.id_token import verify_id_token

    signed = open_id_token(provider, id_token)

    def verify(keys: IssuerKeys | None) -> dict[str, Any]:
        return verify_id_token(
            provider, metadata, keys.keys if keys else (), signed, now=now, nonce=nonce,
            access_token=access_token, code=code, max_age=max_age, acr_values=acr_values,
            previous_claims=previous_claims, asked_claims=asked_claims, state=state,
        )  # fmt: skip

    return (yield from with_keys(provider, metadata, directory, verify, now))


def with_keys(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    verify: Callable[[IssuerKeys | None], T],
    now: float,
) -> Flow[T]:
    """What `verify` makes of something that the provider signed, with the keys that are at hand or else fetched.

    What fits no key at hand has them fetched once; for an unknown kid at most once a minute. Keys older than five
    minutes are renewed, and go on serving for a day while that fails.
    """
    from .protocol.jwks import IssuerKeys, build_jwks_request, read_jwks
    from .protocol.jwt import UnknownKey

    kept = directory.keys(metadata)
    fresh = kept is not None and kept.is_fresh(now)
    try:
        return verify(kept if fresh else None)
    except UnknownKey:
        if kept is not None and fresh:
            if not kept.may_refetch(now):
                raise
            directory.keep_keys(metadata, kept.forced(now))

    try:
        response = yield from ask(build_jwks_request(provider, metadata))
        found = IssuerKeys(read_jwks(provider, response), now, forced_at=now if fresh else None)
    except (*UNAVAILABLE, ResponseInvalid) as error:
        if kept is None or not kept.may_serve(now):
            error.add_facts(phase=Phase.VALIDATE)
            raise
        found = kept
    else:
        directory.keep_keys(metadata, found)
    return verify(found)


def logout_claims(
    provider: Provider, metadata: ServerMetadata, directory: Directory, logout_token: object, *, now: float
) -> Flow[LogoutToken]:
    """Who a provider says signed out, by a logout token that passed every check (see `with_keys`)."""
    from .protocol.logout_token import verify_logout_token

    def verify(keys: IssuerKeys | None) -> LogoutToken:
        return verify_logout_token(provider, metadata, keys.keys if keys else (), logout_token, now=now)

    return (yield from with_keys(provider, metadata, directory, verify, now))


def fetch_profile(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    *,
    token: Token,
    claims: Mapping[str, Any] | None,
    now: float,
    fetch_groups: bool = False,
    binding: Binding | None = None,
) -> Flow[Profile | None]:
    """The signed-in human, as the provider tells it now; with the groups if asked. None when it tells nothing.

    Raises what the provider's answers are: nothing is softened here.
    """
    if provider.tells_no_user:
        return None
    asking = _bound(provider.fetch_user(token, metadata, claims or {}), token, binding)
    profile = yield from _verifying(asking, provider, metadata, directory, now)
    if profile is None or not fetch_groups:
        return profile
    return (yield from _bound(_with_groups(provider, metadata, token, claims or {}, profile), token, binding))


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
    from .protocol import introspection

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


def ask(request: httpx.Request) -> Flow[httpx.Response]:
    """`step.fetch`, with the request on the response: readers take out of an error what the request held."""
    return of_request((yield from step.fetch(request)), request)


def of_request(response: httpx.Response, request: httpx.Request) -> httpx.Response:
    """The response, with the request that it answers."""
    try:
        response.request  # noqa: B018
    except RuntimeError:
        response.request = request
    return response


def ask_for_tokens(
    provider: Provider,
    metadata: ServerMetadata,
    build: Callable[[Moment], httpx.Request],
    phase: Phase,
    binding: Binding | None = None,
) -> Flow[TokenResponse]:
    """Sends the token request that `build` makes for this moment, once, and reads the answer the provider's way.

    With a `binding` it goes with a proof, and once more when the server wants its nonce in that (RFC 9449 §8): then
    it has not looked at the code or the refresh token.
    """
    try:
        check_dpop_alg(provider, metadata)
        response = yield from ask_as_client(provider, build, binding)
        try:
            return provider.read_token_response(response)
        except AuthflowError:
            raise
        except Exception as error:
            bug = error
        # Out here: the bug may hold the whole answer (a JSONDecodeError does), and would be the error's context.
        raise _unreadable(bug, phase)
    except AuthflowError as error:
        error.add_facts(phase=phase)
        raise


def ask_as_client(
    provider: Provider, build: Callable[[Moment], httpx.Request], binding: Binding | None = None
) -> Flow[httpx.Response]:
    """Sends a request in which the client proves itself: `build` makes it, anew for each time that it is sent."""
    request: httpx.Request | None = None

    def make() -> Flow[httpx.Request]:
        nonlocal request
        request = build((yield from client_moment(provider)))
        return request

    if binding is None:
        return (yield from ask((yield from make())))
    response = yield from fetch_bound(make, binding)
    return response if request is None else of_request(response, request)


def _bound(flow: Flow[T], token: Token, binding: Binding | None) -> Flow[T]:
    """What a flow sends with `token`, as that kind of token wants to be sent."""
    return bind(flow, binding if token.token_type == "DPoP" else None, token.access_token)


def _verifying(
    flow: Flow[T], provider: Provider, metadata: ServerMetadata, directory: Directory, now: float
) -> Flow[T]:
    """Runs `flow`; the JWTs that it wants verified are, with the provider's keys."""
    try:
        step_ = next(flow)
        while True:
            try:
                answer: Any
                if isinstance(step_, step.Verify):
                    answer = yield from _userinfo(provider, metadata, directory, step_.token, now)
                else:
                    answer = yield step_
            except AuthflowError as error:
                step_ = flow.throw(error)
            else:
                step_ = flow.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value


def _userinfo(
    provider: Provider, metadata: ServerMetadata, directory: Directory, token: str, now: float
) -> Flow[dict[str, Any]]:
    from .protocol.userinfo_jwt import verify_userinfo

    def verify(keys: IssuerKeys | None) -> dict[str, Any]:
        return verify_userinfo(provider, metadata, keys.keys if keys else (), token, now=now)

    return (yield from with_keys(provider, metadata, directory, verify, now))


def _opened(provider: Provider, token: Token) -> Token:
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


def _keeping(token: Token, flow: Flow[T]) -> Flow[T]:
    """Runs `flow`; an error in it comes out as `TokensRefused`, with the tokens."""
    try:
        return (yield from flow)
    except AuthflowError as error:
        raise TokensRefused(error, token) from error
    except Exception as bug:
        raise TokensRefused(_unreadable(bug, Phase.VALIDATE), token) from bug


def _unreadable(bug: Exception, phase: Phase) -> ResponseInvalid:
    """A provider's hook broke on the provider's answer. Only the kind of its error and its place are told: the
    text may quote that answer."""
    return ResponseInvalid(
        f"The provider's answer could not be read: {whereabouts(bug)}.",
        hint="A hook of the provider raised it.",
        phase=phase,
    )


def _identify(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    *,
    token: Token,
    code: str | None,
    nonce: str | None,
    now: float,
    max_age: float | None,
    acr_values: Sequence[str],
    asked_claims: Mapping[str, Any],
    front_claims: Mapping[str, Any] | None,
    own_claims: Mapping[str, str],
    fetch_user: bool,
    fetch_groups: bool,
    binding: Binding | None,
) -> Flow[Granted]:
    check_bound(provider, binding, token.token_type)
    claims: dict[str, Any] | None = None
    if provider.openid:
        if not token.id_token:
            raise ValidationFailed(
                "The provider sent no ID token.",
                check="id_token",
                hint="Ask for the scope 'openid', and register the client for OpenID Connect.",
                phase=Phase.VALIDATE,
            )
        claims = yield from verified_claims(
            provider, metadata, directory, token.id_token, now=now, nonce=nonce,
            access_token=token.access_token, code=code, max_age=max_age, acr_values=acr_values,
            asked_claims=asked_claims,
        )  # fmt: skip
        _check_agreement(claims, front_claims)
        for name, value in own_claims.items():
            if claims.get(name, value) != value:
                raise ValidationFailed(
                    "The ID token belongs to another request.", check=name, hint="Begin again.", phase=Phase.VALIDATE
                )
        token = _opened(provider, token)

    profile: Profile | None = None
    warning = None
    if fetch_user and not provider.tells_no_user:
        asking = _bound(provider.fetch_user(token, metadata, claims or {}), token, binding)
        profile, warning = yield from _softly(
            _verifying(asking, provider, metadata, directory, now),
            lambda: profile_of_claims(provider, claims)
        )
        check_asked_claims(asked_claims, "userinfo", {} if profile is None else profile.data)
    if profile is not None and fetch_groups:
        known = profile
        profile, missing = yield from _softly(
            _bound(_with_groups(provider, metadata, token, claims or {}, known), token, binding),
            lambda: msgspec.structs.replace(known, groups_complete=False),
        )
        warning = warning or missing
    issuer, subject = _whose(provider, metadata, claims, profile)
    return Granted(
        token=token, issuer=issuer, subject=subject, claims=claims, profile=profile, warning=warning
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


def _softly(flow: Flow[Profile | None], otherwise: Callable[[], Profile | None]) -> Flow[tuple[Profile | None, Any]]:
    """The outcome of `flow`; while the provider is unavailable, `otherwise()` and the reason."""
    try:
        return (yield from flow), None
    except UNAVAILABLE as error:
        error.add_facts(phase=Phase.VALIDATE)
        return otherwise(), error.info


def profile_of_claims(provider: Provider, claims: Mapping[str, Any] | None) -> Profile | None:
    """The human as the ID token alone tells them; None when it does not."""
    if not claims:
        return None
    try:
        return read_profile(provider, merge_claims(claims, {}))
    except ResponseInvalid:
        # This provider's id is a member of userinfo, which is what could not be had.
        return None


def _with_groups(
    provider: Provider, metadata: ServerMetadata, token: Token, claims: Mapping[str, Any], profile: Profile
) -> Flow[Profile]:
    groups = yield from provider.fetch_groups(token, metadata, claims, profile)
    if groups is None:
        return msgspec.structs.replace(profile, groups_complete=False)
    return msgspec.structs.replace(profile, groups=tuple((group.name, dict(group)) for group in groups))


def _whose(
    provider: Provider, metadata: ServerMetadata, claims: Mapping[str, Any] | None, profile: Profile | None
) -> tuple[str, str]:
    """Issuer and subject: the ID token's; without one, the provider and the profile's id."""
    if claims is not None:
        return claims["iss"], claims["sub"]
    if profile is None:
        # Who nobody is told of signed in at an issuer all the same: what it gave is renewed there and nowhere else.
        return (provider.issuer or "" if provider.tells_no_user else ""), ""
    return provider.issuer or origin_of(metadata.authorization_endpoint or metadata.token_endpoint or ""), profile.id
