"""How the development provider is asked: parameters that were pushed (RFC 9126), or that a client signed (RFC 9101).

Rule: a reference works once, for the client that pushed, for a minute. A request object's word is the only one: what
stands beside it in the query is not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from joserfc.jwk import KeySet
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .grants import DevClient, Refused, random_secret
from .messages import NO_STORE, read_form, refusal
from .proofs import ALGORITHMS, verify_jws

if TYPE_CHECKING:
    from .dev_provider import DevProvider

PUSHED_SECONDS = 60
_PREFIX = "urn:ietf:params:oauth:request_uri:"
_PROOF = ("client_secret", "client_assertion", "client_assertion_type")


class Asked:
    """The endpoint that requests are pushed to, and what became of each."""

    def __init__(self, provider: DevProvider) -> None:
        self._provider = provider
        self._pushed: dict[str, tuple[str, dict[str, str], float]] = {}

    def routes(self) -> list[Route]:
        return [Route("/par", self.push, methods=["POST"])]

    async def push(self, request: Request) -> Response:
        """RFC 9126 §2."""
        form, doubled = await read_form(request)
        try:
            if doubled:
                raise Refused("invalid_request", f"{doubled[0]} was given more than once.")
            client = self._provider.proofs.client(request, form)
            if "request_uri" in form or form.get("client_id", client.client_id) != client.client_id:
                raise Refused("invalid_request", "Push the parameters of this client, and no reference.")
            kept = {name: value for name, value in form.items() if name not in _PROOF}
            params = self._opened(client, {**kept, "client_id": client.client_id})
        except Refused as refused:
            return refusal(refused)
        request_uri = _PREFIX + random_secret()
        self._provider.note(request_uri)
        self._pushed[request_uri] = client.client_id, params, self._provider.now() + PUSHED_SECONDS
        return JSONResponse({"request_uri": request_uri, "expires_in": PUSHED_SECONDS}, 201, headers=NO_STORE)

    def resolve(self, client: DevClient, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters that an authorization request stands for. Raises `Refused`."""
        if "request_uri" not in params:
            if client.must_push:
                raise Refused("invalid_request", "This client must push its requests.")
            return self._opened(client, params)
        client_id, pushed, until = self._pushed.pop(params["request_uri"], ("", {}, 0.0))
        if client_id != client.client_id or self._provider.now() >= until:
            raise Refused("invalid_request_uri", "The reference is unknown, used or expired.")
        return pushed

    def _opened(self, client: DevClient, params: Mapping[str, str]) -> dict[str, str]:
        if "request" not in params:
            if client.request_keys:
                raise Refused("invalid_request", "This client must sign its requests.")
            return dict(params)
        keys = KeySet.import_key_set({"keys": [dict(key) for key in client.request_keys]})
        claims = verify_jws(params["request"], keys, ALGORITHMS)
        now = self._provider.now()
        if claims is None or claims.get("iss") != client.client_id or claims.get("aud") != self._provider.issuer:
            raise Refused("invalid_request_object", "The request object is not this client's, or not for us.")
        if not claims.get("nbf", now) <= now < claims.get("exp", 0):
            raise Refused("invalid_request_object", "The request object has expired.")
        return {name: _text(value) for name, value in claims.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return json.dumps(value)
