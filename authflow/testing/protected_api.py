"""`/api/me`: an API of nobody in particular. It wants a bearer token, and can be told to want more.

It publishes its metadata (RFC 9728), so that a client finds the provider from the API's 401 alone; it asks for more
scope (RFC 6750 §3.1) or a stronger or fresher sign-in (RFC 9470) after `DevProvider.demand`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .grants import Access, Refused
from .messages import NO_STORE

if TYPE_CHECKING:
    from .dev_provider import DevProvider

PATH = "/api/me"
METADATA_PATH = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True)
class Demand:
    """What the API wants beside a valid token. `max_age` is in seconds."""

    scope: tuple[str, ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age: float | None = None


class ProtectedAPI:
    """The API and its metadata."""

    def __init__(self, provider: DevProvider) -> None:
        self._provider = provider
        self.demand = Demand()

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.me, methods=["GET", "POST"]),
            Route(METADATA_PATH + PATH, self.metadata),
            Route(METADATA_PATH, self.metadata),
        ]

    @property
    def resource(self) -> str:
        """Its identifier (RFC 9728 §1.2)."""
        return self._provider.url + PATH

    async def metadata(self, request: Request) -> Response:
        """RFC 9728 §2."""
        document: dict[str, Any] = {
            "resource": self.resource,
            "authorization_servers": [self._provider.issuer],
            "scopes_supported": ["profile"],
            "bearer_methods_supported": ["header"],
        }
        return JSONResponse(self._provider.tamper.apply("resource_metadata", document))

    async def me(self, request: Request) -> Response:
        try:
            access: Access | None = self._provider.proofs.access(request)
        except Refused as refused:
            return badly_proved(refused, self._provider.proofs.nonce)
        if access is None:
            return unauthorized(request, resource_metadata=f"{self._provider.url}{METADATA_PATH}{PATH}")
        grant, wanted = access.grant, self.demand
        if access.resource and self.resource not in access.resource:
            return unauthorized(request)
        age = self._provider.now() - grant.auth_time
        too_old = wanted.max_age is not None and age > wanted.max_age
        if too_old or (wanted.acr_values and grant.acr not in wanted.acr_values):
            return self._not_enough("insufficient_user_authentication", 401)
        if not set(wanted.scope) <= set(access.scope):
            return self._not_enough("insufficient_scope", 403)
        user = grant.user
        said = {"sub": user.sub, "login": user.login, "name": user.name, "scope": " ".join(access.scope)}
        return JSONResponse({**said, "client_id": grant.client_id}, headers=NO_STORE)

    def _not_enough(self, error: str, status: int) -> Response:
        wanted = self.demand
        asked = {"realm": "dev", "error": error}
        if error == "insufficient_scope":
            asked["scope"] = " ".join(wanted.scope)
        elif wanted.acr_values:
            asked["acr_values"] = " ".join(wanted.acr_values)
        if error != "insufficient_scope" and wanted.max_age is not None:
            asked["max_age"] = str(int(wanted.max_age))
        challenge = "Bearer " + ", ".join(f'{name}="{value}"' for name, value in asked.items())
        return JSONResponse({"error": error}, status, {"www-authenticate": challenge})


def unauthorized(request: Request, *, resource_metadata: str = "") -> Response:
    """RFC 6750 §3.1: without a token, no error code."""
    challenge = 'Bearer realm="dev"'
    if resource_metadata:
        challenge += f', resource_metadata="{resource_metadata}"'
    if not request.headers.get("authorization"):
        return Response(status_code=401, headers={"www-authenticate": challenge})
    description = "The access token is unknown, expired or revoked."
    return JSONResponse(
        {"error": "invalid_token", "error_description": description},
        401,
        {"www-authenticate": f'{challenge}, error="invalid_token", error_description="{description}"'},
    )


def badly_proved(refused: Refused, nonce: str) -> Response:
    """RFC 9449 §7.1, §9: the proof is none, or lacks the nonce."""
    headers = {"www-authenticate": f'DPoP realm="dev", error="{refused.error}"'}
    if refused.error == "use_dpop_nonce":
        headers["dpop-nonce"] = nonce
    return JSONResponse({"error": refused.error, "error_description": refused.description}, 401, headers)
