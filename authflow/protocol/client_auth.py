"""Client authentication, one mechanism for every request that the client sends directly: token, revocation,
introspection, pushed authorization, device and CIBA requests (RFC 6749 §2.3, OpenID Connect Core §9, RFC 7521
§4.2, RFC 8705 §2).

    moment = yield from client_moment(provider)               # in the flow, anew for every try
    form, headers = authenticate_client(provider, metadata, form, headers, moment)     # in the builder

Rule 1: an assertion is made for one request. Its `jti` is new, it lives a minute, and its audience is one: the
        issuer, unless the provider's settings say otherwise (one that several servers take can be replayed).
Rule 2: the method is the provider's setting; metadata choose only between what the settings leave open.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus

import msgspec

from ..errors import AuthflowError, ConfigurationError, MissingEndpoint, whereabouts
from .messages import ServerMetadata
from .step import Call, Flow, Moment, fresh

if TYPE_CHECKING:
    from ..providers.base import Provider
    from ..providers.settings import ClientAuth

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS: Final = 60
SHORTEST_SHARED_KEY: Final = 14  # bytes; 112 bits (NIST SP 800-131A)
LONGEST_ASSERTION: Final = 64 * 1024
TOKEN_ENDPOINT: Final = "token_endpoint"  # for `assertion_audience`: the token endpoint, wherever it is

_BY_KEY: Final = ("private_key_jwt", "client_secret_jwt")
BY_CERTIFICATE: Final = ("tls_client_auth", "self_signed_tls_client_auth")
_SHARED: Final = ("HS256", "HS384", "HS512")


class ClientAssertion:
    """A client assertion that somebody else signs: a Kubernetes service account, GitHub Actions, another cloud.

        Microsoft(…, client_auth=ClientAssertion.from_file("/var/run/secrets/tokens/federated"))

    `fn` is called for every request, without arguments; under asyncio it may be a coroutine function. It gives
    the assertion as text (RFC 7523 §2.2).
    """

    __slots__ = ("fn",)

    def __init__(self, fn: Callable[[], str | Awaitable[str]]) -> None:
        if not callable(fn):
            raise ConfigurationError(
                "ClientAssertion takes a function that gives the assertion.",
                hint="For one that lies in a file: ClientAssertion.from_file(path).",
            )
        self.fn = fn

    @classmethod
    def from_file(cls, path: str) -> ClientAssertion:
        """The content of a file that somebody renews. It is read for every request."""

        def read() -> str:
            try:
                with open(path, encoding="ascii") as file:
                    return file.read(LONGEST_ASSERTION + 1).strip()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is no ASCII text"
                raise ConfigurationError(
                    f"The client assertion in {str(path)!r} cannot be read: {why}.",
                    hint="Mount the token there, readable for this process.",
                ) from None

        return cls(read)

    def __repr__(self) -> str:
        return f"ClientAssertion({getattr(self.fn, '__qualname__', type(self.fn).__name__)})"


def client_moment(provider: Provider) -> Flow[Moment]:
    """A moment for one request, and the assertion where the application has it from elsewhere. Raises
    `ConfigurationError` when that cannot be had."""
    moment = yield from fresh()
    if not isinstance(provider.client_auth, ClientAssertion):
        return moment
    assertion = yield from _ask_for_assertion(provider, provider.client_auth.fn)
    return msgspec.structs.replace(moment, assertion=assertion)


def authenticate_client(
    provider: Provider,
    metadata: ServerMetadata,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    moment: Moment,
) -> tuple[dict[str, str], dict[str, str]]:
    """`form` and `headers` with the client's proof in the one or the other.

    A certificate proves itself below: the form names the client (RFC 8705 §2). Raises `ConfigurationError` when
    the method needs what is not there, or none is supported.
    """
    form, headers = dict(form), dict(headers)
    method = choose_client_auth(provider, metadata)
    secret = provider.client_secret

    if method == "none" or method in BY_CERTIFICATE:
        form[provider.client_id_param] = provider.client_id
        return form, headers
    if method == "client_assertion" or method in _BY_KEY:
        # RFC 7521 §4.2 leaves client_id out or in; some servers find the client by it.
        form[provider.client_id_param] = provider.client_id
        form["client_assertion_type"] = ASSERTION_TYPE
        form["client_assertion"] = moment.assertion or build_client_assertion(provider, metadata, method, moment)
        return form, headers
    if not secret:
        raise ConfigurationError(
            f"{provider.name}: {method} needs a client_secret.",
            hint="Set client_secret, or client_auth='none' for a public client.",
        )
    if method == "client_secret_post":
        form[provider.client_id_param] = provider.client_id
        form[provider.client_secret_param] = secret
        return form, headers

    # RFC 6749 §2.3.1: both are form-encoded before base64, or a ':' '%' or '+' in them is misread.
    pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
    headers["authorization"] = "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")
    return form, headers


def build_client_assertion(
    provider: Provider, metadata: ServerMetadata, method: str, moment: Moment
) -> str:
    """A JWT of ours (RFC 7523 §3, OpenID Connect Core §9), signed with the client's key or its secret."""
    now = int(moment.now)
    claims = {
        "iss": provider.client_id,
        "sub": provider.client_id,
        "aud": assertion_audience(provider, metadata),
        "jti": moment.jti,
        "iat": now,
        "nbf": now,
        "exp": now + ASSERTION_SECONDS,
    }
    header = {"typ": provider.assertion_typ, **provider.assertion_headers}
    listed = metadata.token_endpoint_auth_signing_alg_values_supported
    if method == "private_key_jwt":
        key = provider.private_key
        if key is None:
            raise ConfigurationError(f"{provider.name}: private_key_jwt needs a client_key.", hint="Set client_key=.")
        return key.sign(header, claims, key.choose_alg(listed, provider.assertion_alg))
    return _sign_with_secret(provider, header, claims, listed)


