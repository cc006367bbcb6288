"""Rich authorization requests: a list of typed objects, asked for and granted."""

import json

import pytest

from authflow.errors import ConfigurationError, ResponseInvalid
from authflow.protocol.rar import build_authorization_details, check_granted_details
from authflow.protocol.token import to_token, token_response

from .issuer import NOW

PAYMENT = {"type": "payment_initiation", "amount": {"currency": "EUR", "amount": "123.50"}}


def test_the_parameter_is_json():
    assert json.loads(build_authorization_details([PAYMENT])) == [PAYMENT]


@pytest.mark.parametrize(
    "details", ["x", [{}], [{"type": ""}], [{"type": 7}], ["payment"], [{"type": "x", "at": object()}]]
)
def test_what_is_no_list_of_typed_objects_is_refused(details):
    with pytest.raises(ConfigurationError):
        build_authorization_details(details)


def test_what_was_granted_is_kept_on_the_token():
    answer = token_response({"access_token": "at", "authorization_details": [PAYMENT]})
    assert to_token(answer, now=NOW).authorization_details == (PAYMENT,)


def test_a_token_without_details_has_none():
    assert to_token(token_response({"access_token": "at"}), now=NOW).authorization_details == ()


@pytest.mark.parametrize("details", [{}, "x", [7], [{}], [{"type": None}]])
def test_an_answer_whose_details_are_no_such_list_is_refused(details):
    with pytest.raises(ResponseInvalid):
        check_granted_details({"authorization_details": details})
