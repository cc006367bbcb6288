"""The authorization response (RFC 6749 §4.1.2, RFC 9207, OpenID Connect Core §3.3.2.5): read first, judged later.

`read_callback` only finds out what was said, and whether there is one state to look an attempt up by.
`check_callback` judges it, after the session has found that attempt. Rule: a callback that fits no attempt
ends nothing; so nothing here is an error before the state was readable, save that it is not.

An access token that comes along, and an ID token in a query or fragment, are named in `ignored` and never read.
Of an answer that is a JWT (JARM) only the state is read here; `jarm.py` has the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from ..errors import CallbackRejected, Phase, ValidationFailed, oauth_error, printable
from .discovery import fits_template, has_placeholder
from .messages import ServerMetadata
from .witness import differs, passed
from .words import CUT, without_tokens

if TYPE_CHECKING:
    from ..providers.base import Provider

LONGEST_CALLBACK = 16 * 1024
MOST_PARAMETERS = 64

_OURS = ("code", "state", "iss", "error", "error_description", "error_uri", "id_token", "response")
_NEVER_READ = frozenset({"access_token", "token_type", "expires_in", "refresh_token"})


class CallbackParams(msgspec.Struct, frozen=True):
    """What a callback said. An empty parameter counts as absent (RFC 6749 §3.1).

    `doubled` names parameters of ours that came more than once; `ignored` names tokens that came along.
    """

    state: str
    code: str | None = None
    iss: str | None = None
    error: str | None = None
    error_description: str | None = None
    error_uri: str | None = None
    id_token: str | None = None
    response: str | None = None
    doubled: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __repr__(self) -> str:
        there = [name for name in _OURS if getattr(self, name) is not None]
        return f"CallbackParams({', '.join(f'{name}=…' for name in there)})"

    __str__ = __repr__


def read_callback(callback: str | Mapping[str, Any], providers: Iterable[Provider] = ()) -> CallbackParams:
    """Reads a callback: its whole URL, the query alone, or the parameters of a form (`response_mode=form_post`).

    `providers`: whose keys may open an answer that is encrypted. Raises `CallbackRejected` when it is longer than
    16 KiB, unreadable, or has not exactly one state.
    """
    pairs = _pairs(callback)
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)

    never = _NEVER_READ if isinstance(callback, Mapping) else _NEVER_READ | {"id_token"}
    kept = {name: values[name][0] for name in _OURS if name not in never and values.get(name, [""])[0]}
    states = values.get("state", [])
    if not states and "response" in kept:
        # JARM §2.3: the state is one of the claims. It only leads to the attempt that judges the rest.
        states = [_state_of(kept["response"], providers)]
        kept["state"] = states[0]
    if len(states) != 1 or not states[0]:
        raise _rejected("has no state" if not any(states) else "has more than one state")
    if any(not value.isprintable() for name, value in kept.items() if name in ("state", "code", "iss")):
        raise _rejected("has control characters in its parameters")
    return CallbackParams(
        **kept,
        doubled=tuple(name for name in _OURS if len(values.get(name, ())) > 1),
        ignored=tuple(sorted(never & values.keys())),
    )


def read_parameters(request: str | Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """The parameters `names` of a request that came to a route of ours: its whole URL, the query alone, or a form.

    An empty one counts as absent. Raises `CallbackRejected` when it is too long, unreadable, has control characters
    in one of them, or has one twice.
    """
    found: dict[str, str] = {}
    for name, value in _pairs(request):
        if name not in names:
            continue
        if name in found:
            raise _rejected(f"has {name} more than once")
        if not value.isprintable():
            raise _rejected("has control characters in its parameters")
        found[name] = value
    return {name: value for name, value in found.items() if value}


def check_callback(
    provider: Provider, metadata: ServerMetadata, params: CallbackParams, response_type: str = "code"
) -> None:
    """Judges a callback whose state is that of a pending attempt. After this, what `response_type` names is there:
    `params.code`, `params.id_token`.

    Raises `ValidationFailed` with `check="callback_parameters"` for doubled parameters, a code beside an
    error, or neither (RFC 6749 §3.1, §4.1.2); with `check="iss"` when the answer comes from another
    issuer, or does not say whose it is though it should (RFC 9207 §2.4); and the `OAuthError` that it is.
    """
    if params.doubled:
        raise _wrong(f"has {', '.join(params.doubled)} more than once")
    # Before the error: another server must not be able to say "access_denied" in this one's name.
    # RFC 9207 §2.4: an ID token beside the code says its issuer itself, and is checked before the code is used.
    if params.iss is not None or params.id_token is None or "id_token" not in response_type:
        check_iss(provider, metadata, params.iss)
    if params.code is not None and params.error is not None:
        raise _wrong("has a code and an error")
    if params.error is not None:
        said = (params.error_description or "").replace(params.state, CUT)
        code, description = (without_tokens(text, (provider.client_id,)) for text in (params.error, said))
        raise oauth_error(code, description or None, phase=Phase.AUTHORIZE)
    for name in response_type.split():
        if getattr(params, name) is None:
            raise _wrong(f"has neither {name} nor error")
    if params.code is not None and "code" not in response_type:
        raise _wrong("has a code that nobody asked for")


def check_iss(provider: Provider, metadata: ServerMetadata, iss: str | None) -> None:
    """RFC 9207 §2.4. Without a known issuer there is nothing to compare with, and `iss` is not looked at."""
    expected = metadata.issuer or provider.issuer
    if iss is None:
        demanded = provider.iss_in_response
        if demanded is None:
            demanded = metadata.authorization_response_iss_parameter_supported
        if demanded:
            raise ValidationFailed(
                "The callback does not say which issuer it comes from.",
                check="iss",
                hint="The provider announces an iss parameter; an answer without it may be another server's.",
                phase=Phase.CALLBACK,
            )
        return
    if not expected:
        return

    # Where the issuer is a template, it is one of its tenants that answers. A tenant that names itself in its own
    # metadata is the only one.
    template = provider.issuer_claim_template
    if template is not None and (has_placeholder(expected) or not provider.discovery):
        good = not has_placeholder(iss) and fits_template(template, iss)
    else:
        good = iss == expected
    if good:
        passed("iss", "callback", expected, iss)
        return
    differs("iss", "callback", expected, iss)
    raise ValidationFailed(
        "The callback comes from another issuer.",
        check="iss",
        hint=f"Expected {printable(expected, 200)!r}, got {printable(iss, 200)!r}.",
        phase=Phase.CALLBACK,
    )


def _state_of(response: str, providers: Iterable[Provider]) -> str:
    # JOSE is imported by a callback that is a JWT, and by no other.
    from .jarm import read_state

    try:
        return read_state(response, providers)
    except ValidationFailed:
        raise _rejected("has a response that is no readable JWT") from None


def _pairs(callback: str | Mapping[str, Any]) -> list[tuple[str, str]]:
    if isinstance(callback, Mapping):
        pairs = list(_form_pairs(callback))
        if len(pairs) > MOST_PARAMETERS or sum(len(name) + len(value) for name, value in pairs) > LONGEST_CALLBACK:
            raise _rejected("is too long")
        return pairs
    if not isinstance(callback, str):
        raise _rejected("is neither a URL nor a form")
    if len(callback) > LONGEST_CALLBACK:
        raise _rejected("is too long")
    if not callback.isprintable():
        raise _rejected("has control characters")
    try:
        return parse_qsl(
            _query(callback), keep_blank_values=True, max_num_fields=MOST_PARAMETERS, errors="strict"
        )
    except ValueError:
        raise _rejected("cannot be read") from None


def _query(callback: str) -> str:
    """The query of a URL; the whole of a bare query. In a bare query a `?` stands after the first `=`."""
    text = callback.partition("#")[0]
    before, mark, after = text.partition("?")
    if mark and "=" not in before:
        return after
    return "" if "://" in before.partition("=")[0] else text


def _form_pairs(form: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Every pair of a form, doubled ones too: frameworks' multi-dicts show only one by `[]`."""
    if callable(multi := getattr(form, "multi_items", None)):  # Starlette, httpx
        items: Iterable[tuple[Any, Any]] = multi()
    elif callable(lists := getattr(form, "lists", None)):  # Django, Werkzeug
        items = lists()
    else:
        items = form.items()
    for name, value in items:
        several = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
        for one in several:
            if not isinstance(name, str) or not isinstance(one, str):
                raise _rejected("has a parameter that is no text")
            yield name, one


def _rejected(why: str) -> CallbackRejected:
    return CallbackRejected(
        f"The callback {why}.", hint="Begin the login again; pass the callback's URL or form unchanged."
    )


def _wrong(why: str) -> ValidationFailed:
    return ValidationFailed(
        f"The callback {why}.", check="callback_parameters", hint="Begin the login again.", phase=Phase.CALLBACK
    )
