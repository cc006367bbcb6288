"""What every answer goes through: depth, dotted paths, challenges, and nothing of ours in an error."""

import pytest

from authflow.errors import InvalidClient, OAuthError, Phase, ResponseInvalid
from authflow.protocol.reading import dig, is_number, read_object, too_deep
from authflow.protocol.userinfo import read_userinfo_response

from .issuer import answer, openid


def test_a_path_leads_through_objects_and_lists():
    data = {"data": {"id": 7, "names": [{"text": "Ada"}]}, "https://slack.com/user_id": "U1", "a.b": 1}
    assert dig(data, "data.id") == 7
    assert dig(data, "data.names.0.text") == "Ada"
    assert dig(data, "https://slack.com/user_id") == "U1"
    assert dig(data, "a.b") == 1
    for path in ("data.names.1.text", "data.id.x", "nothing", "data.names.-1", "", ".", "data.names.²"):
        assert dig(data, path) is None


def test_true_is_no_number():
    assert [is_number(value) for value in (1, 1.5, True, "1", None, float("nan"), float("inf"))] == [
        True, True, False, False, False, False, False,
    ]  # fmt: skip


def test_an_integer_that_no_float_holds_is_no_number():
    assert not is_number(10**400)
    assert is_number(10**300)


def test_depth_is_counted_without_recursion():
    value = []
    for _ in range(100_000):
        value = [value]
    assert too_deep(value)
    assert not too_deep({"a": [{"b": 1}]})
    while value:
        value = value[0]


def test_the_bearer_challenge_of_a_401_is_the_error():
    challenge = 'Bearer realm="x", error="invalid_token", error_description="old"'
    with pytest.raises(OAuthError) as caught:
        read_object(
            openid(), answer(b"", 401, www_authenticate=challenge), "userinfo response", phase=Phase.VALIDATE
        )
    assert (caught.value.error, caught.value.error_description) == ("invalid_token", "old")


def test_an_empty_204_is_no_object():
    with pytest.raises(ResponseInvalid):
        read_object(openid(), answer(b"", 204), "document", phase=Phase.PREPARE)


@pytest.mark.parametrize(
    ("header", "error", "remedy"),
    [
        (None, "invalid_token", "the access token"),
        ('Bearer error="invalid_token"', "invalid_token", "the access token"),
        ('Bearer error="insufficient_scope"', "insufficient_scope", "Ask for the scope"),
    ],
)
def test_an_access_token_that_is_refused_is_not_about_the_client(header, error, remedy):
    said = {} if header is None else {"www_authenticate": header}
    with pytest.raises(OAuthError, match=remedy) as caught:
        read_userinfo_response(openid(), answer(b"", 401, **said))
    assert not isinstance(caught.value, InvalidClient)
    assert caught.value.error == error
    assert "client_secret" not in str(caught.value)
