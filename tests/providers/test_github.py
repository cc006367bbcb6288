"""GitHub, against answers in the shapes that GitHub sends."""

from __future__ import annotations

import base64

import pytest

from authflow import flows
from authflow.errors import (
    ConfigurationError,
    InvalidClient,
    InvalidGrant,
    OAuthError,
    ResponseInvalid,
    ValidationFailed,
)
from authflow.protocol.callback import check_callback, read_callback
from authflow.protocol.discovery import configured_metadata
from authflow.providers import GitHub
from authflow.records import Token
from tests.protocol.issuer import MOMENT
from tests.providers.recorded import Answer, Call, RecordedProvider, json_answer, login, renew, run

OCTOCAT = {
    "login": "octocat",
    "id": 583231,
    "node_id": "MDQ6VXNlcjU4MzIzMQ==",
    "avatar_url": "https://avatars.githubusercontent.com/u/583231?v=4",
    "type": "User",
    "name": "The Octocat",
    "company": "@github",
    "email": None,
    "created_at": "2011-01-25T18:44:36Z",
}
EMAILS = [
    {"email": "octocat@users.noreply.github.com", "primary": False, "verified": True, "visibility": None},
    {"email": "octocat@github.com", "primary": True, "verified": True, "visibility": "private"},
]
GRANTED = {"access_token": "gho_16C7e42F292c6912E7", "token_type": "bearer", "scope": "read:user,user:email"}


@pytest.fixture
def github(idp: RecordedProvider) -> GitHub:
    idp.on("POST", "/login/oauth/access_token", json_answer(GRANTED))
    idp.on("GET", "/user", json_answer(OCTOCAT))
    idp.on("GET", "/user/emails", json_answer(EMAILS))
    return GitHub("the-id", "the-secret").replace(
        authorization_endpoint=f"{idp.origin}/login/oauth/authorize",
        token_endpoint=f"{idp.origin}/login/oauth/access_token",
        userinfo_endpoint=f"{idp.origin}/user",
        revocation_endpoint=f"{idp.origin}/applications/the-id/token",
        allow_insecure_loopback=True,
    )


def team(number: int) -> dict[str, object]:
    return {"id": number, "name": f"Team {number}", "slug": f"team-{number}", "organization": {"login": "github"}}


def paged(idp: RecordedProvider, pages: int) -> None:
    """`pages` pages of teams, linked as GitHub links them."""

    def page(call: Call) -> Answer:
        number = int(call.query.get("page", "1"))
        following = f'<{idp.origin}/user/teams?per_page=100&page={number + 1}>; rel="next"'
        last = f'<{idp.origin}/user/teams?per_page=100&page={pages}>; rel="last"'
        return json_answer([team(number)], link=f"{following}, {last}" if number < pages else last)

    idp.on("GET", "/user/teams", page)


def test_a_login_tells_who_it_is_by_number_and_not_by_name(github: GitHub) -> None:
    granted = login(github)
    assert (granted.profile.id, granted.profile.name) == ("583231", "The Octocat")
    assert (granted.issuer, granted.subject) == ("https://github.com/login/oauth", "583231")
    assert granted.profile.data["login"] == "octocat"


def test_granted_scopes_are_read_with_commas(github: GitHub) -> None:
    assert login(github).token.scope == ("read:user", "user:email")


def test_the_exchange_asks_for_json_and_sends_the_secret_in_the_form(idp: RecordedProvider, github: GitHub) -> None:
    login(github)
    (call,) = idp.asked("/login/oauth/access_token")
    assert call.headers["accept"] == "application/json"
    assert call.form["client_secret"] == "the-secret"
    assert call.form["code_verifier"]
    assert "authorization" not in call.headers


def test_an_error_with_status_200_is_an_error(idp: RecordedProvider, github: GitHub) -> None:
    said = {
        "error": "bad_verification_code",
        "error_description": "The code passed is incorrect or expired.",
        "error_uri": "https://docs.github.com/",
    }
    idp.on("POST", "/login/oauth/access_token", json_answer(said))
    with pytest.raises(InvalidGrant) as caught:
        login(github)
    assert "bad_verification_code" in str(caught.value)


def test_wrong_credentials_with_status_200_are_an_invalid_client(idp: RecordedProvider, github: GitHub) -> None:
    said = {"error": "incorrect_client_credentials", "error_description": "The client_id is incorrect."}
    idp.on("POST", "/login/oauth/access_token", json_answer(said))
    with pytest.raises(InvalidClient):
        login(github)


def test_an_error_that_github_alone_knows_keeps_its_name(idp: RecordedProvider, github: GitHub) -> None:
    idp.on("POST", "/login/oauth/access_token", json_answer({"error": "unverified_user_email"}))
    with pytest.raises(OAuthError) as caught:
        login(github)
    assert (caught.value.code, caught.value.error) == ("oauth_error", "unverified_user_email")


def test_a_refresh_token_that_was_used_is_an_invalid_grant(idp: RecordedProvider, github: GitHub) -> None:
    idp.on("POST", "/login/oauth/access_token", json_answer({"error": "bad_refresh_token"}))
    with pytest.raises(InvalidGrant):
        renew(github, Token("gho_old", refresh_token="ghr_old"))


def test_a_refresh_does_not_repeat_the_scope(idp: RecordedProvider, github: GitHub) -> None:
    renew(github, Token("gho_old", refresh_token="ghr_old", scope=("read:user",)))
    (call,) = idp.asked("/login/oauth/access_token")
    assert "scope" not in call.form


