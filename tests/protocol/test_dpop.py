"""DPoP proofs: what is in them, whose nonce goes where, and how often a request is sent."""

import base64
import hashlib
import json

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from authflow.errors import ConfigurationError, ConnectFailed, Phase, ValidationFailed
from authflow.protocol.dpop import (
    Binding,
    Nonces,
    bind,
    check_bound,
    check_dpop_alg,
    fetch_bound,
    htu,
    jkt,
    new_key,
    wants_nonce,
)
from authflow.protocol.private_key import PrivateKey
from authflow.protocol.step import build_request, fetch

from .issuer import METADATA, MOMENT, NOW, answer, drive, openid

KEY = PrivateKey.generate("ES256")
TOKEN_URL = "https://id.example/token"
API = "https://api.example/things"


def binding():
    return Binding(KEY, Nonces())


def read(proof):
    """Header and claims of a proof, its signature checked with the key in its own header."""
    header = json.loads(base64.urlsafe_b64decode(proof.partition(".")[0] + "=="))
    return header, jwt.decode(proof, ECKey.import_key(header["jwk"])).claims


def ask_for_nonce(nonce, status=400):
    if status == 400:
        return answer({"error": "use_dpop_nonce"}, 400, dpop_nonce=nonce)
    return answer(b"", 401, dpop_nonce=nonce, www_authenticate='DPoP error="use_dpop_nonce"')


def token_request():
    return build_request("POST", TOKEN_URL, form={"grant_type": "x"})
    yield


# ── the proof ──


def test_a_proof_is_for_one_request():
    header, claims = read(binding().prove("POST", TOKEN_URL, MOMENT))
    assert header == {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.bare_jwk()}
    assert claims == {"jti": MOMENT.jti, "htm": "POST", "htu": TOKEN_URL, "iat": int(NOW)}


def test_a069_the_private_half_is_not_in_it():
    header, _ = read(binding().prove("GET", API, MOMENT))
    assert "d" not in header["jwk"]


def test_a069_it_names_the_url_without_query_and_fragment():
    assert htu("https://api.example:8443/a/b?token=secret#part") == "https://api.example:8443/a/b"
    assert htu("https://api.example") == "https://api.example/"


