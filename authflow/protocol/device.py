"""Device authorization (RFC 8628): the code that a human enters on another screen, and the poll for the tokens.

    build_device_request → read_device_response → build_device_token_request, once for each poll

Rule: what the provider wants shown is shown to a human who will believe it. The pages are https, the code is a short
printable text, and every number is a sane one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from ..errors import OAuthError, Phase, ResponseInvalid, oauth_error, printable
from ..records import Redacted
from .client_auth import authenticate_client
from .endpoints import endpoint_of
from .messages import ServerMetadata
from .reading import read_object
from .step import Limits, Moment, build_request
from .terms import Terms, read_terms
from .token import build_grant_request
from .urls import check_endpoint

if TYPE_CHECKING:
    from ..providers.base import Provider

GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST_USER_CODE: Final = 64

_WHAT: Final = "device authorization response"


class DeviceAuthorization(Redacted, msgspec.Struct, frozen=True):
    """RFC 8628 §3.2: what the human enters and where, and what this side polls by."""

    terms: Terms
    user_code: str
    verification_uri: str
    verification_uri_complete: str | None = None


def build_device_request(
    provider: Provider,
    metadata: ServerMetadata,
    moment: Moment,
    *,
    scope: Sequence[str],
    params: Mapping[str, str],
    resource: Sequence[str] = (),
) -> httpx.Request:
    """RFC 8628 §3.1. `params` are the caller's own; of several `resource`s the first is asked for.

    Raises `MissingEndpoint` for a provider without this grant, `InsecureURL`.
    """
    endpoint = endpoint_of(
        provider,
        metadata,
        "device_authorization_endpoint",
        hint="This provider has no sign-in by code; use agent=Paste(), or set the endpoint if it has one.",
        phase=Phase.AUTHORIZE,
    )
    form = {**provider.device_params, **params}
    if scope:
        form["scope"] = provider.scope_separator.join(dict.fromkeys(scope))
    if resource:
        form["resource"] = resource[0]
    form, headers = authenticate_client(provider, metadata, form, {}, moment)
    # Some want the client's id in the form even beside Basic (RFC 8628 §3.1 shows it there).
    form.setdefault(provider.client_id_param, provider.client_id)
    return build_request("POST", endpoint, form=form, headers=headers, limits=Limits(seconds=provider.timeout))


def read_device_response(provider: Provider, response: httpx.Response) -> DeviceAuthorization:
    """RFC 8628 §3.2. Raises the `OAuthError` that the answer is, `ResponseInvalid`, or `InsecureURL` for a page that
    no human should be sent to."""
    try:
        said = read_object(provider, response, _WHAT, phase=Phase.AUTHORIZE)
    except OAuthError as error:
        known = provider.error_codes.get(error.error or "")
        if known is None:
            raise
        raise oauth_error(known, error.error_description, phase=error.phase, retry_after=error.retry_after) from error
    terms = read_terms(said, "device_code", _WHAT)
    uri = _uri(provider, said, "verification_uri")
    if uri is None:
        raise _invalid("has no verification_uri")
    return DeviceAuthorization(
        terms=terms,
        user_code=_user_code(said),
        verification_uri=uri,
        verification_uri_complete=_uri(provider, said, "verification_uri_complete"),
    )


def build_device_token_request(
    provider: Provider, metadata: ServerMetadata, moment: Moment, *, device_code: str, user_code: str | None
) -> httpx.Request:
    """One poll (RFC 8628 §3.4). `user_code` is sent where the provider wants it."""
    form = {"device_code": device_code, **({} if user_code is None else {"user_code": user_code})}
    return build_grant_request(provider, metadata, moment, provider.device_grant_type, form)


def _user_code(said: Mapping[str, Any]) -> str:
    value = said.get("user_code")
    if not isinstance(value, str) or len(value) > LONGEST_USER_CODE:
        raise _invalid("has no usable user_code")
    # Control characters would write over the terminal it is shown on, and nobody can type them.
    shown = printable(value, LONGEST_USER_CODE)
    if not shown:
        raise _invalid("has an empty user_code")
    return shown


def _uri(provider: Provider, said: Mapping[str, Any], name: str) -> str | None:
    value = said.get(name)
    if value is None:
        value = said.get(provider.device_fields.get(name, name))
    if value is None or value == "":
        return None
    return check_endpoint(value, allow_insecure_loopback=provider.allow_insecure_loopback)


def _invalid(why: str) -> ResponseInvalid:
    return ResponseInvalid(
        f"The {_WHAT} {why}.",
        hint="Check that device_authorization_endpoint is the provider's.",
        phase=Phase.AUTHORIZE,
    )
