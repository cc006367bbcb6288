"""Microsoft Entra ID (Azure AD) and Microsoft accounts: OpenID Connect with one issuer per tenant.

Vendor's pages: https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow,
https://learn.microsoft.com/entra/identity-platform/reply-url and
https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference

Quirks kept here: the metadata of `common`, `organizations` and `consumers` name a template as the issuer, and
every ID token the tenant that it is from; `sub` differs from application to application, `oid` with `tid` does
not; `email` may be set by anybody who runs a tenant; above 200 groups the ID token says only that there are
more, and Graph knows them; there is no revocation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import httpx

from ..errors import ConfigurationError, Phase, ResponseInvalid, ValidationFailed, WireError
from ..protocol.messages import ServerMetadata, TokenResponse
from ..protocol.step import Flow, fetch
from ..protocol.userinfo import merge_claims, read_groups
from ..records import Group, Profile, Token
from .base import Provider
from .calls import build_api_request, check_host, read_api_response
from .settings import Settings

MANY_TENANTS = ("common", "organizations", "consumers")
_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")


@dataclass(frozen=True, kw_only=True, eq=False, init=False, repr=False)
class Microsoft(Provider):
    """Sign in with Microsoft: `Microsoft("client-id", "client-secret", tenant="…")`.

    `tenant` is a tenant's id or verified domain, or `common` (work, school and personal accounts),
    `organizations` (work and school), `consumers` (personal). With one of these three, `tenants=[…]` admits
    the accounts of the listed tenant ids only; without it, anybody's account signs in.

    `offline=True` (the default) adds `offline_access`, for a refresh token. A used refresh token stays valid.

    Redirect URI: register `http://localhost/callback/microsoft` under "Mobile and desktop applications";
    Entra ignores the port of `localhost` and compares the path. `http://127.0.0.1` can be entered in the
    application's manifest only; set `loopback_host="127.0.0.1"` then.

    The user's `id` is `{oid}.{tid}`. `email_verified` is True only where the optional claim `xms_edov` says
    that the domain's owner is known; never join accounts by an address that is not.
    """

    tenants: Sequence[str] = ()

    def __init__(
        self,
        client_id: str,
        client_secret: str | None = None,
        *,
        tenant: str = "common",
        tenants: Sequence[str] = (),
        offline: bool = True,
        host: str = "login.microsoftonline.com",
        **settings: Unpack[Settings],
    ) -> None:
        host = check_host("Microsoft", host, "login.microsoftonline.com")
        tenant, allowed = read_tenants(tenant, tenants)
        authority = f"https://{host}"
        object.__setattr__(self, "tenants", allowed)
        self.configure(
            settings,
            client_id=client_id,
            client_secret=client_secret,
            issuer=f"{authority}/{tenant}/v2.0",
            issuer_claim_template=f"{authority}/{{tid}}/v2.0",
            discovery=True,
            openid=True,
            refresh_tokens=offline,
            scopes=("openid", "offline_access") if offline else ("openid",),
            user_scopes=("profile", "email", "User.Read"),
            id_path="{oid}.{tid}",  # made by fetch_user; no path leads to it, so nothing else can stand in
            groups_claim="groups",
            algorithms=("RS256",),
            error_codes={"authorization_declined": "access_denied", "bad_verification_code": "invalid_grant"},
            rotation="none",
            loopback_host="localhost",
            api_origins=("https://graph.microsoft.com",),
        )

    @classmethod
    def env_options(cls) -> tuple[str, ...]:
        return ("client_secret", "tenant")

    def read_token_response(self, response: httpx.Response) -> TokenResponse:
        """Refuses an ID token of a tenant that is not on the list.

        The claim is read before the signature is verified, which is enough to refuse: the same ID token is
        verified next, and its issuer must then be this very tenant's.
        """
        answer = super().read_token_response(response)
        if self.tenants and answer.id_token is not None:
            from ..protocol.jwt import read_segments

            _, claims = read_segments(answer.id_token)
            if claims.get("tid") not in self.tenants:
                raise ValidationFailed(
                    "This account belongs to a tenant that is not admitted.",
                    check="tid",
                    hint="Add its id to tenants= if it should be.",
                    phase=Phase.VALIDATE,
                )
        return answer

    def fetch_user(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any]
    ) -> Flow[Profile | None]:
        """The ID token's claims, and Graph's `/me` where the token may read it."""
        if not claims.get("oid") or not claims.get("tid"):
            raise ResponseInvalid(
                "Microsoft's ID token names no oid and tid.",
                hint="Ask for the scopes openid and profile.",
                phase=Phase.VALIDATE,
            )
        return read_profile(claims, (yield from self._fetch_me(token)))

    def _fetch_me(self, token: Token) -> Flow[Any]:
        # It only adds to the ID token: a token for another API is refused, and Graph may be away.
        if not self.api_origins:
            return {}
        request = build_api_request("GET", f"{self.api_origins[0]}/v1.0/me", token, timeout=self.timeout)
        try:
            response = yield from fetch(request)
        except WireError:
            return {}
        return read_api_response(self, response, "profile of Graph") if response.is_success else {}

    def fetch_groups(
        self, token: Token, metadata: ServerMetadata, claims: Mapping[str, Any], profile: Profile
    ) -> Flow[Sequence[Group] | None]:
        """The ID token's groups by object id; from Graph when there are too many; None when it refuses."""
        found = read_groups(self, claims)
        if found is not None:
            return found
        if not self.api_origins:
            return None
        request = build_api_request(
            "POST",
            f"{self.api_origins[0]}/v1.0/me/getMemberObjects",
            token,
            timeout=self.timeout,
            json={"securityEnabledOnly": False},
        )
        response = yield from fetch(request)
        if response.status_code in (401, 403, 404):
            return None
        answer = read_api_response(self, response, "list of groups")
        ids = answer.get("value") if isinstance(answer, dict) else None
        if not isinstance(ids, list):
            raise ResponseInvalid("Graph's list of groups is no list.", phase=Phase.VALIDATE)
        return [Group({"name": one}, one) for one in ids if isinstance(one, str)]