def test_a069_a_proof_beside_a_token_holds_its_hash():
    _, claims = read(binding().prove("GET", API, MOMENT, access_token="at-1"))
    digest = hashlib.sha256(b"at-1").digest()
    assert claims["ath"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def test_a_key_is_made_for_each_session_and_only_where_it_is_asked_for():
    provider = openid(dpop=True, dpop_alg="EdDSA")
    first, second = new_key(provider), new_key(provider)
    assert first != second
    assert PrivateKey.load(first).alg == "EdDSA"
    assert jkt(first) == PrivateKey.load(first).thumbprint()
    assert new_key(openid()) is None
    assert Binding.of(None, Nonces()) is None
    assert Binding.of(first, Nonces()).key == PrivateKey.load(first)


@pytest.mark.parametrize("settings", [{"dpop": "yes"}, {"dpop": True, "dpop_alg": "HS256"}, {"dpop_alg": "none"}])
def test_settings_that_prove_nothing_are_refused(settings):
    with pytest.raises(ConfigurationError):
        openid(**settings)


def test_a_provider_that_takes_other_signatures_is_a_matter_of_configuration():
    listing = msgspec.structs.replace(METADATA, dpop_signing_alg_values_supported=("PS256", "EdDSA"))
    with pytest.raises(ConfigurationError, match="PS256, EdDSA"):
        check_dpop_alg(openid(dpop=True), listing)
    check_dpop_alg(openid(dpop=True, dpop_alg="EdDSA"), listing)
    check_dpop_alg(openid(dpop=True), METADATA)
    check_dpop_alg(openid(), listing)


# ── nonces ──


def test_a_nonce_is_its_origins_alone_and_the_newest_counts():
    mine = binding()
    for nonce in ("old", "new"):
        mine.nonces.keep(TOKEN_URL, {"dpop-nonce": nonce})
    assert read(mine.prove("POST", "https://ID.example/other", MOMENT))[1]["nonce"] == "new"
    assert "nonce" not in read(mine.prove("GET", API, MOMENT))[1]


@pytest.mark.parametrize("said", [None, "", "with space", 'quo"te', "x" * 2000, "é"])
def test_what_is_no_nonce_is_not_kept(said):
    nonces = Nonces()
    assert nonces.keep(API, {} if said is None else {"dpop-nonce": said}) is None
    assert nonces.get(API) is None


def test_only_so_many_origins_are_remembered():
    nonces = Nonces()
    for n in range(200):
        nonces.keep(f"https://host-{n}.example/", {"dpop-nonce": "n"})
    assert nonces.get("https://host-0.example/") is None
    assert nonces.get("https://host-199.example/") == "n"


@pytest.mark.parametrize("header", ['DPoP error="use_dpop_nonce"', 'Bearer, dpop algs="ES256", error=use_dpop_nonce'])
def test_an_api_says_so_in_its_challenge_whatever_the_case(header):
    assert wants_nonce(answer(b"", 401, www_authenticate=header))


@pytest.mark.parametrize(
    "response",
    [answer({"error": "invalid_grant"}, 400), answer(b"<html>", 400), answer({"error": "use_dpop_nonce"}),
     answer(b"", 401), answer(b"", 401, www_authenticate='DPoP error="invalid_token"')],
)  # fmt: skip
def test_nothing_else_asks_for_a_nonce(response):
    assert not wants_nonce(response)


# ── sending ──


def test_a_request_that_is_refused_for_want_of_a_nonce_is_made_anew_once():
    mine = binding()
    response, asked = drive(fetch_bound(token_request, mine), ask_for_nonce("n-1"), answer({"access_token": "x"}))
    assert response.status_code == 200
    first, second = (read(request.headers["dpop"])[1] for request in asked)
    assert "nonce" not in first
    assert second["nonce"] == "n-1"
    assert first["jti"] != second["jti"]
    assert asked[0] is not asked[1]


def test_a069_a_server_that_always_wants_another_nonce_is_asked_twice():
    response, asked = drive(fetch_bound(token_request, binding()), ask_for_nonce("n-1"), ask_for_nonce("n-2"))
    assert (response.status_code, len(asked)) == (400, 2)


def test_a069_without_a_nonce_in_its_answer_it_is_asked_once():
    response, asked = drive(fetch_bound(token_request, binding()), answer({"error": "use_dpop_nonce"}, 400))
    assert (response.status_code, len(asked)) == (400, 1)


def test_a_nonce_of_a_good_answer_is_used_at_once_next_time():
    mine = binding()
    drive(fetch_bound(token_request, mine), answer({}, 200, dpop_nonce="next"))
    _, asked = drive(fetch_bound(token_request, mine), answer({}))
    assert read(asked[0].headers["dpop"])[1]["nonce"] == "next"


def userinfo(url=API, token="at-1"):
    request = httpx.Request("GET", url, headers={"authorization": f"Bearer {token}"})
    response = yield from fetch(request)
    return response.status_code


def test_what_a_flow_sends_with_the_token_goes_with_a_proof():
    outcome, asked = drive(bind(userinfo(), binding(), "at-1"), ask_for_nonce("n-1", 401), answer({}))
    assert outcome == 200
    assert [request.headers["authorization"] for request in asked] == ["DPoP at-1"] * 2
    assert read(asked[1].headers["dpop"])[1]["nonce"] == "n-1"
    assert "ath" in read(asked[1].headers["dpop"])[1]
    # What was sent is not changed afterwards.
    assert "nonce" not in read(asked[0].headers["dpop"])[1]


def test_another_token_of_a_flow_stays_a_bearer_token():
    _, asked = drive(bind(userinfo(token="other"), binding(), "at-1"), answer({}))
    assert asked[0].headers["authorization"] == "Bearer other"
    assert "dpop" not in asked[0].headers
    _, asked = drive(bind(userinfo(), None, "at-1"), answer({}))
    assert asked[0].headers["authorization"] == "Bearer at-1"


def test_an_error_of_the_wire_reaches_the_flow():
    def careful():
        try:
            return (yield from userinfo())
        except ConnectFailed:
            return "offline"

    assert drive(bind(careful(), binding(), "at-1"), ConnectFailed("no"))[0] == "offline"


# ── what was asked for is what came ──


@pytest.mark.parametrize(
    ("dpop", "bound", "token_type"), [(True, True, "Bearer"), (False, False, "DPoP")]
)
def test_tokens_of_the_other_kind_are_refused(dpop, bound, token_type):
    with pytest.raises(ValidationFailed) as caught:
        check_bound(openid(dpop=dpop), binding() if bound else None, token_type)
    assert (caught.value.check, caught.value.phase) == ("token_type", Phase.EXCHANGE)


@pytest.mark.parametrize(
    ("dpop", "bound", "token_type"),
    [(True, True, "DPoP"), ("optional", True, "DPoP"), ("optional", True, "Bearer"), (False, False, "Bearer")],
)
def test_a_bearer_token_in_place_of_a_bound_one_is_taken_where_the_settings_say_so(dpop, bound, token_type):
    check_bound(openid(dpop=dpop), binding() if bound else None, token_type)


def test_nothing_shows_the_key_or_a_nonce():
    mine = binding()
    mine.nonces.keep(API, {"dpop-nonce": "canary-nonce"})
    shown = repr(mine) + repr(mine.nonces)
    assert "canary" not in shown
    assert json.loads(KEY.dump())["d"] not in shown
