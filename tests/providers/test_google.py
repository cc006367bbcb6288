"""Google, against answers in the shapes that Google sends."""

from __future__ import annotations

from typing import Any

import pytest

from authflow import flows
from authflow.errors import ConfigurationError, ValidationFailed
from authflow.providers import Google
from authflow.records import Token
from tests.providers.recorded import NONCE, Answer, RecordedProvider, json_answer, login, renew, run, sign

USERINFO = "https://www.googleapis.com/auth/userinfo"
PROFILE = {
    "sub": "110248495921238986420",
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "picture": "https://lh3.googleusercontent.com/a/x",
    "email": "ada@example.com",
    "email_verified": True,
    "hd": "example.com",
}


def granted(idp: RecordedProvider, *, refresh_token: str | None = "1//the-refresh-token", **claims: Any) -> Answer:
    said = {
        "iss": idp.origin,
        "azp": "the-id",
        "aud": "the-id",
        "nonce": NONCE,
        "sub": PROFILE["sub"],
        "hd": "example.com",
        "email": "ada@example.com",
        "email_verified": True,
        **claims,
    }
    answer = {
        "access_token": "ya29.a0AfH6SMBx",
        "expires_in": 3599,
        "scope": f"{USERINFO}.email {USERINFO}.profile openid",
        "token_type": "Bearer",
        "id_token": sign(said),
    }
    return json_answer(answer if refresh_token is None else {**answer, "refresh_token": refresh_token})


@pytest.fixture
def google(idp: RecordedProvider) -> Google:
    return at(idp, Google("the-id", "the-secret"))


def at(idp: RecordedProvider, google: Google) -> Google:
    idp.publish(revocation_endpoint=f"{idp.origin}/revoke")
    idp.on("POST", "/token", granted(idp))
    idp.on("GET", "/userinfo", json_answer(PROFILE))
    bare = idp.origin.removeprefix("http://")
    return google.replace(issuer=idp.origin, issuer_aliases=(bare,), allow_insecure_loopback=True)


def test_a_login_tells_who_it_is_by_sub(google: Google) -> None:
    profile = login(google).profile
    assert (profile.id, profile.email, profile.email_verified) == (PROFILE["sub"], "ada@example.com", True)


def test_a_refresh_token_is_asked_for_by_default() -> None:
    assert Google("the-id").authorization_params == {"access_type": "offline", "prompt": "consent"}


def test_an_application_that_wants_no_refresh_token_does_not_trouble_the_user() -> None:
    assert Google("the-id", offline=False).authorization_params == {}


def test_own_parameters_stand_beside_the_presets_and_over_them() -> None:
    google = Google("the-id", authorization_params={"prompt": "select_account", "include_granted_scopes": "true"})
    assert google.authorization_params == {
        "access_type": "offline",
        "prompt": "select_account",
        "include_granted_scopes": "true",
    }


def test_a_second_login_without_a_refresh_token_is_a_login(idp: RecordedProvider, google: Google) -> None:
    idp.on("POST", "/token", granted(idp, refresh_token=None))
    assert login(google).token.refresh_token is None


def test_a_refresh_without_a_new_refresh_token_keeps_the_stored_one(idp: RecordedProvider, google: Google) -> None:
    idp.on("POST", "/token", json_answer({"access_token": "ya29.new", "expires_in": 3599, "token_type": "Bearer"}))
    renewed = renew(google, Token("ya29.old", refresh_token="1//the-refresh-token"))
    assert (renewed.token.access_token, renewed.token.refresh_token) == ("ya29.new", "1//the-refresh-token")


def test_renamed_scopes_are_no_error_and_not_missing(google: Google) -> None:
    token = login(google).token
    assert f"{USERINFO}.email" in token.scope
    assert google.missing_scopes(["openid", "email", "profile"], token.scope) == ()
    assert google.missing_scopes(["https://mail.google.com/"], token.scope) == ("https://mail.google.com/",)


def test_an_id_token_may_name_the_issuer_without_its_scheme(idp: RecordedProvider, google: Google) -> None:
    idp.on("POST", "/token", granted(idp, iss=idp.origin.removeprefix("http://")))
    assert login(google).profile.id == PROFILE["sub"]


def test_the_alias_is_googles_and_no_other() -> None:
    assert Google("the-id").issuer_aliases == ("accounts.google.com",)


def test_one_workspace_domain_may_be_demanded(idp: RecordedProvider) -> None:
    google = at(idp, Google("the-id", "the-secret", hd="example.com"))
    assert google.authorization_params["hd"] == "example.com"
    assert login(google).profile.id == PROFILE["sub"]


@pytest.mark.parametrize("hd", ["evil.example", None])
def test_an_account_of_another_domain_is_refused(idp: RecordedProvider, hd: str | None) -> None:
    google = at(idp, Google("the-id", "the-secret", hd="example.com"))
    idp.on("POST", "/token", granted(idp, hd=hd))
    with pytest.raises(ValidationFailed) as caught:
        login(google)
    assert caught.value.check == "hd"


@pytest.mark.parametrize("hd", ["*", "example", ""])
def test_any_domain_is_no_domain(hd: str) -> None:
    with pytest.raises(ConfigurationError, match="domain"):
        Google("the-id", hd=hd)


def test_the_refresh_token_is_revoked_where_the_metadata_say(idp: RecordedProvider, google: Google) -> None:
    idp.on("POST", "/revoke", json_answer({}))
    metadata = run(flows.discover(google, flows.Directory(), 0))
    assert run(flows.revoke(google, metadata, token="1//x", token_type_hint="refresh_token")) is True
    assert idp.asked("/revoke")[0].form["token"] == "1//x"
