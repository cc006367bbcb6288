"""A provider that was written for Flet, as one of authflow's: its settings, and its hooks, which run on Flet's loop.

What Flet reads of an `OAuthProvider` is read here; `code_challenge` and `code_verifier` are not, because a pair that
is kept with the provider is the same for every user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec

from ... import AuthflowError, Group, Token
from ...errors import Phase, ResponseInvalid, ServiceUnavailable, whereabouts
from ...providers import OAuth2, Provider
from ...providers.calls import ask_application
from ...records import Profile

if TYPE_CHECKING:
    from flet.auth import OAuthProvider

    from ...protocol.messages import ServerMetadata
    from ...protocol.step import Flow

_SUFFIX = "oauthprovider"


class _Hook(Protocol):
    def __call__(self, access_token: str) -> Awaitable[Any]: ...


@dataclass(frozen=True, kw_only=True, eq=False, init=False, repr=False)
class FletProvider(OAuth2):
    """`FletProvider(GitHubOAuthProvider(…), name="github")`. `FletLogins` makes one of each Flet provider it is given.

    `name`: by default that of its class, or the host that users sign in at. Further settings are those of `OAuth2`.
    """

    original: Any = None

    def __init__(self, original: OAuthProvider, **settings: Any) -> None:
        object.__setattr__(self, "original", original)
        super().__init__(
            original.client_id,
            original.client_secret or None,
            original.authorization_endpoint,
            original.token_endpoint,
            original.redirect_url or None,
            scopes=original.scopes,
            user_scopes=original.user_scopes,
            user_endpoint=original.user_endpoint,
            user_id_fn=original.user_id_fn,
            group_scopes=original.group_scopes,
            authorization_params=original.authorization_params,
            **{
                "name": _name_of(original),
                "client_auth": "client_secret_post" if original.client_secret else None,
                **settings,
            },
        )

    def fetch_user(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]
    ) -> Flow[Profile | None]:
        """What `_fetch_user` gives; where it gives None, what Flet does: `user_endpoint` and `user_id_fn`."""
        user = yield from ask_application(partial(self._ask, self.original._fetch_user, token.access_token))
        if user is None:
            return (yield from super().fetch_user(token, metadata, claims))
        by_id = self.replace(user_id_fn=None, id_path="id")
        return msgspec.structs.replace(by_id.read_user({**user, "id": str(user.id)}), data=dict(user))

    def fetch_groups(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any], profile: Profile
    ) -> Flow[Sequence[Group] | None]:
        """What `_fetch_groups` gives."""
        groups = yield from ask_application(partial(self._ask, self.original._fetch_groups, token.access_token))
        return [Group(dict(group), group.name) for group in groups or ()]

    async def _ask(self, hook: _Hook, access_token: str) -> Any:
        """The hook's answer, within the provider's `timeout`. A provider that is away ends no login."""
        what = getattr(hook, "__name__", "the hook")
        try:
            return await asyncio.wait_for(hook(access_token), self.timeout)
        except (TimeoutError, httpx.TransportError):
            raise ServiceUnavailable(
                f"{what} got no answer.",
                hint="The profile is asked for again at the next sign-in.",
                phase=Phase.VALIDATE,
            ) from None
        except AuthflowError:
            raise
        except Exception as error:
            raise ResponseInvalid(
                f"{what} failed: {whereabouts(error)}.",
                hint="It must give a flet.auth.User, or a list of flet.auth.Group.",
                phase=Phase.VALIDATE,
            ) from None


def _name_of(original: OAuthProvider) -> str:
    """`github` for a `GitHubOAuthProvider`; the host for a bare `OAuthProvider`."""
    name = type(original).__name__.lower().removesuffix(_SUFFIX)
    return name or urlsplit(original.authorization_endpoint).hostname or ""


def adopted(providers: Iterable[Provider | OAuthProvider]) -> list[Provider]:
    """Authflow's providers as they are, Flet's as `FletProvider`."""
    return [one if isinstance(one, Provider) else FletProvider(one) for one in providers]
