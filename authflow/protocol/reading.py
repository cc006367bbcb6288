"""How every answer of a provider is read: one decoder, one way to say no.

Rule 1: a body never stands in an error. What the provider says *in* an OAuth error does, made printable and
        harmless (`words.py`).
Rule 2: JSON is decoded by msgspec (no NaN, no Infinity, no numbers beyond a float) and nested 32 deep at
        most, so that whatever is kept can be written again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from ..errors import (
    AuthflowError,
    InvalidClient,
    OAuthError,
    Phase,
    Recovery,
    RedirectRefused,
    ResponseInvalid,
    Sent,
    ServerError,
    ServiceUnavailable,
    oauth_error,
)
from .challenge import read_challenges
from .words import harmless

if TYPE_CHECKING:
    from ..providers.base import Provider

DEEPEST = 32
_TOKEN_REFUSED = "Its endpoint does not take the access token: check the endpoint's URL and the scopes."
_BEARER_REMEDIES = {
    "invalid_token": _TOKEN_REFUSED,
    "insufficient_scope": "Ask for the scope that the endpoint wants: login(scope=[…]).",
}
LONGEST_RETRY_AFTER = 86_400.0  # seconds; a provider that asks for more is asked again after a day

_OBJECT = msgspec.json.Decoder(dict[str, Any])  # made once: that costs more than a decoding


def decode_object(body: bytes, what: str, **facts: Any) -> dict[str, Any]:
    """The JSON object in `body`. Raises `ResponseInvalid` for anything else."""
    try:
        found = _OBJECT.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError):
        raise ResponseInvalid(f"The {what} is no JSON object in UTF-8.", **facts) from None
    if too_deep(found):
        raise ResponseInvalid(f"The {what} is nested more than {DEEPEST} deep.", **facts)
    return found


def too_deep(value: Any) -> bool:
    """Whether containers lie more than `DEEPEST` in each other. Walks without recursion."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def read_object(
    provider: Provider, response: httpx.Response, what: str, *, phase: Phase, bearer: bool = False
) -> dict[str, Any]:
    """The JSON object of a successful answer. `bearer`: it was asked for with an access token.

    Raises the error that the answer is (see `error_of`), or `ResponseInvalid`.
    """
    members: dict[str, Any] | None
    try:
        members = decode_object(response.content, what, phase=phase)
    except ResponseInvalid:
        if response.is_success:
            raise
        members = None
    error = error_of(provider, response, members, what, phase=phase, bearer=bearer)
    if error is not None:
        raise error
    if members is None:
        raise ResponseInvalid(f"The {what} is no JSON object in UTF-8.", phase=phase)
    return members


def error_of(
    provider: Provider,
    response: httpx.Response,
    members: Mapping[str, Any] | None,
    what: str,
    *,
    phase: Phase,
    bearer: bool = False,
) -> AuthflowError | None:
    """The error that an answer is, or None for a good one. A 200 with an error in it is an error (GitHub). `bearer`:
    an access token was shown (RFC 6750 §3.1), and not what proves the client."""
    status = response.status_code
    said = None if members is None else said_error(provider, members)
    if said is None and status in (401, 403):
        said = challenged_error(response)
    if said is not None:
        code, description = (harmless(text, response, members or {}) for text in said)
        error = oauth_error(
            code, description or None, phase=phase, hint=_BEARER_REMEDIES.get(code) if bearer else None
        )
        if type(error) is OAuthError and (status >= 500 or status == 429):
            error.add_facts(recovery=Recovery.RETRY_AT)
        if error.recovery is Recovery.RETRY_AT:
            error.add_facts(retry_after=retry_after(response))
        return error

    if response.is_success:
        return None
    if status in (429, 503):
        later = retry_after(response)
        # A bare 503 may be a gateway's, which lost the answer of a server that has done it.
        untouched = status == 429 or later is not None
        return ServiceUnavailable(
            f"The provider is busy: the {what} came with status {status}.",
            hint="Try again later.",
            phase=phase,
            sent=Sent.YES if untouched else Sent.UNKNOWN,
            retry_after=later,
        )
    if status >= 500:
        return ServerError(
            f"The provider failed: the {what} came with status {status}.",
            hint="Try again later.",
            phase=phase,
            sent=Sent.UNKNOWN,
            retry_after=retry_after(response),
        )
    if 300 <= status < 400:
        return RedirectRefused(
            f"The {what} is a redirect (status {status}); authflow follows none.",
            hint="Set the endpoint to the URL that answers.",
            phase=phase,
        )
    if status == 401 and bearer:
        return OAuthError(
            f"The {what} came with status 401 and no OAuth error.",
            hint=_TOKEN_REFUSED,
            phase=phase,
            error="invalid_token",
        )
    if status == 401:
        return InvalidClient(
            f"The {what} came with status 401 and no OAuth error.",
            hint="Check client_id, client_secret and client_auth.",
            phase=phase,
            error="invalid_client",
        )
    return ResponseInvalid(
        f"The {what} came with status {status} and no OAuth error.",
        hint="Check the endpoint's URL.",
        phase=phase,
        recovery=Recovery.FIX_CONFIGURATION if status < 500 else Recovery.NONE,
    )


def said_error(provider: Provider, members: Mapping[str, Any]) -> tuple[str, str] | None:
    """Code and description that a body says, in the provider's own fields or the RFC's; None when it says
    none. `0`, `""`, `null`, `false` and the code `ok` are no error."""
    for code_field, text_field in dict.fromkeys((provider.error_fields, ("error", "error_description"))):
        code: Any = dig(members, code_field)
        text: Any = dig(members, text_field)
        if isinstance(code, Mapping):
            code, text = code.get("code") or code.get("type"), code.get("message") or text
        if isinstance(code, list):
            code = "invalid_request"
        if code and str(code).lower() not in ("ok", "success", "0", "false"):
            return str(code), "" if text is None else str(text)
    return None


def challenged_error(response: httpx.Response) -> tuple[str, str] | None:
    """Code and description in a `WWW-Authenticate: Bearer` header (RFC 6750 §3)."""
    for challenge in read_challenges(response.headers.get_list("www-authenticate")):
        if challenge.scheme == "bearer" and challenge.parameters.get("error"):
            return challenge.parameters["error"], challenge.parameters.get("error_description", "")
    return None


def retry_after(response: httpx.Response) -> float | None:
    """`Retry-After` in seconds (RFC 9110 §10.2.3), a day at most; a date counts from the answer's `Date`."""
    text = response.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_RETRY_AFTER)
    try:
        seconds = (
            parsedate_to_datetime(text) - parsedate_to_datetime(response.headers.get("date", ""))
        ).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else None


def dig(data: Mapping[str, Any], path: str) -> Any:
    """The member at a dotted path (`data.id`, `names.0.text`); None when there is none. A member whose own
    name has dots (`https://slack.com/user_id`) is found first."""
    if path in data:
        return data[path]
    found: Any = data
    for part in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isascii() and part.isdigit() and int(part[:6]) < len(found):
            found = found[int(part[:6])]
        else:
            return None
    return found


def is_number(value: object) -> bool:
    """A finite JSON number; `true` is none, nor is an integer that no float holds."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