def choose_client_auth(provider: Provider, metadata: ServerMetadata) -> ClientAuth | str:
    """What the provider's settings say; else by what it has: a key, a certificate, nothing, or a secret. For a
    secret the metadata's list decides, basic first, which is also the default of RFC 8414 §2."""
    chosen = provider.client_auth
    if isinstance(chosen, ClientAssertion):
        return "client_assertion"
    if chosen is not None:
        return chosen
    if provider.private_key is not None:
        return "private_key_jwt"
    if not provider.client_secret:
        return "none" if provider.client_certificate is None else "tls_client_auth"

    # A provider with its own names for the two parameters reads them from the form, not from Basic.
    if provider.client_id_param != "client_id" or provider.client_secret_param != "client_secret":
        return "client_secret_post"
    listed = metadata.token_endpoint_auth_methods_supported
    if not listed or "client_secret_basic" in listed:
        return "client_secret_basic"
    for method in ("client_secret_post", "client_secret_jwt"):
        if method in listed:
            return method
    raise ConfigurationError(
        f"{provider.name} takes no client_secret: it lists {', '.join(listed)[:200]}.",
        hint="Register the client with one of them, or set client_auth=.",
    )


def assertion_audience(provider: Provider, metadata: ServerMetadata) -> str:
    """Whom an assertion is for: the issuer, unless the settings say otherwise."""
    named = provider.assertion_audience
    if named == TOKEN_ENDPOINT:
        named = metadata.token_endpoint
    audience = named or metadata.issuer or provider.issuer or metadata.token_endpoint
    if not audience:
        raise MissingEndpoint(
            f"{provider.name}: whom the client assertion is for is not known.",
            hint="Set issuer= or assertion_audience=.",
        )
    return audience


def _sign_with_secret(
    provider: Provider, header: Mapping[str, Any], claims: Mapping[str, Any], listed: tuple[str, ...] | None
) -> str:
    from joserfc.jwk import OctKey

    from .private_key import sign_jwt

    secret = (provider.client_secret or "").encode()
    if len(secret) < SHORTEST_SHARED_KEY:
        raise ConfigurationError(
            f"{provider.name}: the client_secret is too short to sign with.",
            hint=f"{SHORTEST_SHARED_KEY} bytes or more (RFC 7518 §3.2), or another client_auth.",
        )
    alg = provider.assertion_alg or next((one for one in _SHARED if listed is None or one in listed), "HS256")
    return sign_jwt({**header, "alg": alg}, claims, OctKey.import_key(secret))


def _ask_for_assertion(provider: Provider, fn: Callable[[], Any]) -> Flow[str]:
    """The application's assertion. What its function raises is told by kind and place only: the text may be
    the token."""
    asynchronous = inspect.iscoroutinefunction(fn)
    try:
        assertion = yield Call(fn, blocking=not asynchronous)
    except AuthflowError:
        raise
    except Exception as error:
        failed = whereabouts(error)
    else:
        if isinstance(assertion, str) and 0 < len(assertion) <= LONGEST_ASSERTION and assertion.isascii():
            return assertion
        failed = f"it gave {type(assertion).__name__}"
    raise ConfigurationError(
        f"{provider.name}: the client assertion could not be had: {failed}.",
        hint="ClientAssertion's function must give the signed JWT as text.",
    )