def read_tenants(tenant: str, tenants: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The tenant of the endpoints, and the tenant ids that ID tokens may come from. `ConfigurationError`."""
    one = tenant.lower() if isinstance(tenant, str) else ""
    if one not in MANY_TENANTS and not _TENANT.fullmatch(one) and not _DOMAIN.fullmatch(one):
        raise ConfigurationError(
            "Microsoft: tenant must be a tenant's id or domain.",
            hint=f"Or one of {', '.join(MANY_TENANTS)}; the id stands on the tenant's overview page.",
        )
    if isinstance(tenants, str):
        raise ConfigurationError("Microsoft: tenants must be a list.", hint=f"Write tenants=[{tenants!r}].")
    allowed = tuple(dict.fromkeys(str(each).lower() for each in tenants))
    if not all(_TENANT.fullmatch(each) for each in allowed):
        raise ConfigurationError(
            "Microsoft: tenants lists tenant ids.", hint="A domain may change hands; an id does not."
        )
    if allowed and one not in MANY_TENANTS:
        raise ConfigurationError(
            "Microsoft: tenants= narrows common or organizations.", hint="Give either tenant= or tenants=."
        )
    return one, allowed


def read_profile(claims: Mapping[str, Any], me: Any) -> Profile:
    """One profile from the ID token and Graph; Graph's is left out when it is of somebody else."""
    oid, tid = str(claims["oid"]), str(claims["tid"])
    graph = me if isinstance(me, dict) and _is_same(oid, me.get("id")) else {}
    email = claims.get("email") or graph.get("mail")
    name = claims.get("name") or graph.get("displayName")
    return Profile(
        id=f"{oid}.{tid}",
        data={**graph, **merge_claims(claims, {})},
        name=name if isinstance(name, str) else None,
        email=email if isinstance(email, str) else None,
        email_verified=claims.get("xms_edov") in (True, 1, "1", "true"),
    )


def _is_same(oid: str, graph_id: object) -> bool:
    # Graph writes a personal account's id as the last 16 digits of its oid.
    return isinstance(graph_id, str) and bool(graph_id) and oid.replace("-", "").endswith(graph_id.replace("-", ""))
