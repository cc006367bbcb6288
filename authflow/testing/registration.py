"""The development provider registers clients by request, and lets them manage that (RFC 7591, RFC 7592)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .grants import DevClient, Refused, random_secret
from .messages import NO_STORE, refusal

if TYPE_CHECKING:
    from .dev_provider import DevProvider

PATH = "/register"
_NATIVE = ("http://127.0.0.1", "http://[::1]", "http://localhost")


class Registration:
    """The endpoint, and what was registered there."""

    def __init__(self, provider: DevProvider) -> None:
        self._provider = provider
        self._tokens: dict[str, str] = {}
        self._members: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        return [
            Route(PATH, self.register, methods=["POST"]),
            Route(PATH + "/{client_id}", self.manage, methods=["GET", "PUT", "DELETE"]),
        ]

    async def register(self, request: Request) -> Response:
        """RFC 7591 §3. Anybody may."""
        try:
            members = _check(await _read(request))
        except Refused as refused:
            return refusal(refused)
        client_id = f"dev-{random_secret()[:12]}"
        public = members.get("token_endpoint_auth_method", "client_secret_basic") == "none"
        self._put(client_id, None if public else random_secret(), members)
        return self._tell(client_id, 201)

    async def manage(self, request: Request) -> Response:
        """RFC 7592 §2. The registration access token is another one after each answer."""
        client_id = request.path_params["client_id"]
        token = self._tokens.get(client_id)
        if token is None or request.headers.get("authorization") != f"Bearer {token}":
            return Response(status_code=401, headers={"www-authenticate": 'Bearer realm="dev", error="invalid_token"'})
        if request.method == "DELETE":
            del self._tokens[client_id], self._members[client_id]
            self._provider.clients.pop(client_id, None)
            return Response(status_code=204, headers=NO_STORE)
        secret = self._provider.clients[client_id].client_secret
        if request.method == "PUT":
            try:
                members = _check(await _read(request))
                if members.pop("client_id", None) != client_id or members.pop("client_secret", secret) != secret:
                    raise Refused("invalid_client_metadata", "client_id and client_secret are not this client's.")
            except Refused as refused:
                return refusal(refused)
            self._put(client_id, secret, members)
        elif secret is not None and self._provider.client_secret_ttl is not None:
            self._put(client_id, random_secret(), self._members[client_id])  # a new one before the old one ends
        return self._tell(client_id, 200)

    def _put(self, client_id: str, secret: str | None, members: dict[str, Any]) -> None:
        provider = self._provider
        self._members[client_id] = members
        provider.note(secret)
        provider.clients[client_id] = DevClient(
            client_id,
            secret,
            list(members["redirect_uris"]),
            list(members.get("post_logout_redirect_uris", ())),
            backchannel_logout_uri=members.get("backchannel_logout_uri"),
            frontchannel_logout_uri=members.get("frontchannel_logout_uri"),
        )

    def _tell(self, client_id: str, status: int) -> Response:
        provider = self._provider
        token = self._tokens[client_id] = random_secret()
        provider.note(token)
        secret = provider.clients[client_id].client_secret
        answer: dict[str, Any] = {
            **self._members[client_id],
            "client_id": client_id,
            "registration_client_uri": f"{provider.url}{PATH}/{client_id}",
            "registration_access_token": token,
        }
        if secret is not None:
            ttl = provider.client_secret_ttl
            answer["client_secret"] = secret
            answer["client_secret_expires_at"] = 0 if ttl is None else int(provider.now() + ttl)
        return JSONResponse(provider.tamper.apply("registration", answer), status, NO_STORE)


async def _read(request: Request) -> dict[str, Any]:
    try:
        found = await request.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refused("invalid_client_metadata", "The body is no JSON object.")
    return found


def _check(members: dict[str, Any]) -> dict[str, Any]:
    """OpenID Connect Registration §2: a web client has no loopback redirect URI, a native one no other http."""
    uris = members.get("redirect_uris")
    if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) for uri in uris):
        raise Refused("invalid_redirect_uri", "redirect_uris is missing.")
    native = members.get("application_type", "web") == "native"
    if any(uri.startswith("http://") and not (native and uri.startswith(_NATIVE)) for uri in uris):
        raise Refused("invalid_redirect_uri", "http is for loopback, and for application_type native only.")
    if members.get("token_endpoint_auth_method", "none") not in ("none", "client_secret_basic", "client_secret_post"):
        raise Refused("invalid_client_metadata", "token_endpoint_auth_method is not served.")
    return members
