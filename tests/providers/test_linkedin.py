"""LinkedIn, against answers in the shapes that LinkedIn sends."""

from __future__ import annotations

from typing import Any

import pytest

from authflow import flows
from authflow.errors import ValidationFailed
from authflow.providers import LinkedIn
from tests.protocol.issuer import MOMENT
from tests.providers.recorded import Answer, Call, RecordedProvider, json_answer, login, run, sign

PROFILE = {
    "sub": "782bbtaQ",
    "name": "Ada Lovelace",
    "given_name": "Ada",
    "picture": "https://media.licdn-ei.com/x",
    "locale": {"country": "US", "language": "en"},
    "email": "ada@example.com",
    "email_verified": True,
}


def at(idp: RecordedProvider, linkedin: LinkedIn, **claims: Any) -> LinkedIn:
    """A token endpoint as strict as LinkedIn's: the secret in the form, and no `code_verifier`."""
    idp.publish("/oauth", token_endpoint_auth_methods_supported=["client_secret_post"])
    id_token = sign({"iss": f"{idp.origin}/oauth", "aud": "the-id", "sub": PROFILE["sub"], **claims})

    def token(call: Call) -> Answer:
        native = "client_secret" not in call.form
        if "authorization" in call.headers or native is not ("code_verifier" in call.form):
            refusal = {"error": "invalid_client", "error_description": "Client authentication failed"}
            return json_answer(refusal, 401)
        answer = {"access_token": "AQXNnd2kXITHELmWblJigbHEuoFdfRhOwGA0QNnumBI8XOVSs0HtOHEU", "expires_in": 5183999}
        return json_answer({**answer, "scope": "email,openid,profile", "token_type": "Bearer", "id_token": id_token})

    idp.on("POST", "/token", token)
    idp.on("GET", "/userinfo", json_answer(PROFILE))
    return linkedin.replace(issuer=f"{idp.origin}/oauth", allow_insecure_loopback=True)


@pytest.fixture
def linkedin(idp: RecordedProvider) -> LinkedIn:
    return at(idp, LinkedIn("the-id", "the-secret"))


def test_a_login_tells_who_it_is_by_sub(linkedin: LinkedIn) -> None:
    granted = login(linkedin)
    assert (granted.profile.id, granted.profile.email_verified) == ("782bbtaQ", True)
    assert granted.token.scope == ("email", "openid", "profile")
    assert granted.token.refresh_token is None


def test_the_secret_goes_into_the_form_and_no_verifier_with_it(idp: RecordedProvider, linkedin: LinkedIn) -> None:
    login(linkedin)
    (call,) = idp.asked("/token")
    assert call.form["client_secret"] == "the-secret"
    assert call.form["code"] == "the-code"
    assert "code_verifier" not in call.form


def test_an_id_token_without_a_nonce_is_accepted(linkedin: LinkedIn) -> None:
    assert "nonce" not in login(linkedin).claims


def test_an_id_token_with_somebody_elses_nonce_is_not(idp: RecordedProvider) -> None:
    linkedin = at(idp, LinkedIn("the-id", "the-secret"), nonce="of another attempt")
    with pytest.raises(ValidationFailed) as caught:
        login(linkedin)
    assert caught.value.check == "nonce"


def test_a_native_client_sends_the_verifier_and_has_its_own_endpoint(idp: RecordedProvider) -> None:
    linkedin = at(idp, LinkedIn("the-id"))
    assert linkedin.authorization_endpoint == "https://www.linkedin.com/oauth/native-pkce/authorization"
    assert (linkedin.loopback_host, linkedin.loopback_port) == ("127.0.0.1", 0)
    assert login(linkedin).profile.id == "782bbtaQ"
    assert idp.asked("/token")[0].form["code_verifier"]


def test_loopback_has_the_port_that_was_registered(linkedin: LinkedIn) -> None:
    assert (linkedin.loopback_host, linkedin.loopback_port) == ("localhost", 8484)


def test_nothing_is_revoked_and_nobody_signed_out_at_linkedin(linkedin: LinkedIn) -> None:
    metadata = run(flows.discover(linkedin, flows.Directory(), 0))
    assert linkedin.build_revocation_request(metadata, "x", "access_token", MOMENT) is None
    assert (
        linkedin.build_end_session_url(metadata, id_token_hint=None, post_logout_redirect_uri=None, state="s") is None
    )
