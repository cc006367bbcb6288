"""What the development provider takes as a proof of a client or of a key, and that it takes each once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from authflow.protocol.client_auth import ASSERTION_TYPE
from authflow.protocol.dpop import Binding, Nonces
from authflow.protocol.private_key import PrivateKey
from authflow.protocol.step import Moment
from authflow.testing import DevProvider

KEY, OTHER = PrivateKey.generate("ES256"), PrivateKey.generate("ES256")


@pytest.fixture
def dev() -> Iterator[DevProvider]:
    with DevProvider(auto="ada").serve() as provider:
        provider.client("service", None, keys=[KEY.public_jwk()])
        yield provider


def assertion(dev: DevProvider, key: PrivateKey = KEY, **changes: Any) -> dict[str, str]:
    now = int(dev.now())
    claims = {"iss": "service", "sub": "service", "aud": dev.issuer, "jti": "j", "exp": now + 60, **changes}
    return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": key.sign({}, claims, "ES256")}


def ask(dev: DevProvider, form: dict[str, str], **headers: str) -> httpx.Response:
    full = {"grant_type": "client_credentials", **form}
    return httpx.post(f"{dev.url}/token", data=full, headers=headers, trust_env=False)


def proof(dev: DevProvider, jti: str = "p", *, key: PrivateKey = KEY, url: str = "", **more: Any) -> str:
    moment = Moment(more.pop("now", dev.now()), jti)
    return Binding(key, Nonces()).prove(more.pop("method", "POST"), url or f"{dev.url}/token", moment, **more)


def test_an_assertion_is_taken_once(dev: DevProvider) -> None:
    assert ask(dev, assertion(dev)).status_code == 200
    assert ask(dev, assertion(dev)).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example"}, {"aud": ["https://other.example"]}, {"iss": "other"}, {"sub": "nobody"},
        {"exp": 1}, {"exp": 2**40}, {"exp": "soon"}, {"key": OTHER},
    ],
    ids=str,
)  # fmt: skip
def test_an_assertion_with_a_fault_is_none(dev: DevProvider, changes: dict[str, Any]) -> None:
    assert ask(dev, assertion(dev, **changes)).json()["error"] == "invalid_client"


def test_a_client_uses_one_way_to_prove_itself(dev: DevProvider) -> None:
    assert ask(dev, {**assertion(dev), "client_secret": "x"}).json()["error"] == "invalid_request"
    assert ask(dev, {**assertion(dev), "client_id": "dev-app"}).json()["error"] == "invalid_client"
    assert ask(dev, {"client_id": "service"}).json()["error"] == "invalid_client"


def test_a_proof_binds_the_token_and_is_taken_once(dev: DevProvider) -> None:
    answer = ask(dev, assertion(dev), dpop=proof(dev))
    assert answer.json()["token_type"] == "DPoP"
    assert ask(dev, assertion(dev, jti="k"), dpop=proof(dev)).json()["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize("wrong", [{"url": "https://other.example/token"}, {"method": "GET"}, {"now": 1.0}], ids=str)
def test_a_proof_of_another_request_or_time_is_none(dev: DevProvider, wrong: dict[str, Any]) -> None:
    assert ask(dev, assertion(dev), dpop=proof(dev, **wrong)).json()["error"] == "invalid_dpop_proof"
    assert ask(dev, assertion(dev), dpop="no.proof").json()["error"] == "invalid_dpop_proof"


def test_a_nonce_is_demanded_and_told(dev: DevProvider) -> None:
    dev.dpop_nonces = True
    answer = ask(dev, assertion(dev), dpop=proof(dev))
    assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce")
    assert answer.headers["dpop-nonce"] == dev.proofs.nonce


@pytest.mark.parametrize("wrong", ["nothing", "another key", "another token", "as a bearer's"])
def test_a_bound_token_opens_nothing_without_its_proof(dev: DevProvider, wrong: str) -> None:
    token = ask(dev, assertion(dev), dpop=proof(dev)).json()["access_token"]
    api = f"{dev.url}/api/me"
    given = {"key": OTHER if wrong == "another key" else KEY, "method": "GET", "url": api}
    shown = proof(dev, "q", access_token="x" if wrong == "another token" else token, **given)
    headers = {"authorization": f"{'Bearer' if wrong.startswith('as') else 'DPoP'} {token}"}
    if wrong != "nothing":
        headers["dpop"] = shown
    assert httpx.get(api, headers=headers, trust_env=False).status_code == 401
    good = {"authorization": f"DPoP {token}", "dpop": proof(dev, "r", method="GET", url=api, access_token=token)}
    assert httpx.get(api, headers=good, trust_env=False).status_code == 200
