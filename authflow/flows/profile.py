"""Who signed in, as the provider tells it: the profile and the groups.

Rule: what only adds to a login may be missing. A failure of the wire or of the provider's servers is then a warning;
an answer that contradicts the ID token is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import AuthflowError, Phase, ResponseInvalid
from ..protocol import step
from ..protocol.dpop import Binding
from ..protocol.messages import ServerMetadata
from ..protocol.step import Flow, T
from ..protocol.urls import origin_of
from ..protocol.userinfo import merge_claims, read_profile, without_sources
from ..records import Profile, Token
from .asking import UNAVAILABLE, bound
from .directory import Directory, with_keys

if TYPE_CHECKING:
    from ..protocol.jwks import IssuerKeys
    from ..providers.base import Provider


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
    asking = bound(provider.fetch_user(token, metadata, claims or {}), token, binding)
    profile = yield from verifying(asking, provider, metadata, directory, now)
    if profile is not None and fetch_groups:
        asking = bound(with_groups(provider, metadata, token, claims or {}, profile), token, binding)
        profile = yield from asking
    return None if profile is None else without_sources(profile)


def verifying(
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
    from ..protocol.userinfo_jwt import verify_userinfo

    def verify(keys: IssuerKeys | None) -> dict[str, Any]:
        return verify_userinfo(provider, metadata, keys.keys if keys else (), token, now=now)

    return (yield from with_keys(provider, metadata, directory, verify, now))


def softly(flow: Flow[Profile | None], otherwise: Callable[[], Profile | None]) -> Flow[tuple[Profile | None, Any]]:
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


def with_groups(
    provider: Provider, metadata: ServerMetadata, token: Token, claims: Mapping[str, Any], profile: Profile
) -> Flow[Profile]:
    groups = yield from provider.fetch_groups(token, metadata, claims, profile)
    if groups is None:
        return msgspec.structs.replace(profile, groups_complete=False)
    return msgspec.structs.replace(profile, groups=tuple((group.name, dict(group)) for group in groups))


def whose(
    provider: Provider, metadata: ServerMetadata, claims: Mapping[str, Any] | None, profile: Profile | None
) -> tuple[str, str]:
    """Issuer and subject: the ID token's; without one, the provider and the profile's id."""
    if claims is not None:
        return claims["iss"], claims["sub"]
    if profile is None:
        # Who nobody is told of signed in at an issuer all the same: what it gave is renewed there and nowhere else.
        return (provider.issuer or "" if provider.tells_no_user else ""), ""
    return provider.issuer or origin_of(metadata.authorization_endpoint or metadata.token_endpoint or ""), profile.id
