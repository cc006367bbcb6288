"""The claims parameter: what is asked for by name, and what the answer owes."""

import json

import pytest

from authflow.errors import ConfigurationError, Recovery, ValidationFailed
from authflow.protocol.asked_claims import build_claims_parameter, check_asked_claims, with_hinted_subject

from .issuer import claims, forge, sign


def test_the_parameter_is_json():
    asked = {"id_token": {"acr": {"essential": True, "values": ["mfa"]}}, "userinfo": {"email": None}}
    assert json.loads(build_claims_parameter(asked)) == asked


@pytest.mark.parametrize(
    "asked",
    [{}, {"acr": None}, {"id_token": ["acr"]}, {"id_token": {"acr": "m"}}, {"id_token": {"acr": {"value": object()}}}],
)
def test_what_is_no_request_for_claims_is_refused(asked):
    with pytest.raises(ConfigurationError):
        build_claims_parameter(asked)


def owes(wish, said, place="id_token"):
    try:
        check_asked_claims({place: wish}, place, said)
    except ValidationFailed as error:
        return error.check
    return None


@pytest.mark.parametrize(
    ("wish", "said", "check"),
    [
        ({"acr": {"essential": True, "values": ["mfa", "hw"]}}, {"acr": "hw"}, None),
        ({"acr": {"essential": True, "values": ["mfa", "hw"]}}, {"acr": "pwd"}, "acr"),
        ({"acr": {"essential": True, "value": "mfa"}}, {}, "acr"),
        ({"acr": {"values": ["mfa"]}}, {"acr": "pwd"}, None),
        ({"acr": None}, {}, None),
        ({"email": {"essential": True}}, {}, None),
        ({"auth_time": {"essential": True}}, {}, "auth_time"),
        ({"auth_time": {"essential": True}}, {"auth_time": 1}, None),
        ({"sub": {"value": "user-1"}}, {"sub": "user-1"}, None),
        ({"sub": {"value": "user-1"}}, {"sub": "user-2"}, "sub"),
    ],
)
def test_only_an_essential_claim_that_is_contradicted_is_owed(wish, said, check):
    assert owes(wish, said) == check
    assert owes(wish, said, "userinfo") == check


def test_a_claim_of_another_place_is_not_looked_at():
    check_asked_claims({"userinfo": {"acr": {"essential": True, "value": "mfa"}}}, "id_token", {})


def test_a_weaker_sign_in_can_be_cured_by_a_stronger_one():
    with pytest.raises(ValidationFailed) as caught:
        check_asked_claims({"id_token": {"acr": {"essential": True, "value": "mfa"}}}, "id_token", {})
    assert caught.value.recovery is Recovery.STEP_UP


def test_a_hint_says_whose_login_it_must_be():
    asked = with_hinted_subject({"id_token": {"acr": None}}, sign(claims()))
    assert asked == {"id_token": {"acr": None, "sub": {"value": "user-1"}}}


@pytest.mark.parametrize("hint", [None, "", "opaque", forge([], {})])
def test_a_hint_that_cannot_be_read_says_nothing(hint):
    assert with_hinted_subject({}, hint) == {}
