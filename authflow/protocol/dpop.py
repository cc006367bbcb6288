"""DPoP (RFC 9449): a token that works only for whoever has a key, and a proof of that key in each request.

Rule 1: one key per session. It is made when the login begins and goes where the session's record goes, sealed.
Rule 2: a proof is made for one request: its method, its URL without query and fragment, a new `jti`, the present
        time, the server's nonce where it has told one, and the access token where there is one (`ath`).
Rule 3: a server's nonce is its origin's alone, and the newest counts. A request that is refused for want of a nonce
        is sent once more; one that is refused again is refused.

The same for both kinds of server: the token endpoint says `use_dpop_nonce` as an OAuth error (§8), an API in its
`WWW-Authenticate` header (§9).
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx

from ..errors import AuthflowError, ConfigurationError, Phase, ResponseInvalid, ValidationFailed
from .challenge import read_challenges
from .messages import ServerMetadata
from .reading import decode_object
from .step import Flow, Moment, T, fetch, fresh
from .urls import origin_of

if TYPE_CHECKING:
    from ..providers.base import Provider
    from .private_key import PrivateKey

MOST_ORIGINS: Final = 64
LONGEST_NONCE: Final = 1024
_NONCE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # §8.1


class Nonces:
    """The last nonce that each origin told. Safe in many threads: entries are replaced whole."""

    def __init__(self) -> None:
        self._by_origin: dict[str, str] = {}

    def get(self, url: str) -> str | None:
        return self._by_origin.get(origin_of(url))

    def keep(self, url: str, headers: Mapping[str, str]) -> str | None:
        """The nonce in an answer's headers, remembered; None when there is none that can be used."""
        nonce = headers.get("dpop-nonce")
        if nonce is None or len(nonce) > LONGEST_NONCE or not _NONCE.fullmatch(nonce):
            return None
        kept = {**self._by_origin, origin_of(url): nonce}
        self._by_origin = dict(list(kept.items())[-MOST_ORIGINS:])
        return nonce

    def __repr__(self) -> str:
        return f"Nonces({sorted(self._by_origin)})"


class Binding:
    """A session's key, and where nonces are remembered."""

    __slots__ = ("key", "nonces")

    def __init__(self, key: PrivateKey, nonces: Nonces) -> None:
        self.key = key
        self.nonces = nonces

    @classmethod
    def of(cls, dumped: bytes | None, nonces: Nonces) -> Binding | None:
        """The binding of a record's key; None without one."""
        if dumped is None:
            return None
        from .private_key import PrivateKey

        return cls(PrivateKey.load(dumped), nonces)

    def prove(self, method: str, url: str, moment: Moment, *, access_token: str | None = None) -> str:
        """The `DPoP` header of one request (§4.2)."""
        claims: dict[str, object] = {"jti": moment.jti, "htm": method, "htu": htu(url), "iat": int(moment.now)}
        nonce = self.nonces.get(url)
        if nonce is not None:
            claims["nonce"] = nonce
        if access_token is not None:
            claims["ath"] = urlsafe_b64encode(sha256(access_token.encode()).digest()).rstrip(b"=").decode()
        alg = self.key.choose_alg(None)
        return self.key.sign({"typ": "dpop+jwt", "jwk": self.key.bare_jwk()}, claims, alg)

    def __repr__(self) -> str:
        return f"Binding({self.key!r})"


def new_key(provider: Provider) -> bytes | None:
    """A key for one session, as its record keeps it; None where no DPoP is asked for."""
    if not provider.dpop:
        return None
    from .private_key import PrivateKey

    return PrivateKey.generate(provider.dpop_alg).dump()


def jkt(dumped: bytes) -> str:
    """The `dpop_jkt` of an authorization request (§10): the code will work only with this key."""
    from .private_key import PrivateKey

    return PrivateKey.load(dumped).thumbprint()


def htu(url: str) -> str:
    """The URL without query and fragment (§4.2)."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", "", ""))


def wants_nonce(response: httpx.Response) -> bool:
    """Whether a server of either kind refused for want of its nonce (§8, §9)."""
    if response.status_code == 401:
        challenges = read_challenges(response.headers.get_list("www-authenticate"))
        return any(one.scheme == "dpop" and one.parameters.get("error") == "use_dpop_nonce" for one in challenges)
    if response.status_code != 400:
        return False
    try:
        return decode_object(response.content, "token response").get("error") == "use_dpop_nonce"
    except ResponseInvalid:
        return False


def fetch_bound(
    build: Callable[[], Flow[httpx.Request]], binding: Binding, access_token: str | None = None
) -> Flow[httpx.Response]:
    """Sends what `build` makes, with a proof; once more, made anew, when the server wants its nonce in it (§8, §9)."""
    for last in (False, True):
        request = yield from build()
        url = str(request.url)
        moment = yield from fresh()
        request.headers["dpop"] = binding.prove(request.method, url, moment, access_token=access_token)
        response = yield from fetch(request)
        nonce = binding.nonces.keep(url, response.headers)
        if last or nonce is None or not wants_nonce(response):
            break
    return response


def bind(flow: Flow[T], binding: Binding | None, access_token: str) -> Flow[T]:
    """Runs `flow`; what it sends with `access_token` as a bearer's is sent with a proof instead (§7)."""
    if binding is None:
        return (yield from flow)
    bearer = f"Bearer {access_token}"
    try:
        step = next(flow)
        while True:
            try:
                answer: httpx.Response | Moment | dict[str, Any] | str | None
                if isinstance(step, httpx.Request) and step.headers.get("authorization") == bearer:
                    step.headers["authorization"] = f"DPoP {access_token}"
                    answer = yield from fetch_bound(partial(_once_more, step), binding, access_token)
                else:
                    answer = yield step
            except AuthflowError as error:
                step = flow.throw(error)
            else:
                step = flow.send(answer)
    except StopIteration as stop:
        value: T = stop.value
        return value


def _once_more(request: httpx.Request) -> Flow[httpx.Request]:
    """The same request as a new one: what was sent is not changed afterwards, somebody may be recording it."""
    return httpx.Request(
        request.method, request.url, headers=request.headers, content=request.content, extensions=request.extensions
    )
    yield


def check_bound(provider: Provider, binding: Binding | None, token_type: str) -> None:
    """Whether the tokens are bound as was asked (§5). Raises `ValidationFailed` (`check="token_type"`)."""
    if token_type == "DPoP" and binding is None:
        raise ValidationFailed(
            "The provider bound the tokens to a key, and none was shown.",
            check="token_type",
            hint="Set dpop=True on the provider.",
            phase=Phase.EXCHANGE,
        )
    if token_type != "DPoP" and binding is not None and provider.dpop != "optional":
        raise ValidationFailed(
            "The provider did not bind the tokens to this client's key (DPoP).",
            check="token_type",
            hint='Register the client for it (dpop_bound_access_tokens), or set dpop="optional" to take bearer tokens.',
            phase=Phase.EXCHANGE,
        )


def check_dpop_alg(provider: Provider, metadata: ServerMetadata) -> None:
    """Raises `ConfigurationError` when the provider lists proofs that it takes, and ours is not among them (§5.1)."""
    listed = metadata.dpop_signing_alg_values_supported
    if provider.dpop and listed and provider.dpop_alg not in listed:
        raise ConfigurationError(
            f"{provider.name} takes no DPoP proof signed with {provider.dpop_alg}.",
            hint=f"Set dpop_alg= to one of {', '.join(listed)[:200]}.",
        )