def test_the_private_address_is_the_primary_verified_one(github: GitHub) -> None:
    profile = login(github).profile
    assert (profile.email, profile.email_verified) == ("octocat@github.com", True)
    assert profile.data["email"] == "octocat@github.com"


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_login_does_not_fail_for_addresses_that_may_not_be_read(
    idp: RecordedProvider, github: GitHub, status: int
) -> None:
    idp.on("GET", "/user", json_answer({**OCTOCAT, "email": "public@example.com"}))
    idp.on("GET", "/user/emails", json_answer({"message": "Resource not accessible by integration"}, status))
    profile = login(github).profile
    assert (profile.email, profile.email_verified) == ("public@example.com", None)


def test_a_primary_address_that_is_not_verified_is_not_taken(idp: RecordedProvider, github: GitHub) -> None:
    idp.on("GET", "/user/emails", json_answer([{"email": "evil@example.com", "primary": True, "verified": False}]))
    assert login(github).profile.email is None


def test_a_public_address_that_is_not_verified_says_so(idp: RecordedProvider, github: GitHub) -> None:
    idp.on("GET", "/user", json_answer({**OCTOCAT, "email": "evil@example.com"}))
    idp.on("GET", "/user/emails", json_answer([{"email": "evil@example.com", "primary": True, "verified": False}]))
    profile = login(github).profile
    assert (profile.email, profile.email_verified) == ("evil@example.com", False)


def test_groups_are_the_teams_of_all_pages(idp: RecordedProvider, github: GitHub) -> None:
    paged(idp, 3)
    profile = login(github, fetch_groups=True).profile
    assert [name for name, _ in profile.groups] == ["Team 1", "Team 2", "Team 3"]
    assert profile.groups[0][1]["organization"] == {"login": "github"}
    assert profile.groups_complete
    assert idp.asked("/user/teams")[0].query["per_page"] == "100"


def test_teams_beyond_twenty_pages_are_not_passed_off_as_all(idp: RecordedProvider, github: GitHub) -> None:
    paged(idp, 30)
    profile = login(github, fetch_groups=True).profile
    assert not profile.groups_complete
    assert len(idp.asked("/user/teams")) == 20


def test_teams_that_may_not_be_read_do_not_end_the_login(idp: RecordedProvider, github: GitHub) -> None:
    idp.on("GET", "/user/teams", json_answer({"message": "Must have admin rights"}, 403))
    profile = login(github, fetch_groups=True).profile
    assert profile.id == "583231"
    assert not profile.groups_complete


def test_the_token_does_not_follow_a_link_to_another_host(idp: RecordedProvider, github: GitHub) -> None:
    with RecordedProvider() as thief:
        idp.on("GET", "/user/teams", json_answer([], link=f'<{thief.origin}/user/teams?page=2>; rel="next"'))
        with pytest.raises(ResponseInvalid, match="leads elsewhere"):
            login(github, fetch_groups=True)
        assert thief.calls == []


def test_the_callback_may_say_githubs_issuer(github: GitHub) -> None:
    said = read_callback("?code=c&state=s&iss=https%3A%2F%2Fgithub.com%2Flogin%2Foauth")
    check_callback(github, configured_metadata(github), said)


def test_the_callback_may_leave_the_issuer_out(github: GitHub) -> None:
    check_callback(github, configured_metadata(github), read_callback("?code=c&state=s"))


def test_a_callback_of_another_issuer_is_refused(github: GitHub) -> None:
    said = read_callback("?code=c&state=s&iss=https%3A%2F%2Fgithub.com")
    with pytest.raises(ValidationFailed) as caught:
        check_callback(github, configured_metadata(github), said)
    assert caught.value.check == "iss"


def test_a_token_is_revoked_by_delete_with_basic_and_json(idp: RecordedProvider, github: GitHub) -> None:
    idp.on("DELETE", "/applications/the-id/token", Answer(204))
    metadata = configured_metadata(github)
    assert run(flows.revoke(github, metadata, token="gho_x", token_type_hint="access_token")) is True
    (call,) = idp.calls
    assert call.headers["authorization"] == "Basic " + base64.b64encode(b"the-id:the-secret").decode()
    assert call.json == {"access_token": "gho_x"}


def test_a_refresh_token_has_no_revocation_of_its_own(github: GitHub) -> None:
    metadata = configured_metadata(github)
    assert run(flows.revoke(github, metadata, token="ghr_x", token_type_hint="refresh_token")) is False


def test_without_the_secret_there_is_no_revocation(github: GitHub) -> None:
    public = github.replace(client_secret=None, client_auth=None)
    assert public.build_revocation_request(configured_metadata(public), "gho_x", "access_token", MOMENT) is None


@pytest.mark.parametrize(
    ("host", "web", "api", "origin"),
    [
        ("github.com", "https://github.com", "https://api.github.com", "https://api.github.com"),
        ("ghe.example.com", "https://ghe.example.com", "https://ghe.example.com/api/v3", "https://ghe.example.com"),
        ("acme.ghe.com", "https://acme.ghe.com", "https://api.acme.ghe.com", "https://api.acme.ghe.com"),
    ],
)
def test_an_enterprise_has_its_own_addresses(host: str, web: str, api: str, origin: str) -> None:
    github = GitHub("the-id", "the-secret", host=host)
    assert github.issuer == f"{web}/login/oauth"
    assert github.token_endpoint == f"{web}/login/oauth/access_token"
    assert github.userinfo_endpoint == f"{api}/user"
    assert github.revocation_endpoint == f"{api}/applications/the-id/token"
    assert github.api_origins == (origin,)


@pytest.mark.parametrize("host", ["https://ghe.example.com", "ghe.example.com/", "a@b", "", "a b"])
def test_a_host_is_a_host(host: str) -> None:
    with pytest.raises(ConfigurationError, match="host name"):
        GitHub("the-id", "the-secret", host=host)
