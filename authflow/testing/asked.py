"""How the development provider is asked: parameters that were pushed (RFC 9126), or that a client signed (RFC 9101,
CIBA Core §7.1.1) and hands over or hosts.

Rule 1: a reference works once, for the client that pushed, for a minute. A request object's word is the only one: what
        stands beside it in the query is not read.
Rule 2: a hosted one is fetched from this machine only, in a few seconds, without a redirect, up to a size.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..protocol.urls import host_of, is_loopback
from .grants import DevClient, Refused, random_secret
from .messages import NO_STORE, read_form, refusal
from .proofs import ALGORITHMS, keys_of_requests, unverified, verify_jws

if TYPE_CHECKING:
    from .dev_provider import DevProvider

PUSHED_SECONDS = 60
FETCH_SECONDS = 5.0
LONGEST_OBJECT = 64 * 1024  # bytes
_PREFIX = "urn:ietf:params:oauth:request_uri:"
_NUMBERS = ("exp", "iat", "nbf", "requested_expiry")
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
            # RFC 9449 §10.1: a proof beside the request says the same as dpop_jkt in it.
            jkt = self._provider.proofs.jkt(request)
            if jkt is not None and params.setdefault("dpop_jkt", jkt) != jkt:
                raise Refused("invalid_dpop_proof", "The proof is of another key than dpop_jkt.")
        except Refused as refused:
            nonce = self._provider.proofs.nonce if refused.error == "use_dpop_nonce" else ""
            return refusal(refused, nonce)
        request_uri = _PREFIX + random_secret()
        self._provider.note(request_uri)
        self._pushed[request_uri] = client.client_id, params, self._provider.now() + PUSHED_SECONDS
        return JSONResponse({"request_uri": request_uri, "expires_in": PUSHED_SECONDS}, 201, headers=NO_STORE)

    async def resolve(self, client: DevClient, params: Mapping[str, str]) -> dict[str, str]:
        """The parameters that an authorization request stands for. Raises `Refused`."""
        reference = params.get("request_uri")
        if reference is not None and reference.startswith(_PREFIX):
            return self._taken(client, reference)
        if client.must_push:
            raise Refused("invalid_request", "This client must push its requests.")
        if reference is None:
            return self._opened(client, params)
        if not (client.request_keys or client.unsigned_requests):
            raise Refused("request_uri_not_supported", "This client hosts no requests.")
        return self._opened(client, {"request": await _fetch(reference)})

    def _taken(self, client: DevClient, reference: str) -> dict[str, str]:
        client_id, pushed, until = self._pushed.pop(reference, ("", {}, 0.0))
        if client_id != client.client_id or self._provider.now() >= until:
            raise Refused("invalid_request_uri", "The reference is unknown, used or expired.")
        return pushed

    def signed(self, client: DevClient, form: Mapping[str, str]) -> dict[str, str]:
        """The parameters of an authentication request without a browser, which a client that signs puts into a JWT,
        all of them (CIBA Core §7.1.1). Raises `Refused`."""
        if "request" not in form:
            return self._opened(client, form)
        if not set(form) <= {"request", "client_id", *_PROOF}:
            raise Refused("invalid_request", "What is asked stands in the signed request, and not beside it.")
        claims = self._provider.proofs.request_claims(client, form["request"])
        if claims.get("aud") != self._provider.issuer or not all(claims.get(name) for name in ("iat", "nbf", "jti")):
            raise Refused("invalid_request", "The signed request lacks a claim, or is not meant for this issuer.")
        nbf = claims["nbf"]
        if not isinstance(nbf, int) or nbf > self._provider.now():
            raise Refused("invalid_request", "The signed request is of the future.")
        if not all(isinstance(value, str) for name, value in claims.items() if name not in _NUMBERS):
            raise Refused("invalid_request", "Each parameter of a signed request is a string.")
        return {name: _text(value) for name, value in claims.items()}

    def _opened(self, client: DevClient, params: Mapping[str, str]) -> dict[str, str]:
        if "request" not in params:
            if client.request_keys:
                raise Refused("invalid_request", "This client must sign its requests.")
            return dict(params)
        claims = verify_jws(params["request"], keys_of_requests(client), ALGORITHMS)
        if claims is None and client.unsigned_requests:
            claims = unverified(params["request"])
        now = self._provider.now()
        if claims is None or claims.get("iss") != client.client_id or claims.get("aud") != self._provider.issuer:
            raise Refused("invalid_request_object", "The request object is not this client's, or not for us.")
        if not claims.get("nbf", now) <= now < claims.get("exp", 0):
            raise Refused("invalid_request_object", "The request object has expired.")
        return {name: _text(value) for name, value in claims.items()}


async def _fetch(reference: str) -> str:
    """The request object that a client hosts (RFC 9101 §5.2.3)."""
    if not is_loopback(host_of(reference)):
        raise Refused("invalid_request_uri", "Only what lies on this machine is fetched.")
    import httpx

    body = b""
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=FETCH_SECONDS, follow_redirects=False) as http,
            http.stream("GET", reference) as answer,
        ):
            if answer.status_code != 200:
                raise Refused("invalid_request_uri", f"There is no request object at it ({answer.status_code}).")
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > LONGEST_OBJECT:
                    raise Refused("invalid_request_uri", "What lies at it is too long.")
    except (httpx.HTTPError, httpx.InvalidURL):
        raise Refused("invalid_request_uri", "It cannot be fetched.") from None
    return body.decode("ascii", "replace").strip()


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(value)
    return json.dumps(value)
