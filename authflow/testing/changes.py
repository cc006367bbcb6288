"""How a lie is made: what is sent, changed by a member, by a header, or by the whole answer.

Each function gives a `Change`: what it is about, and how the honest thing becomes what is told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .forgery import Sign, encoded, forge, keyed, read_token, signed_by, strangers_key
from .grants import DEFAULT_CLIENT
from .whole_answer import Answer

if TYPE_CHECKING:
    from .dev_provider import DevProvider

ELSEWHERE = "https://evil.example"
STRANGER = "somebody-else"
DAY = 86_400
Tell = Callable[["DevProvider", Any], Any]


class Change(NamedTuple):
    about: str
    tell: Tell


# ── how a thing is changed ───────────────────────────────────────────────────────────────────────────


def changed(about: str, **members: Any) -> Change:
    """The same with other members; a function gets the provider and the honest object."""

    def tell(provider: DevProvider, honest: dict[str, Any]) -> dict[str, Any]:
        told = {name: one(provider, honest) if callable(one) else one for name, one in members.items()}
        return {**honest, **told}

    return Change(about, tell)


def left_out(about: str, *names: str) -> Change:
    return Change(about, lambda provider, honest: {name: honest[name] for name in honest if name not in names})


def claims_of(**members: Any) -> Change:
    return changed("id_token_claims", **members)


def forged(make: Callable[[DevProvider, dict[str, Any], dict[str, Any]], str], about: str = "id_token") -> Change:
    """Another token, made of the header and the claims of the honest one."""
    return Change(about, lambda provider, token: make(provider, *read_token(token)))


def header_of(**members: Any) -> Change:
    """A header that says something else, under an honest signature."""
    return forged(lambda provider, header, claims: forge({**header, **members}, claims, provider.signature))


def signed_otherwise(sign: Callable[[DevProvider], Sign], **header: Any) -> Change:
    """A signature by something else, under a header that says so, or does not."""
    return forged(lambda provider, honest, claims: forge({**honest, **header}, claims, sign(provider)))


def by_stranger(kind: str) -> Callable[[DevProvider], Sign]:
    """Signed by a key that the provider does not publish."""
    return lambda provider: signed_by(strangers_key(kind), "RS256" if kind == "short" else kind)


def encrypted(**header: Any) -> Change:
    """What looks like a JWE with this header."""
    return Change("id_token", lambda provider, token: f"{encoded(json.dumps(header).encode())}.AAAA.AAAA.AAAA.AAAA")


def said_twice(name: str, value: str) -> Change:
    return Change("callback_params", lambda provider, honest: [*honest.items(), (name, value)])


def answered(endpoint: str, status: int = 200, kind: str = "application/json", **said: Any) -> Change:
    """A whole other answer: `body`, bytes or a function of the honest body; `headers`; `pause` between its parts."""

    def tell(provider: DevProvider, honest: Answer) -> Answer:
        body = said.get("body", b"")
        told = body(honest.body) if callable(body) else body
        return Answer(status, {"content-type": kind, **said.get("headers", {})}, told, said.get("pause", 0.0))

    return Change(f"{endpoint}_answer", tell)


def redirected(endpoint: str, status: int) -> Change:
    return answered(endpoint, status, headers={"location": f"{ELSEWHERE}/steal"})


def raw_members(**texts: str) -> Callable[[bytes], bytes]:
    """The honest JSON with members as they are written here, valid or not."""

    def change(honest: bytes) -> bytes:
        members = {name: json.dumps(value) for name, value in json.loads(honest).items()} | texts
        return ("{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}").encode()

    return change


def public_key_as_secret(provider: DevProvider) -> Sign:
    return keyed(provider.signing_key.as_pem(private=False))


def client_secret(provider: DevProvider) -> Sign:
    return keyed((provider.clients[DEFAULT_CLIENT].client_secret or "").encode())


def own_key(provider: DevProvider, header: dict[str, Any], claims: dict[str, Any]) -> str:
    key = strangers_key("ES256")
    full = {"alg": "ES256", "typ": "JWT", "kid": key.kid, "jwk": key.as_dict(private=False)}
    return forge(full, claims, signed_by(key, "ES256"))


def more_keys(*keys: Mapping[str, Any]) -> Change:
    return Change("jwks", lambda provider, honest: {"keys": [*honest["keys"], *keys]})


def leading_to(place: str) -> Change:
    return changed("metadata", authorization_endpoint=place)


def unlabelled(provider: DevProvider, honest: dict[str, Any]) -> dict[str, Any]:
    """The same keys without their names."""
    return {"keys": [{name: key[name] for name in key if name != "kid"} for key in honest["keys"]]}


def strangers_first(provider: DevProvider, honest: dict[str, Any]) -> dict[str, Any]:
    """Keys of nobody before the right ones, all without a name."""
    strangers = [strangers_key(kind).as_dict(private=False) for kind in ("RS256", "ES256")]
    return unlabelled(provider, {"keys": [*strangers, *honest["keys"]]})
