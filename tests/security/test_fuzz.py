"""Whatever comes from outside is read, or refused with a typed error: no other exception, and nothing grows out of
proportion to what came.

In the checks the examples are the same each time. `AUTHFLOW_FUZZ=20000` tries that many others of every reader.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, RSAKey

from authflow.agents.paste import read_paste
from authflow.errors import AuthflowError
from authflow.flows.signed import open_id_token
from authflow.operations.pending import load_pending, store_pending
from authflow.protocol.callback import read_callback, read_parameters
from authflow.protocol.challenge import read_challenges, read_resource_challenge, read_step_up
from authflow.protocol.ciba import read_ciba_response, read_ping
from authflow.protocol.device import read_device_response
from authflow.protocol.discovery import read_metadata
from authflow.protocol.expected import Expected
from authflow.protocol.id_token import verify_id_token
from authflow.protocol.introspection import read_introspection_response
from authflow.protocol.jwe import encrypt_jwt
from authflow.protocol.jwks import read_jwks
from authflow.protocol.logout_token import verify_logout_token
from authflow.protocol.par import read_par_response
from authflow.protocol.reading import retry_after
from authflow.protocol.registration import (
    ClientMetadata,
    check_client_id_url,
    client_id_document,
    read_registration_response,
)
from authflow.protocol.resource import read_resource_metadata
from authflow.protocol.revocation import read_revocation_response
from authflow.protocol.token import read_token_response, to_token
from authflow.protocol.urls import check_endpoint, check_redirect_uri, is_private_host
from authflow.protocol.userinfo import read_groups, read_profile, read_userinfo_response
from authflow.protocol.webfinger import ISSUER_RELATION, read_webfinger_response
from authflow.providers import GitHub, Google, PrivateKey
from authflow.records import Pending, SessionRecord, Token
from tests.protocol.issuer import ISSUER, METADATA, NONCE, NOW, claims, jwks, openid, plain, public, rsa, sign

DEEP = int(os.environ.get("AUTHFLOW_FUZZ", "0") or 0)
LONGEST_MESSAGE = 4096

fuzzed = settings(
    max_examples=DEEP or 60,
    derandomize=not DEEP,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)

numbers = st.one_of(
    st.integers(), st.floats(allow_nan=False), st.sampled_from([10**400, -1, 0, 2**63, 1e308, 10**18, True, False])
)
words = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", "\x00", "\x1b[2J", "\u202e", "a" * 5000, "https://x", "Bearer", "none", "error", "RS256", "9" * 5000]
    ),
)
plain_json = st.recursive(
    st.one_of(st.none(), numbers, words), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner,
                                                                                                     max_size=4),
    max_leaves=12,
)  # fmt: skip
deep = st.integers(1, 5000).map(lambda depth: b"[" * depth + b"]" * depth)


def bent(good: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """A good answer with some members replaced, left out, doubled, or the whole cut."""

    def write(changes: Mapping[str, Any], dropped: list[str], cut: int, doubled: bool) -> bytes:
        said = {name: value for name, value in {**good, **changes}.items() if name not in dropped}
        text = json.dumps(said)
        if doubled and said:
            text = text[:-1] + "," + text[1:]
        data = text.encode("utf-8", "surrogatepass")
        return data[: len(data) - cut]

    return st.builds(
        write,
        st.dictionaries(st.sampled_from([*good, "error", "error_description", "error_uri", "extra"]), plain_json,
                        max_size=4),
        st.lists(st.sampled_from([*good]), max_size=2),
        st.one_of(st.just(0), st.integers(0, 20)),
        st.booleans(),
    )  # fmt: skip


def answers(good: Mapping[str, Any]) -> st.SearchStrategy[httpx.Response]:
    """HTTP answers around `good`: any status, odd headers, any body."""
    printable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
    headers = st.dictionaries(
        st.sampled_from(["content-type", "retry-after", "date", "www-authenticate", "dpop-nonce"]), printable,
        max_size=3,
    )  # fmt: skip
    any_json = plain_json.map(lambda it: json.dumps(it).encode("utf-8", "surrogatepass"))
    bodies = st.one_of(bent(good), bent(good), any_json,
                       st.binary(max_size=200), deep, st.just(b"a=b&access_token=x&access_token=y"))  # fmt: skip
    status = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 428, 429, 500, 503])
    request = httpx.Request("POST", "https://id.example/token", content=b"code=the-code-that-nobody-tells")
    return st.builds(
        lambda code, said, body: httpx.Response(code, headers=said, content=body, request=request), status, headers,
        bodies,
    )  # fmt: skip


def size_of(made: Any, seen: set[int] | None = None) -> int:
    """Bytes that `made` takes, with what it holds."""
    seen = set() if seen is None else seen
    if id(made) in seen or isinstance(made, (type, Callable)):  # type: ignore[arg-type]
        return 0
    seen.add(id(made))
    total = sys.getsizeof(made)
    if isinstance(made, Mapping):
        return total + sum(size_of(key, seen) + size_of(value, seen) for key, value in made.items())
    if isinstance(made, (list, tuple, set, frozenset)):
        return total + sum(size_of(one, seen) for one in made)
    if isinstance(made, msgspec.Struct):
        return total + sum(size_of(getattr(made, name), seen) for name in made.__struct_fields__)
    return total


def holds(read: Callable[[], Any], came: int) -> None:
    """`read` gives something of a size that fits what came, or raises a typed error with a bounded message."""
    refused: AuthflowError | None = None
    made = None
    try:
        made = read()
    except AuthflowError as error:
        refused = error
    if refused is not None:
        assert len(str(refused)) <= LONGEST_MESSAGE
        assert len(repr(refused.info)) <= 2 * LONGEST_MESSAGE
        assert "the-code-that-nobody-tells" not in str(refused)
        assert str(refused).isprintable()
    assert size_of(made) <= 100 * came + 65_536


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────

PROVIDERS = (openid(), plain(error_fields=("meta.code", "meta.text")), Google("id", "secret"), GitHub("id", "secret"))

TOKENS = {
    "access_token": "at", "token_type": "Bearer", "expires_in": 3600, "scope": "a b", "refresh_token": "rt",
    "id_token": "x.y.z", "refresh_in": 60, "expires": 5,
}  # fmt: skip
DOCUMENT = {**msgspec.to_builtins(METADATA), "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.example/t"},
            "scopes_supported": ["openid"], "authorization_response_iss_parameter_supported": True}  # fmt: skip
DEVICE = {
    "device_code": "dc", "user_code": "AB-CD", "verification_uri": "https://id.example/d", "expires_in": 600,
    "interval": 5, "verification_uri_complete": "https://id.example/d?c=1", "verification_url": "https://x.example",
}  # fmt: skip
CIBA = {"auth_req_id": "r-1", "expires_in": 120, "interval": 5}
PERSON = {
    "sub": "user-1", "id": 17, "name": "Ada", "email": "a@b.c", "email_verified": True, "picture": "https://p.example",
    "groups": ["a"], "data": {"user": {"id": 3}},
}  # fmt: skip
CLIENT = {
    "client_id": "c", "client_secret": "s", "client_secret_expires_at": 0, "token_endpoint_auth_method": "none",
    "registration_client_uri": "https://id.example/r", "registration_access_token": "t",
    "redirect_uris": ["https://app.example/cb"], "scope": "a",
}  # fmt: skip
JRD = {
    "subject": "acct:ada@id.example", "rel": ISSUER_RELATION, "href": ISSUER,
    "links": [{"rel": ISSUER_RELATION, "href": ISSUER}],
}  # fmt: skip
RESOURCE = {"resource": "https://api.example/x", "authorization_servers": [ISSUER], "scopes_supported": ["a"]}

READERS: dict[str, tuple[Mapping[str, Any], Callable[[Any, httpx.Response], Any]]] = {
    "tokens": (TOKENS, lambda provider, came: to_token(provider.read_token_response(came), now=NOW)),
    "plain tokens": (TOKENS, lambda provider, came: read_token_response(provider, came)),
    "metadata": (DOCUMENT, lambda provider, came: read_metadata(came, ISSUER, openid())),
    "jwks": (jwks(rsa()), read_jwks),
    "userinfo": (PERSON, lambda provider, came: read_profile(provider, read_userinfo_response(provider, came))),
    "groups": (PERSON, lambda provider, came: read_groups(openid(groups_claim="groups"),
                                                          read_userinfo_response(provider, came))),
    "device": (DEVICE, read_device_response),
    "ciba": (CIBA, read_ciba_response),
    "par": ({"request_uri": "urn:x:1", "expires_in": 60}, read_par_response),
    "introspection": ({"active": True, "exp": 5}, read_introspection_response),
    "revocation": ({}, read_revocation_response),
    "registration": (CLIENT, lambda provider, came: read_registration_response(provider, METADATA, came)),
    "resource": (RESOURCE, lambda provider, came: read_resource_metadata(provider, RESOURCE["resource"], came)),
    "webfinger": (JRD, lambda provider, came: read_webfinger_response(came, "ada@id.example")),
    "retry-after": ({}, lambda provider, came: retry_after(came)),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_an_answer_is_read_or_refused(name: str) -> None:
    good, read = READERS[name]

    @fuzzed
    @given(answers(good or {"x": 1}), st.sampled_from(PROVIDERS))
    def attempt(came: httpx.Response, provider: Any) -> None:
        holds(lambda: read(provider, came), len(came.content) + sum(map(len, came.headers.values())))

    attempt()


# ── what a browser brings ────────────────────────────────────────────────────────────────────────────

_NAMES = ["state", "code", "iss", "error", "error_description", "error_uri", "id_token", "response", "scope", "token"]
_PAIRS = st.lists(st.tuples(st.sampled_from(_NAMES), words), max_size=8)


@fuzzed
@given(st.one_of(
    st.text(max_size=300),
    _PAIRS.map(lambda pairs: "https://app.example/callback?" + "&".join(f"{name}={value}" for name, value in pairs)),
    _PAIRS.map(dict),
    st.dictionaries(words, plain_json, max_size=6),
))  # fmt: skip
def test_a_callback_is_read_or_refused(came: Any) -> None:
    holds(lambda: read_callback(came, PROVIDERS), len(str(came)))
    holds(lambda: read_parameters(came, ("iss", "sid", "state")), len(str(came)))


_TOKEN = "t" * 43
_AUTHORIZATION = st.one_of(
    words,
    st.text(max_size=200),
    st.binary(max_size=60),
    st.sampled_from(["Bearer ", "bearer  ", "DPoP ", "Basic "]).flatmap(
        lambda scheme: st.sampled_from([_TOKEN, _TOKEN + " " + _TOKEN, "t" * 4000, ""]).map(lambda it: scheme + it)
    ),
)
_PING = st.one_of(
    bent(CIBA),
    plain_json.map(lambda it: json.dumps(it).encode("utf-8", "surrogatepass")),
    st.binary(max_size=200),
    deep,
    st.text(max_size=200),
    st.dictionaries(words, plain_json, max_size=4),
    plain_json,
    st.just(b" " * 1_000_000),
)


@fuzzed
@given(_AUTHORIZATION, _PING)
def test_a_ping_is_read_or_refused(authorization: Any, body: Any) -> None:
    holds(lambda: read_ping(authorization, body), len(str(authorization)) + len(str(body)))
    holds(lambda: read_ping(f"Bearer {_TOKEN}", body), len(str(body)))


@fuzzed
@given(_AUTHORIZATION, _PING)
def test_a_ping_that_nobody_waits_for_ends_nothing(authorization: Any, body: Any) -> None:
    from authflow import SessionManager

    with SessionManager([openid()], single_user=True) as manager:
        for token in (authorization, f"Bearer {_TOKEN}"):
            holds(lambda token=token: manager.ciba_notification(token, body), len(str(body)))


# ── how the application presents itself ──────────────────────────────────────────────────────────────

_URLS = st.one_of(
    words,
    st.text(max_size=200),
    st.lists(st.sampled_from(["https://", "http://", "app.example", "/", "/..", "/.", "?", "#", "@", "[", "]", ":",
                              "%2e", "client.json", "\n", "é", "\ud800"]), max_size=8).map("".join),
    plain_json,
)  # fmt: skip


@fuzzed
@given(_URLS, _URLS, st.dictionaries(st.one_of(words, st.sampled_from(["client_id", "client_secret"])), plain_json))
def test_a_client_id_document_is_made_or_refused(url: Any, redirect_uri: Any, more: Mapping[str, Any]) -> None:
    came = len(str((url, redirect_uri, more)))
    holds(lambda: check_client_id_url(url), came)

    def made() -> Any:
        client = ClientMetadata(client_name="App", client_id_metadata_url=url, more=dict(more))
        document = client_id_document(client, redirect_uri)
        assert (document["client_id"], document["redirect_uris"]) == (url, [redirect_uri])
        assert "client_secret" not in document
        return json.dumps(document)

    holds(made, came)


@fuzzed
@given(st.one_of(st.text(max_size=300), words))
def test_a_paste_is_an_address_or_a_word_to_the_human(came: str) -> None:
    holds(lambda: read_paste(came, "http://127.0.0.1:7/callback/acme"), len(came))


@fuzzed
@given(st.one_of(st.text(max_size=200), st.sampled_from(["https://[", "https://[::1%25x]:9", "http://127.1:99999"])))
def test_a_url_is_judged(came: str) -> None:
    holds(lambda: check_endpoint(came, allow_insecure_loopback=True), len(came))
    holds(lambda: check_redirect_uri(came), len(came))
    holds(lambda: is_private_host(came), len(came))


# ── signed things ────────────────────────────────────────────────────────────────────────────────────

_GOOD = sign(claims())
_SEGMENTS = _GOOD.split(".")
_TOKENS = st.one_of(
    words,
    st.text(max_size=200),
    st.tuples(st.sampled_from(_SEGMENTS), st.sampled_from(_SEGMENTS), st.sampled_from(_SEGMENTS)).map(".".join),
    st.tuples(st.binary(max_size=60), st.integers(0, len(_GOOD))).map(
        lambda it: _GOOD[: it[1]] + it[0].decode("latin-1") + _GOOD[it[1] :]
    ),
    st.dictionaries(st.sampled_from(["iss", "sub", "aud", "exp", "iat", "nbf", "nonce", "azp", "auth_time", "at_hash"]),
                    plain_json.filter(lambda it: "\\ud" not in json.dumps(it)), max_size=3)
    .map(lambda changes: sign({**claims(), **changes})),
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "jku", "zip"]), words.filter(str.isascii), max_size=2)
    .map(lambda header: _header(header)),
)  # fmt: skip


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _header(changes: Mapping[str, str]) -> str:
    text = json.dumps({"alg": "RS256", "kid": "rsa-1", **changes}).encode()
    return ".".join([_base64(text), *_SEGMENTS[1:]])


@fuzzed
@given(_TOKENS)
def test_an_id_token_and_a_logout_token_are_verified_or_refused(came: Any) -> None:
    keys, expected = public(rsa()), Expected(nonce=NONCE, access_token="at", max_age=60)
    holds(lambda: verify_id_token(openid(), METADATA, keys, came, expected, now=NOW), len(str(came)))
    holds(lambda: verify_logout_token(openid(), METADATA, keys, came, now=NOW), len(str(came)))


# ── encrypted things ─────────────────────────────────────────────────────────────────────────────────

_OPENING = {
    "RSA-OAEP-256": PrivateKey(RSAKey.generate_key(2048)),
    "ECDH-ES+A128KW": PrivateKey(ECKey.generate_key("P-256")),
    "ECDH-ES": PrivateKey(ECKey.generate_key("P-521")),
}
_POINTS = st.one_of(
    st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "d", "k"]), st.one_of(words, plain_json), max_size=5),
    st.sampled_from([{"kty": "EC", "crv": crv, "x": "AA", "y": "AA"} for crv in ("P-256", "P-521", "secp256k1", "X")]),
    plain_json,
)


@fuzzed
@given(
    st.sampled_from([*_OPENING]),
    st.dictionaries(st.sampled_from(["epk", "apu", "apv", "kid", "typ", "cty", "p2c", "p2s", "zip", "iv", "tag"]),
                    st.one_of(_POINTS, words), max_size=4),
    st.lists(st.one_of(st.just(""), st.just("AAAA"), st.binary(max_size=40).map(_base64)), min_size=4, max_size=4),
    st.booleans(),
)  # fmt: skip
def test_an_encrypted_token_is_opened_or_refused(alg: str, said: dict[str, Any], parts: list[str], whole: bool) -> None:
    key = _OPENING[alg]
    provider = openid(id_token_encrypted_response_alg=alg, decryption_keys=[key])
    honest = encrypt_jwt(sign(claims()), key.jose, alg, "A128CBC-HS256").split(".")
    header = {**json.loads(base64.urlsafe_b64decode(honest[0] + "==")), **said}
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    token = ".".join([_base64(text), *(honest[1:] if whole else parts)])
    holds(lambda: open_id_token(provider, token), len(token))


# ── headers ──────────────────────────────────────────────────────────────────────────────────────────

_CHALLENGE = st.one_of(
    st.text(max_size=200),
    st.lists(st.sampled_from(["Bearer ", "DPoP ", "error=", '"', "\\", ",", "=", "insufficient_scope", "scope=",
                              "max_age=", "acr_values=", "9" * 400, "resource_metadata=", "https://x", " "]),
             max_size=30).map("".join),
)  # fmt: skip


@fuzzed
@given(st.lists(_CHALLENGE, max_size=4), st.sampled_from([200, 401, 403]))
def test_a_challenge_is_read(came: list[str], status: int) -> None:
    length = sum(map(len, came))
    holds(lambda: read_challenges(came), length)
    holds(lambda: read_step_up(status, came), length)
    holds(lambda: read_resource_challenge(came), length)


# ── what was stored ──────────────────────────────────────────────────────────────────────────────────

_RECORD = bytes(SessionRecord(token=Token("at", refresh_token="rt")))
_PENDING = msgspec.msgpack.encode(Pending("a", "/acme/", "v", "https://app.example/cb", 0.0, 9e9))


def _spoiled(good: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(
        st.binary(max_size=200),
        st.tuples(st.integers(0, len(good) - 1), st.binary(max_size=8)).map(
            lambda it: good[: it[0]] + it[1] + good[it[0] + len(it[1]) :]
        ),
        plain_json.map(_packed),
    )


def _packed(value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except OverflowError:
        return b""


@fuzzed
@given(_spoiled(_RECORD))
def test_a_stored_session_is_read_or_refused_and_never_overwritten(came: bytes) -> None:
    from authflow import SessionManager

    with SessionManager([openid()], single_user=True) as manager:
        manager.store.swap("session//example/", 0, came)
        holds(lambda: manager["example"].state, len(came))
        holds(lambda: manager["example"].user, len(came))
        holds(lambda: manager["example"].claims, len(came))


@fuzzed
@given(_spoiled(_PENDING))
def test_a_stored_attempt_is_read_or_refused(came: bytes) -> None:
    from authflow import SessionManager
    from authflow.operations.pending import PENDING_PREFIX, hash_of

    with SessionManager([openid()], single_user=True) as manager:
        manager.store.swap(PENDING_PREFIX + hash_of("state"), 0, came)
        holds(lambda: load_pending(manager._house, "state"), len(came))
        holds(lambda: manager.complete({"state": "state", "code": "c"}, binding="b"), len(came))


@fuzzed
@given(st.one_of(st.text(max_size=200), bent(TOKENS).map(lambda it: it.decode("utf-8", "replace"))))
def test_a_saved_token_is_read_or_refused(came: str) -> None:
    def read() -> Any:
        try:
            return Token.from_json(came)
        except ValueError as error:
            return str(error)

    holds(read, len(came))


def test_a_good_attempt_is_stored_and_read() -> None:
    from authflow import SessionManager

    with SessionManager([openid()], single_user=True) as manager:
        store_pending(manager._house, "state", msgspec.msgpack.decode(_PENDING, type=Pending))
        assert load_pending(manager._house, "state") is not None
