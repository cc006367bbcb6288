"""Any OAuth 2.0 provider by data, with the arguments of Flet's `OAuthProvider`."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from authflow.errors import ConfigurationError, OAuthError, ResponseInvalid
from authflow.protocol.registration import ClientMetadata
from authflow.providers import OAuth2
from tests.providers.recorded import RecordedProvider, json_answer, login

AUTHORIZE, TOKEN = "https://idp.example.com/authorize", "https://idp.example.com/token"
FLETS_ARGUMENTS = [
    "client_id", "client_secret", "authorization_endpoint", "token_endpoint", "redirect_url", "scopes",
    "user_scopes", "user_endpoint", "user_id_fn", "group_scopes", "code_challenge", "code_challenge_method",
    "code_verifier", "authorization_params",
]  # fmt: skip


def at(idp: RecordedProvider, **settings: Any) -> OAuth2:
    idp.on("POST", "/token", json_answer({"access_token": "at", "token_type": "Bearer"}))
    idp.on("GET", "/me", json_answer({"id": 7, "login": "ada", "data": {"user": {"open_id": "o-7"}}}))
    own = {"user_endpoint": f"{idp.origin}/me", **settings}
    return OAuth2(
        "the-id", "the-secret", f"{idp.origin}/authorize", f"{idp.origin}/token", allow_insecure_loopback=True, **own
    )


def test_the_arguments_are_flets_in_flets_order() -> None:
    assert list(inspect.signature(OAuth2).parameters)[:-1] == FLETS_ARGUMENTS


def test_flets_positional_arguments_mean_the_same() -> None:
    callback = "https://app.example.com/oauth_callback"
    provider = OAuth2("the-id", "the-secret", AUTHORIZE, TOKEN, callback, ["a"], ["b"], None, None, ["c"])
    assert provider.redirect_uri == callback
    assert provider.requested_scopes(["d"], fetch_groups=True) == ("a", "b", "c", "d")


def test_a_function_chooses_the_users_id(idp: RecordedProvider) -> None:
    profile = login(at(idp, user_id_fn=lambda profile: profile["login"])).profile
    assert (profile.id, profile.data["id"]) == ("ada", 7)


def test_an_id_is_always_a_text(idp: RecordedProvider) -> None:
    assert login(at(idp, user_id_fn=lambda profile: profile["id"])).profile.id == "7"


def test_the_profile_is_as_the_provider_sent_it(idp: RecordedProvider) -> None:
    profile = login(at(idp, user_id_fn=lambda profile: profile["id"])).profile
    assert set(profile.data) == {"id", "login", "data"}


def test_without_a_function_the_member_id_is_taken(idp: RecordedProvider) -> None:
    assert login(at(idp)).profile.id == "7"


def test_a_path_leads_to_a_nested_id(idp: RecordedProvider) -> None:
    assert login(at(idp, id_path="data.user.open_id")).profile.id == "o-7"


def broken(profile: Mapping[str, Any]) -> Any:
    return profile["there is no such member"]


@pytest.mark.parametrize("user_id_fn", [broken, lambda profile: None, lambda profile: "", lambda profile: profile])
def test_a_function_that_finds_no_id_ends_the_login(idp: RecordedProvider, user_id_fn: Any) -> None:
    with pytest.raises(ResponseInvalid):
        login(at(idp, user_id_fn=user_id_fn))


def test_without_a_user_endpoint_there_is_no_user_and_a_token(idp: RecordedProvider) -> None:
    granted = login(at(idp, user_endpoint=None, user_id_fn=lambda profile: profile["id"]))
    assert granted.profile is None
    assert granted.token.access_token == "at"


@pytest.mark.parametrize("argument", ["code_challenge", "code_verifier"])
def test_fixed_pkce_values_are_ignored_and_it_says_why(argument: str) -> None:
    with pytest.warns(UserWarning, match="ignored.*every attempt"):
        provider = OAuth2("the-id", "the-secret", AUTHORIZE, TOKEN, **{argument: "x" * 43})
    assert "x" * 43 not in repr(vars(provider))


def test_s256_is_no_news() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OAuth2("the-id", "the-secret", AUTHORIZE, TOKEN, code_challenge_method="S256")


def test_plain_pkce_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="S256"):
        OAuth2("the-id", "the-secret", AUTHORIZE, TOKEN, code_challenge_method="plain")


def test_two_user_endpoints_are_one_too_many() -> None:
    with pytest.raises(ConfigurationError, match="differ"):
        OAuth2(
            "the-id", "the-secret", AUTHORIZE, TOKEN,
            user_endpoint="https://a.example.com/me", userinfo_endpoint="https://b.example.com/me",
        )  # fmt: skip


def test_user_id_fn_is_a_function() -> None:
    with pytest.raises(ConfigurationError, match="function"):
        OAuth2("the-id", "the-secret", AUTHORIZE, TOKEN, user_id_fn="id")  # type: ignore[arg-type]


def test_a_providers_own_error_codes_can_be_named(idp: RecordedProvider) -> None:
    provider = at(idp, error_fields=("errcode", "errmsg"), error_codes={"40029": "invalid_grant"})
    idp.on("POST", "/token", json_answer({"errcode": 40029, "errmsg": "invalid code"}))
    with pytest.raises(OAuthError) as caught:
        login(provider)
    assert caught.value.code == "invalid_grant"
    assert "40029: invalid code" in str(caught.value)


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_verifier_that_is_refused_is_not_sent(idp: RecordedProvider, method: str) -> None:
    provider = at(idp, refuses_code_verifier=True, token_method=method, client_auth="client_secret_post")
    idp.on(method, "/token", json_answer({"access_token": "at"}))
    login(provider)
    (call,) = idp.asked("/token")
    sent = {**call.query, **call.form}
    assert (sent["code"], sent["client_secret"]) == ("the-code", "the-secret")
    assert "code_verifier" not in sent


@pytest.mark.parametrize(
    ("client_id", "settings"),
    [
        ("the-id", {}),
        ("", {"registration": ClientMetadata(client_name="Mine", initial_access_token="let-me-in-please")}),
    ],
)
def test_what_is_good_at_one_server_is_sent_to_none_that_an_api_names(client_id: str, settings: Any) -> None:
    where = {"resource": "https://mcp.example.com/mcp", **settings}
    with pytest.raises(ConfigurationError, match="is good at one server") as refused:
        OAuth2(client_id, None, "", "", **where)
    assert "issuer=" in refused.value.hint
    assert "let-me-in" not in str(refused.value)
    with pytest.raises(ConfigurationError, match="is good at one server"):
        OAuth2.for_resource("https://mcp.example.com/mcp", client_id, **settings)
    assert OAuth2(client_id, None, "", "", issuer="https://id.example.com", **where).issuer


def test_an_application_is_named_once() -> None:
    app = ClientMetadata(client_name="Mine", client_id_metadata_url="https://app.example/client.json")
    assert OAuth2.for_resource("https://mcp.example.com/mcp", registration=app).registration == app
    with pytest.raises(ConfigurationError, match="client_name= and registration="):
        OAuth2.for_resource("https://mcp.example.com/mcp", client_name="Other", registration=app)


def test_a_subclass_is_read_from_its_own_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mine(OAuth2):
        def __init__(self, client_id: str, client_secret: str | None = None, **settings: Any) -> None:
            super().__init__(client_id, client_secret, AUTHORIZE, TOKEN, **settings)

        @classmethod
        def env_settings(cls) -> tuple[str, ...]:
            return ("client_id",)

    monkeypatch.setenv("MINE_CLIENT_ID", "the-id")
    assert (Mine.from_env().name, Mine.from_env().client_id) == ("mine", "the-id")
