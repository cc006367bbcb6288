"""How the development provider is asked: what was pushed with a proof, and what a client hosts."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.responses import RedirectResponse, Response

from authflow.protocol.dpop import Binding, Nonces
from authflow.protocol.private_key import PrivateKey
from authflow.protocol.step import Moment
from authflow.testing import DevProvider
from authflow.testing.asked import LONGEST_OBJECT
from authflow.testing.grants import s256

from .hosting import Host, hosted
from .plain_client import REDIRECT_URI, answer_of

KEY, OTHER = PrivateKey.generate("ES256"), PrivateKey.generate("ES256")
CLIENT = "signer"


@pytest.fixture
def dev() -> Iterator[DevProvider]:
    with DevProvider(auto="ada", algorithm="ES256").serve() as provider:
        made = provider.client(CLIENT, None, [REDIRECT_URI])
        made.request_keys = [KEY.public_jwk()]
        yield provider


@pytest.fixture
def host() -> Iterator[Host]:
    with hosted() as made:
        yield made


def request_object(dev: DevProvider, key: PrivateKey = KEY, **changes: Any) -> str:
    now = int(dev.now())
    claims = {
        "iss": CLIENT, "aud": dev.issuer, "client_id": CLIENT, "response_type": "code", "redirect_uri": REDIRECT_URI,
        "state": "state-of-the-object", "code_challenge": s256("v" * 43), "code_challenge_method": "S256",
        "scope": "openid", "iat": now, "nbf": now, "exp": now + 60, **changes,
    }  # fmt: skip
    return key.sign({"typ": "oauth-authz-req+jwt"}, claims, "ES256")


def authorize(dev: DevProvider, reference: str, **beside: str) -> httpx.Response:
    asked = {"client_id": CLIENT, "request_uri": reference, **beside}
    return httpx.get(f"{dev.url}/authorize?{urlencode(asked)}", trust_env=False)


def test_a_hosted_request_is_fetched_and_is_the_only_word(dev: DevProvider, host: Host) -> None:
    answer = authorize(dev, host.put("/", Response(request_object(dev))), state="state-of-the-query")
    assert answer_of(answer)["state"] == "state-of-the-object"
    assert answer_of(answer)["code"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda dev: Response(request_object(dev, OTHER)),
        lambda dev: Response(request_object(dev, iss="another")),
        lambda dev: Response(request_object(dev, exp=1)),
        lambda dev: Response("no object"),
        lambda dev: Response(status_code=404),
        lambda dev: RedirectResponse(f"{dev.url}/jwks"),
        lambda dev: Response(b"x" * (LONGEST_OBJECT + 1)),
    ],
    ids=["stranger's", "of another client", "expired", "no JWT", "nothing there", "a redirect", "too long"],
)
def test_what_is_no_request_of_this_client_is_not_taken(dev: DevProvider, host: Host, answer: Any) -> None:
    refused = authorize(dev, host.put("/", answer(dev)))
    assert refused.status_code == 400
    assert "This request is not taken" in refused.text


@pytest.mark.parametrize(
    "reference", ["https://192.0.2.1/r", "http://169.254.169.254/r", "file:///etc/passwd", "http://127.0.0.1:1/r", "http://[::1"]
)
def test_only_this_machine_is_asked(dev: DevProvider, reference: str) -> None:
    refused = authorize(dev, reference)
    assert refused.status_code == 400
    assert "This request is not taken" in refused.text


def test_a_client_that_signs_no_requests_hosts_none(dev: DevProvider, host: Host) -> None:
    dev.clients[CLIENT].request_keys = []
    assert authorize(dev, host.put("/", Response(request_object(dev)))).status_code == 400


def test_a_client_that_signs_no_requests_hands_none_over(dev: DevProvider) -> None:
    dev.clients[CLIENT].request_keys = []
    asked = urlencode({"client_id": CLIENT, "request": request_object(dev)})
    assert httpx.get(f"{dev.url}/authorize?{asked}", trust_env=False).status_code == 400


def test_a_client_that_must_push_hosts_none(dev: DevProvider, host: Host) -> None:
    dev.clients[CLIENT].must_push = True
    assert authorize(dev, host.put("/", Response(request_object(dev)))).status_code == 400


# ── a proof beside a pushed request (RFC 9449 §10.1) ─────────────────────────────────────────────────


def push(dev: DevProvider, *, key: PrivateKey = KEY, nonces: Nonces | None = None, **more: str) -> httpx.Response:
    dev.clients[CLIENT].request_keys = []
    binding = Binding(key, nonces or Nonces())
    form = {
        "client_id": CLIENT, "response_type": "code", "redirect_uri": REDIRECT_URI, "state": "s", "scope": "openid",
        "code_challenge": s256("v" * 43), "code_challenge_method": "S256", **more,
    }  # fmt: skip
    proof = binding.prove("POST", f"{dev.url}/par", Moment(dev.now(), token_urlsafe()))
    return httpx.post(f"{dev.url}/par", data=form, headers={"dpop": proof}, trust_env=False)


def redeem(dev: DevProvider, pushed: httpx.Response, key: PrivateKey) -> httpx.Response:
    code = answer_of(authorize(dev, pushed.json()["request_uri"]))["code"]
    form = {
        "client_id": CLIENT, "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI,
        "code_verifier": "v" * 43,
    }  # fmt: skip
    proof = Binding(key, Nonces()).prove("POST", f"{dev.url}/token", Moment(dev.now(), token_urlsafe()))
    return httpx.post(f"{dev.url}/token", data=form, headers={"dpop": proof}, trust_env=False)


def test_a_code_that_was_pushed_for_with_a_proof_is_good_for_that_key_only(dev: DevProvider) -> None:
    assert redeem(dev, push(dev), KEY).json()["token_type"] == "DPoP"
    assert redeem(dev, push(dev), OTHER).json()["error"] == "invalid_grant"


def test_a_proof_of_another_key_than_the_parameter_is_refused(dev: DevProvider) -> None:
    assert push(dev, dpop_jkt=KEY.thumbprint()).status_code == 201
    assert push(dev, dpop_jkt=OTHER.thumbprint()).json()["error"] == "invalid_dpop_proof"


def test_a_nonce_is_demanded_of_a_proof_here_too(dev: DevProvider) -> None:
    dev.dpop_nonces = True
    answer = push(dev)
    assert (answer.json()["error"], answer.headers["dpop-nonce"]) == ("use_dpop_nonce", dev.proofs.nonce)
    nonces = Nonces()
    nonces.keep(dev.url, answer.headers)
    assert push(dev, nonces=nonces).status_code == 201


# ── without a browser (CIBA Core §7.1.1) ──


def question(dev: DevProvider, key: PrivateKey = KEY, typ: str = "oauth-authz-req+jwt", **changes: Any) -> str:
    now = int(dev.now())
    claims = {
        "iss": CLIENT, "aud": dev.issuer, "iat": now, "nbf": now, "exp": now + 60, "jti": token_urlsafe(),
        "scope": "openid", "login_hint": "ada", **changes,
    }  # fmt: skip
    return key.sign({"typ": typ}, {name: value for name, value in claims.items() if value is not None}, "ES256")


def ask(dev: DevProvider, **form: str) -> httpx.Response:
    return httpx.post(f"{dev.url}/bc-authorize", data={"client_id": CLIENT, **form}, trust_env=False)


def test_a_signed_question_is_asked_once(dev: DevProvider) -> None:
    signed = question(dev, requested_expiry=60)
    asked = ask(dev, request=signed)
    assert asked.status_code == 200
    assert asked.json()["expires_in"] <= 60
    assert "used before" in ask(dev, request=signed).json()["error_description"]


def test_a_question_of_a_client_that_signs_must_be_signed(dev: DevProvider) -> None:
    refused = ask(dev, scope="openid", login_hint="ada")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_a_signed_question_has_nothing_beside_it(dev: DevProvider) -> None:
    assert ask(dev, request=question(dev), login_hint="grace").json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    "changes",
    [
        {"key": OTHER}, {"typ": "JWT"}, {"iss": "another"}, {"aud": "https://elsewhere.example"}, {"exp": 1},
        {"exp": None}, {"exp": 2**40}, {"iat": None}, {"nbf": None}, {"nbf": 2**40}, {"nbf": "now"}, {"jti": None},
        {"login_hint": ["ada"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_signed_question_that_is_not_in_order_is_asked_of_nobody(dev: DevProvider, changes: dict[str, Any]) -> None:
    refused = ask(dev, request=question(dev, **changes))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request")


def test_a_signed_question_is_meant_for_the_issuer_and_not_for_an_endpoint(dev: DevProvider) -> None:
    assert ask(dev, request=question(dev, aud=f"{dev.url}/token")).json()["error"] == "invalid_request"
