"""The development provider's half of what an OpenID Connect client calls directly: metadata, keys, tokens, userinfo.

Rule: every answer passes `tamper` last, so a lie is told by an otherwise honest provider.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..protocol.grants import ACCESS_TOKEN, TOKEN_EXCHANGE
from ..protocol.webfinger import ISSUER_RELATION
from .answers import RESPONSE_MODES, RESPONSE_TYPES, encrypted, id_token, profile
from .back_end import GRANT_TYPES
from .grants import Refused
from .messages import NO_STORE, read_form, refusal
from .other_screen import CIBA_GRANT, DEVICE_GRANT
from .proofs import ALGORITHMS, SHARED
from .protected_api import badly_proved, unauthorized

if TYPE_CHECKING:
    from .dev_provider import DevProvider


class BackChannel:
    """The endpoints of `style="oidc"`."""

    def __init__(self, provider: DevProvider) -> None:
        self._provider = provider

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.metadata),
            Route("/.well-known/oauth-authorization-server", self.metadata),
            Route("/.well-known/webfinger", self.webfinger),
            Route("/jwks", self.jwks),
            Route("/token", self.token, methods=["POST"]),
            Route("/userinfo", self.userinfo, methods=["GET", "POST"]),
            Route("/revoke", self.revoke, methods=["POST"]),
            Route("/introspect", self.introspect, methods=["POST"]),
        ]

    # ── documents ────────────────────────────────────────────────────────────────────────────────────

    async def webfinger(self, request: Request) -> Response:
        """RFC 7033: whoever is asked about, this is the issuer."""
        link = {"rel": ISSUER_RELATION, "href": self._provider.issuer}
        document = {"subject": request.query_params.get("resource", ""), "links": [link]}
        return JSONResponse(self._provider.tamper.apply("webfinger", document), media_type="application/jrd+json")

    async def metadata(self, request: Request) -> Response:
        """OpenID Connect Discovery §3 and RFC 8414 §2, one document for both."""
        url = self._provider.url
        methods = ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"]
        document: dict[str, Any] = {
            "issuer": self._provider.issuer,
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "userinfo_endpoint": f"{url}/userinfo",
            "jwks_uri": f"{url}/jwks",
            "revocation_endpoint": f"{url}/revoke",
            "introspection_endpoint": f"{url}/introspect",
            "pushed_authorization_request_endpoint": f"{url}/par",
            "registration_endpoint": f"{url}/register",
            "client_id_metadata_document_supported": self._provider.reads_client_documents,
            "end_session_endpoint": f"{url}/end_session",
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
            "frontchannel_logout_supported": True,
            "frontchannel_logout_session_supported": True,
            "response_types_supported": list(RESPONSE_TYPES),
            "response_modes_supported": list(RESPONSE_MODES),
            "authorization_signing_alg_values_supported": [self._provider.algorithm],
            "grant_types_supported": ["authorization_code", "refresh_token", DEVICE_GRANT, CIBA_GRANT, *GRANT_TYPES],
            "device_authorization_endpoint": f"{url}/device_authorization",
            "backchannel_authentication_endpoint": f"{url}/bc-authorize",
            "backchannel_token_delivery_modes_supported": ["poll", "ping"],
            "backchannel_authentication_request_signing_alg_values_supported": [*ALGORITHMS],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._provider.algorithm],
            "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
            "claims_supported": ["sub", "name", "preferred_username", "email", "email_verified", "groups", "auth_time"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": [*ALGORITHMS, *SHARED],
            "dpop_signing_alg_values_supported": [*ALGORITHMS],
            "prompt_values_supported": ["none", "login", "consent", "select_account"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(self._provider.tamper.apply("metadata", document))

    async def jwks(self, request: Request) -> Response:
        return JSONResponse(self._provider.tamper.apply("jwks", self._provider.public_keys()))

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────

    async def token(self, request: Request) -> Response:
        """RFC 6749 §4.1.3, §6."""
        form, doubled = await read_form(request)
        proofs = self._provider.proofs
        try:
            if doubled:
                raise Refused("invalid_request", f"{doubled[0]} was given more than once.")
            jkt = proofs.jkt(request)
            issued, first = self._provider.issue_tokens(form, proofs.client(request, form), jkt)
        except Refused as refused:
            return refusal(refused, proofs.nonce if refused.error == "use_dpop_nonce" else "")
        answer: dict[str, Any] = {"access_token": issued.access_token, "token_type": issued.token_type}
        answer["scope"] = " ".join(issued.scope)
        if form.get("grant_type") == TOKEN_EXCHANGE:
            answer["issued_token_type"] = ACCESS_TOKEN
        if issued.expires_in is not None:
            answer["expires_in"] = int(issued.expires_in)
        if issued.refresh_token is not None:
            answer["refresh_token"] = issued.refresh_token
        if issued.grant.authorization_details:
            answer["authorization_details"] = issued.grant.authorization_details
        if "openid" in issued.grant.scope:
            # A refreshed one has no nonce (OpenID Connect Core §12.2).
            nonce = issued.grant.nonce if first else None
            answer["id_token"] = id_token(
                self._provider, issued.grant, issued.scope, nonce=nonce, access_token=issued.access_token
            )
        answer = self._provider.tamper.apply("token_response", answer)
        self._provider.note_tokens(answer)
        return JSONResponse(answer, headers=NO_STORE)

    async def revoke(self, request: Request) -> Response:
        """RFC 7009 §2: an unknown token is no error."""
        form, _ = await read_form(request)
        try:
            client = self._provider.proofs.client(request, form)
            if "token" not in form:
                raise Refused("invalid_request", "token is missing.")
            self._provider.grants.revoke(client, form["token"])
        except Refused as refused:
            return refusal(refused)
        return Response(status_code=200, headers=NO_STORE)

    # ── what a token opens ───────────────────────────────────────────────────────────────────────────

    async def introspect(self, request: Request) -> Response:
        """RFC 7662 §2: what is not this client's, or lives no more, is not active, and nothing else is said of it."""
        form, _ = await read_form(request)
        grants = self._provider.grants
        try:
            client = self._provider.proofs.client(request, form)
        except Refused as refused:
            return refusal(refused)
        token = form.get("token", "")
        access = grants.look_up(token, self._provider.now())
        grant = access.grant if access is not None else grants.grant_of_refresh(token)
        said: dict[str, Any] = {"active": False}
        if grant is not None and grant.client_id == client.client_id:
            scope = grant.scope if access is None else access.scope
            said = {"active": True, "client_id": grant.client_id, "sub": grant.user.sub, "scope": " ".join(scope)}
            if access is not None and access.expires_at is not None:
                said["exp"] = int(access.expires_at)
        return JSONResponse(self._provider.tamper.apply("introspection", said), headers=NO_STORE)

    async def userinfo(self, request: Request) -> Response:
        """OpenID Connect Core §5.3."""
        form = (await read_form(request))[0] if request.method == "POST" else {}
        try:
            access = self._provider.proofs.access(request, form.get("access_token", ""))
        except Refused as refused:
            return badly_proved(refused, self._provider.proofs.nonce)
        if access is None:
            return unauthorized(request)
        if "openid" not in access.scope:
            return JSONResponse(
                {"error": "insufficient_scope"},
                403,
                {"www-authenticate": 'Bearer realm="dev", error="insufficient_scope", scope="openid"'},
            )
        claims = {"sub": access.grant.user.sub, **profile(access.grant, access.scope)}
        claims = self._provider.tamper.apply("userinfo", claims)
        client = self._provider.clients.get(access.grant.client_id)
        if client is None or not (client.signs_userinfo or "userinfo" in client.encrypts):
            return JSONResponse(claims, headers=NO_STORE)
        said = {"iss": self._provider.issuer, "aud": client.client_id, **claims}
        token = encrypted(self._provider, client.client_id, "userinfo", self._provider.sign(said, kind="userinfo"))
        token = self._provider.tamper.apply("userinfo_jwt", token)
        return Response(token, media_type="application/jwt", headers=NO_STORE)
