"""JARM: an answer that is a JWT, and every way to lie with one."""

import pytest
from joserfc.jwk import OctKey

from authflow.errors import CallbackRejected, Phase, ValidationFailed
from authflow.protocol.callback import read_callback
from authflow.protocol.jarm import verify_response
from authflow.protocol.jwt import UnknownKey

from .issuer import ISSUER, METADATA, NOW, ec, forge, openid, public, rsa, sign


def said(**changes):
    good = {"iss": ISSUER, "aud": "client-1", "exp": NOW + 60, "state": "state-1", "code": "code-1", **changes}
    return {name: value for name, value in good.items() if value is not None}


def verify(response, provider=None, keys=None):
    params = read_callback({"response": response})
    return verify_response(provider or openid(), METADATA, keys or public(rsa()), params, now=NOW)


def refused(response, **given):
    with pytest.raises(ValidationFailed) as caught:
        verify(response, **given)
    return caught.value.check


def test_a_signed_answer_is_read():
    params = verify(sign(said()))
    assert (params.state, params.code, params.iss) == ("state-1", "code-1", ISSUER)


def test_a_signed_error_is_read():
    params = verify(sign(said(code=None, error="access_denied", error_description="No.")))
    assert (params.error, params.error_description, params.code) == ("access_denied", "No.", None)


def test_every_algorithm_of_the_provider_will_do():
    assert verify(sign(said(), ec(), "ES256"), keys=public(ec())).code == "code-1"


def test_the_state_that_leads_to_the_attempt_is_read_from_the_jwt():
    assert read_callback(f"https://app.example/cb?response={sign(said())}").state == "state-1"


@pytest.mark.parametrize("response", ["x", "a.b.c", forge({"alg": "RS256"}, {"code": "c"}), forge({}, {"state": 7})])
def test_a_jwt_that_leads_to_no_attempt_ends_none(response):
    with pytest.raises(CallbackRejected):
        read_callback({"response": response})


def test_a_plain_answer_is_refused_where_a_jwt_was_asked_for():
    params = read_callback({"state": "state-1", "code": "code-1", "iss": ISSUER})
    with pytest.raises(ValidationFailed) as caught:
        verify_response(openid(), METADATA, public(rsa()), params, now=NOW)
    assert (caught.value.check, caught.value.phase) == ("response", Phase.CALLBACK)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS256"])
def test_an_algorithm_that_is_not_on_the_list_is_refused(alg):
    assert refused(forge({"alg": alg}, said())) == "alg"


def test_an_answer_signed_with_the_client_secret_needs_the_setting():
    secret = "0123456789abcdef0123456789abcdef"
    response = sign(said(), OctKey.import_key(secret), "HS256", kid=None)
    assert refused(response, provider=openid(client_secret=secret)) == "alg"
    assert verify(response, openid(client_secret=secret, algorithms=["HS256"])).code == "code-1"


@pytest.mark.parametrize("iss", [None, "https://evil.example", f"{ISSUER}/", 7])
def test_an_answer_of_another_issuer_is_refused(iss):
    assert refused(sign(said(iss=iss))) == "iss"


@pytest.mark.parametrize("aud", [None, "client-2", [], ["client-2"], 7])
def test_an_answer_for_another_client_is_refused(aud):
    assert refused(sign(said(aud=aud))) == "aud"


@pytest.mark.parametrize("exp", [None, NOW - 61, "soon", True])
def test_an_answer_without_an_end_or_after_it_is_refused(exp):
    assert refused(sign(said(exp=exp))) == "exp"


def test_a_changed_answer_is_refused():
    header, _, signature = sign(said()).split(".")
    _, other, _ = forge({}, said(code="code-of-somebody-else")).split(".")
    assert refused(f"{header}.{other}.{signature}") == "signature"


def test_an_unknown_key_may_be_cured_by_fetching_the_keys():
    with pytest.raises(UnknownKey):
        verify(sign(said(), rsa("rsa-2")))


def test_another_kind_of_token_is_no_answer():
    assert refused(sign(said(), typ="logout+jwt")) == "typ"


def test_a_state_beside_the_jwt_must_be_the_one_in_it():
    params = read_callback({"response": sign(said()), "state": "state-of-another-attempt"})
    with pytest.raises(ValidationFailed) as caught:
        verify_response(openid(), METADATA, public(rsa()), params, now=NOW)
    assert caught.value.check == "state"
