"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.6): every check, one bent member at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import Phase, ValidationFailed
from authflow.protocol.jwt import UnknownKey
from authflow.protocol.logout_token import LOGOUT_EVENT, LogoutToken, addressees, verify_logout_token

from .issuer import ISSUER, METADATA, NOW, ec, forge, openid, public, rsa, sign

GOOD: dict[str, Any] = {
    "iss": ISSUER, "aud": "client-1", "iat": NOW, "exp": NOW + 120, "jti": "j-1", "sub": "user-1", "sid": "s-1",
    "events": {LOGOUT_EVENT: {}},
}  # fmt: skip


def token(key: Any = None, *, alg: str = "RS256", typ: str | None = "logout+jwt", **changes: Any) -> str:
    claims = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return sign(claims, key, alg, typ=typ)


def verify(logout_token: object, *keys: Any, **settings: Any) -> LogoutToken:
    return verify_logout_token(openid(**settings), METADATA, public(*(keys or (rsa(),))), logout_token, now=NOW)


def check_of(logout_token: object, *keys: Any, **settings: Any) -> str | None:
    with pytest.raises(ValidationFailed) as refused:
        verify(logout_token, *keys, **settings)
    return refused.value.check


def test_a_good_token_says_who_signed_out() -> None:
    assert verify(token()) == LogoutToken(issuer=ISSUER, jti="j-1", sub="user-1", sid="s-1")
    assert verify(token(sub=None)).sub is None
    assert verify(token(sid=None)).sid is None


@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "LOGOUT+JWT", "JWT", None])
def test_its_type_is_its_own_or_none_in_particular(typ: str | None) -> None:
    assert verify(token(typ=typ)).jti == "j-1"


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "secevent+jwt", 7])
def test_another_kind_of_token_is_refused(typ: Any) -> None:
    assert check_of(token(typ=typ)) == "typ"


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"iss": "https://other.example"}, "iss"),
        ({"iss": None}, "iss"),
        ({"iss": ISSUER + "/"}, "iss"),
        ({"aud": "client-2"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": ["client-1", "client-2"]}, "azp"),
        ({"iat": None}, "iat"),
        ({"iat": NOW + 600}, "iat"),
        ({"iat": NOW - 3600, "exp": NOW + 86_400}, "iat"),
        ({"exp": None}, "exp"),
        ({"exp": NOW - 600}, "exp"),
        ({"exp": True}, "exp"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": 7}, "jti"),
        ({"jti": "j" * 300}, "jti"),
        ({"sub": None, "sid": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"sid": ""}, "sid"),
        ({"sid": {"a": 1}}, "sid"),
        ({"nonce": "n"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"events": None}, "events"),
        ({"events": {}}, "events"),
        ({"events": {"http://schemas.openid.net/event/other": {}}}, "events"),
        ({"events": {LOGOUT_EVENT: True}}, "events"),
        ({"events": [LOGOUT_EVENT]}, "events"),
        ({"events": LOGOUT_EVENT}, "events"),
    ],
)
def test_one_wrong_member_and_it_is_refused(changes: dict[str, Any], check: str) -> None:
    assert check_of(token(**changes)) == check


@pytest.mark.parametrize("alg", ["none", "nOnE", "", None, ["RS256"], "HS256"])
def test_an_algorithm_that_proves_nothing_is_refused(alg: Any) -> None:
    assert check_of(forge({"alg": alg, "typ": "logout+jwt"}, GOOD)) == "alg"


def test_an_algorithm_that_is_not_the_clients_is_refused() -> None:
    assert check_of(token(ec(), alg="ES256"), ec(), algorithms=["RS256"]) == "alg"


def test_a_signature_by_somebody_else_is_refused() -> None:
    assert check_of(token(rsa("rsa-1"))[:-4] + "AAAA") in ("signature", "format")
    with pytest.raises(UnknownKey):
        verify(token(ec("ec-9"), alg="ES256"), rsa())


@pytest.mark.parametrize("what", [None, 7, "", "x", "a.b", "a.b.c.d.e", "x" * 70_000, "é.é.é"])
def test_what_is_no_token_is_refused(what: object) -> None:
    assert check_of(what) == "format"
    with pytest.raises(ValidationFailed) as refused:
        addressees(what)
    assert refused.value.phase is Phase.LOGOUT


def test_whose_keys_to_try_is_read_before_anything_is_believed() -> None:
    assert addressees(forge({"alg": "none"}, GOOD)) == (ISSUER, {"client-1"})
    assert addressees(forge({}, {**GOOD, "aud": ["a", 7, "b"]})) == (ISSUER, {"a", "b"})
    for aud in (7, True, {"a": 1}, [{}], [["client-1"]], None):
        assert addressees(forge({}, {**GOOD, "aud": aud})) == (ISSUER, set())
    with pytest.raises(ValidationFailed):
        addressees(forge({}, {"iss": 7}))


@given(st.text(max_size=200))
def test_whatever_it_is_only_a_refusal_comes_of_it(text: str) -> None:
    for what in (text, f"{text}.{text}.{text}"):
        with pytest.raises(ValidationFailed):
            verify(what)
