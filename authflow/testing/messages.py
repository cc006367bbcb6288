"""How the development provider reads requests and writes answers, whichever style it poses in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse

from .grants import Refused
from .observed import basic_credentials

NO_STORE = {"cache-control": "no-store", "pragma": "no-cache"}


async def read_params(request: Request) -> tuple[dict[str, str], list[str]]:
    """The query, or a POST's form; and the names that came more than once (RFC 6749 §3.1)."""
    if request.method == "POST":
        return await read_form(request)
    return _single(request.url.query)


async def read_form(request: Request) -> tuple[dict[str, str], list[str]]:
    """A form-encoded body; any other kind of body has no parameters."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}, []
    return _single((await request.body()).decode("utf-8", "replace"))


def read_client_credentials(request: Request, form: Mapping[str, str]) -> tuple[str, str | None]:
    """client_secret_basic, client_secret_post or none (RFC 6749 §2.3.1). Raises `Refused` when it is two of them."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret")
    client_id, secret = basic_credentials(encoded)
    if "client_secret" in form or form.get("client_id", client_id) != client_id:
        raise Refused("invalid_request", "Use one way to authenticate the client, not two.")
    return client_id, secret


def read_token(request: Request) -> tuple[str, str]:
    """Scheme and access token of the Authorization header (RFC 6750 §2.1, RFC 9449 §7.1), GitHub's `token` scheme
    included."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return scheme.lower(), token.strip() if scheme.lower() in ("bearer", "token", "dpop") else ""


def refusal(refused: Refused, nonce: str = "") -> JSONResponse:
    """RFC 6749 §5.2; with the nonce that a proof must hold (RFC 9449 §8)."""
    headers = {**NO_STORE, **({"dpop-nonce": nonce} if nonce else {})}
    if refused.status == 401:
        headers["www-authenticate"] = 'Basic realm="dev"'
    body: dict[str, Any] = {"error": refused.error, "error_description": refused.description}
    return JSONResponse(body, refused.status, headers)


def _single(text: str) -> tuple[dict[str, str], list[str]]:
    params: dict[str, str] = {}
    doubled: list[str] = []
    for name, value in parse_qsl(text, keep_blank_values=True):
        if name == "resource" and name in params:  # RFC 8707 §2: several are meant
            params[name] += f" {value}"
        elif name in params:
            doubled.append(name)
        params.setdefault(name, value)
    return params, doubled
