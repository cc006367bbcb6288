"""What holds for every provider class: settings that cannot work are refused at once, and nothing leaks."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from authflow import providers
from authflow.errors import ConfigurationError, InsecureURL
from authflow.providers import Auth0, GitHub, Google, LinkedIn, Microsoft, OAuth2, OpenIDConnect, Provider, base

SECRET = "canary-client-secret"
AUTHORIZE, TOKEN = "https://idp.example.com/authorize", "https://idp.example.com/token"


def auth0(client_id: str, client_secret: str | None = None, **settings: Any) -> Auth0:
    return Auth0("tenant.eu.auth0.com", client_id, client_secret, **settings)


def openid_connect(client_id: str, client_secret: str | None = None, **settings: Any) -> OpenIDConnect:
    return OpenIDConnect("https://idp.example.com", client_id, client_secret, **settings)


def oauth2(client_id: str, client_secret: str | None = None, **settings: Any) -> OAuth2:
    return OAuth2(client_id, client_secret, AUTHORIZE, TOKEN, **settings)


Make = Callable[..., Provider]
ALL: list[Make] = [GitHub, Google, Microsoft, auth0, LinkedIn, openid_connect, oauth2]
every_class = pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)


@every_class
def test_no_provider_shows_its_secret(make: Make) -> None:
    provider = make("the-id", SECRET, token_params={"proof": "canary-parameter"})
    for text in (repr(provider), str(provider), f"{provider!r:>5}"):
        assert "canary" not in text
        assert "the-id" in text


@every_class
def test_a_provider_says_whether_it_has_a_secret(make: Make) -> None:
    assert "client_secret=…" in repr(make("the-id", SECRET))
    assert "client_secret" not in repr(make("the-id"))


@pytest.mark.parametrize("client_id", [None, 7])
@every_class
def test_what_is_no_client_id_is_refused_by_name(make: Make, client_id: Any) -> None:
    with pytest.raises(ConfigurationError, match="needs a client_id"):
        make(client_id, SECRET)


@every_class
def test_a_provider_is_frozen(make: Make) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        make("the-id", SECRET).client_id = "another"  # type: ignore[misc]


@every_class
def test_lists_of_the_application_are_neither_kept_nor_changed(make: Make) -> None:
    scopes, params = ["x", "y", "x"], {"prompt": "login"}
    provider = make("the-id", SECRET, scopes=scopes, user_scopes=scopes, authorization_params=params)
    asked = provider.requested_scopes(scopes)
    assert (scopes, params) == (["x", "y", "x"], {"prompt": "login"})

    scopes.append("z")
    params["evil"] = "1"
    assert "z" not in provider.requested_scopes()
    assert "evil" not in provider.authorization_params
    assert len(asked) == len(set(asked))


@every_class
def test_asking_twice_asks_for_the_same(make: Make) -> None:
    provider = make("the-id", SECRET, scopes=["x"])
    assert provider.requested_scopes(["y"], fetch_groups=True) == provider.requested_scopes(["y"], fetch_groups=True)


@every_class
def test_an_unknown_setting_is_refused_with_the_nearest_name(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="redirect_uri"):
        make("the-id", SECRET, redirect_urii="https://app.example.com/cb")


@every_class
def test_both_spellings_of_the_redirect_uri_are_taken(make: Make) -> None:
    callback = "https://app.example.com/cb"
    assert make("the-id", SECRET, redirect_url=callback).redirect_uri == callback
    assert make("the-id", SECRET, redirect_uri=callback).redirect_uri == callback
    assert make("the-id", SECRET, redirect_uri=callback, redirect_url=callback).redirect_uri == callback


@every_class
def test_two_redirect_uris_are_one_too_many(make: Make) -> None:
    with pytest.raises(ConfigurationError, match="differ"):
        make("the-id", SECRET, redirect_uri="https://a.example.com/", redirect_url="https://b.example.com/")


@pytest.mark.parametrize(
    "uri", ["http://app.example.com/cb", "https://app.example.com/#x", "javascript:alert(1)", "/cb"]
)
def test_a_redirect_uri_that_gives_the_code_away_is_refused(uri: str) -> None:
    with pytest.raises(InsecureURL, match="redirect_uri"):
        GitHub("the-id", SECRET, redirect_uri=uri)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8550/cb", "http://localhost:8550/cb", "com.example.app:/cb"])
def test_a_redirect_uri_on_this_machine_or_of_this_application_is_taken(uri: str) -> None:
    assert GitHub("the-id", SECRET, redirect_uri=uri).redirect_uri == uri


@pytest.mark.parametrize(
    "settings",
    [
        {"client_id": ""},
        {"client_id": "the-id\n"},
        {"client_secret": " the-secret"},
        {"client_secret": "the-secret\n"},
        {"client_secret": 7},
        {"name": "a/b"},
        {"name": ".."},
        {"scopes": "read:user user:email"},
        {"scopes": ["read:user user:email"]},
        {"scopes": [""]},
        {"scopes": [7]},
        {"scopes": 7},
        {"callback_path": "callback"},
        {"callback_path": 7},
        {"loopback_port": "8484"},
        {"loopback_port": True},
        {"loopback_port": 70000},
        {"loopback_host": "0.0.0.0"},
        {"leeway": 301},
        {"leeway": -1},
        {"leeway": "60"},
        {"timeout": 0},
        {"timeout": None},
        {"allow_insecure_loopback": "yes"},
        {"algorithms": []},
        {"algorithms": ["none"]},
        {"algorithms": ["HS256"]},
        {"algorithms": ["foo"]},
        {"algorithms": ["ES256K"]},
        {"client_auth": "client_secret_basic"},
        {"authorization_params": {"state": "mine"}},
        {"authorization_params": {"nonce": "mine"}},
        {"authorization_params": {"code_challenge": "mine"}},
        {"authorization_params": {"redirect_uri": "https://evil.example"}},
        {"authorization_params": {"max_age": 300}},
        {"authorization_params": ["prompt"]},
        {"token_params": {"code_verifier": "mine"}},
        {"api_origins": ["https://api.example.com/v1"]},
        {"api_origins": ["http://api.example.com"]},
        {"api_origins": ["https://me@api.example.com"]},
        {"api_origins": ["*"]},
    ],
    ids=repr,
)
def test_settings_that_cannot_work_are_refused_at_once(settings: dict[str, Any]) -> None:
    secret = {} if "HS256" in settings.get("algorithms", ()) or "client_auth" in settings else {"client_secret": SECRET}
    with pytest.raises(ConfigurationError):
        OpenIDConnect(**{"issuer": "https://idp.example.com", "client_id": "the-id", **secret, **settings})


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"rotation": "Strict"}, "Did you mean 'strict'?"),
        ({"rotation": "sometimes"}, "none, grace, strict, unknown"),
        ({"rotation": None}, "none, grace, strict, unknown"),
        ({"token_method": "PUTT"}, "POST, GET"),
        ({"token_method": "get"}, "Did you mean 'GET'?"),
        ({"userinfo_method": ["GET"]}, "GET, POST"),
    ],
    ids=repr,
)
def test_a_word_that_a_setting_does_not_know_is_refused_with_those_it_knows(
    settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))) as caught:
        oauth2("the-id", SECRET, **settings)
    assert says in caught.value.hint


def test_every_setting_of_a_few_words_is_checked() -> None:
    """A word that stands in no list is refused wherever a setting's type lists the words."""
    named = [one.name for one in dataclasses.fields(Provider) if "Literal[" in _spelled(str(one.type))]
    assert {"rotation", "client_auth", "token_method", "userinfo_method", "dpop", "response_mode"} <= set(named)
    for name in named:
        with pytest.raises(ConfigurationError, match=name):
            openid_connect("the-id", SECRET, **{name: "no-such-word"})


def _spelled(annotation: str) -> str:
    """The annotation, the names in it that stand for a list of words written out."""
    parts = annotation.split(" | ")
    return " | ".join(str(getattr(base, part, part)).replace("typing.", "") for part in parts)


@pytest.mark.parametrize("pair", [5, "error", ("error",), ("error", ""), ("error", 7), None], ids=repr)
def test_what_is_no_pair_of_error_fields_is_refused(pair: Any) -> None:
    with pytest.raises(ConfigurationError, match="error_fields"):
        oauth2("the-id", SECRET, error_fields=pair)


def test_error_fields_out_of_a_file_are_a_list() -> None:
    assert oauth2("the-id", SECRET, error_fields=["code", "message"]).error_fields == ("code", "message")


def test_no_error_about_a_secret_shows_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        GitHub("the-id", SECRET + "\n")
    assert "canary" not in f"{caught.value} {caught.value!r} {caught.value.info}"


@pytest.mark.parametrize(
    "url",
    [
        "http://idp.example.com/token",
        "http://127.0.0.1:9000/token",
        "https://me:pw@idp.example.com/token",
        "https://idp.example.com/to ken",
        "https://idp.example.com/token#x",
        "https://good.example\\@evil.example/",
        "https://good\t.evil.example/",
        "idp.example.com/token",
        "",
    ],
)
def test_an_endpoint_that_would_leak_is_refused(url: str) -> None:
    with pytest.raises(InsecureURL, match="token_endpoint"):
        OAuth2("the-id", SECRET, AUTHORIZE, url)


def test_an_endpoint_on_loopback_is_taken_when_asked_for() -> None:
    local = "http://127.0.0.1:9000/token"
    assert OAuth2("the-id", SECRET, AUTHORIZE, local, allow_insecure_loopback=True).token_endpoint == local


def test_a_slash_behind_an_origin_does_not_matter() -> None:
    assert GitHub("the-id", SECRET, api_origins=["https://api.example.com/"]).api_origins == ("https://api.example.com",)


def test_replace_makes_another_and_leaves_the_first() -> None:
    first = Google("the-id", SECRET, offline=False)
    second = first.replace(name="work")
    assert (first.name, second.name, second.authorization_params) == ("google", "work", {})
    assert type(second) is Google


def test_replace_checks_as_the_constructor_does() -> None:
    with pytest.raises(ConfigurationError):
        GitHub("the-id", SECRET).replace(leeway=1000)
    with pytest.raises(ConfigurationError, match="no setting 'colour'"):
        GitHub("the-id", SECRET).replace(colour="red")


@every_class
def test_a_provider_can_be_copied(make: Make) -> None:
    provider = make("the-id", SECRET)
    assert copy.deepcopy(provider).name == provider.name


def test_an_openid_provider_always_asks_for_openid() -> None:
    assert Google("the-id", scopes=["https://mail.google.com/"]).scopes == ("openid", "https://mail.google.com/")


def test_own_scopes_stand_beside_the_presets() -> None:
    microsoft = Microsoft("the-id", scopes=["Mail.Read"])
    assert microsoft.scopes == ("openid", "offline_access", "Mail.Read")
    assert Microsoft("the-id", scopes=["Mail.Read"], offline=False).scopes == ("openid", "Mail.Read")


def test_a_public_client_cannot_do_without_its_verifier() -> None:
    with pytest.raises(ConfigurationError, match="code_verifier"):
        openid_connect("the-id", refuses_code_verifier=True)


def test_what_a_login_asks_for_depends_on_what_it_fetches() -> None:
    github = GitHub("the-id", SECRET, scopes=["gist"])
    assert github.requested_scopes(["repo"], fetch_user=False) == ("gist", "repo")
    assert github.requested_scopes() == ("gist", "read:user", "user:email")
    assert github.requested_scopes(["gist"], fetch_groups=True) == ("gist", "read:user", "user:email", "read:org")


# ── from_env ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [(GitHub, "GITHUB"), (Google, "GOOGLE"), (Microsoft, "MICROSOFT"), (LinkedIn, "LINKEDIN")],
)
def test_a_provider_is_read_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, kind: type[Provider], prefix: str
) -> None:
    monkeypatch.setenv(f"{prefix}_CLIENT_ID", "the-id")
    monkeypatch.setenv(f"{prefix}_CLIENT_SECRET", SECRET)
    provider = kind.from_env(scopes=["x"])
    assert (provider.client_id, provider.client_secret) == ("the-id", SECRET)
    assert "x" in provider.scopes


@pytest.mark.parametrize(
    ("kind", "variables"),
    [
        (GitHub, {"GITHUB_CLIENT_ID": "x"}),
        (Auth0, {"AUTH0_DOMAIN": "tenant.eu.auth0.com", "AUTH0_CLIENT_ID": "x"}),
        (OpenIDConnect, {"OPENIDCONNECT_ISSUER": "https://idp.example.com", "OPENIDCONNECT_CLIENT_ID": "x"}),
        (
            OAuth2,
            {"OAUTH2_CLIENT_ID": "x", "OAUTH2_AUTHORIZATION_ENDPOINT": AUTHORIZE, "OAUTH2_TOKEN_ENDPOINT": TOKEN},
        ),
    ],
)
def test_a_missing_variable_is_named(
    monkeypatch: pytest.MonkeyPatch, kind: type[Provider], variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert kind.from_env().client_secret is None

    for name, value in variables.items():
        monkeypatch.delenv(name)
        with pytest.raises(ConfigurationError, match=f"{name} is not set.*export {name}="):
            kind.from_env()
        monkeypatch.setenv(name, value)


def test_what_is_given_is_not_looked_up() -> None:
    assert GitHub.from_env("NOBODY_SET_THIS", client_id="the-id").client_id == "the-id"


def test_the_prefix_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORK_CLIENT_ID", "the-id")
    assert GitHub.from_env("work_", name="work").name == "work"


def test_options_are_read_when_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_CLIENT_ID", "the-id")
    monkeypatch.setenv("GITHUB_HOST", "ghe.example.com")
    monkeypatch.setenv("MICROSOFT_CLIENT_ID", "the-id")
    monkeypatch.setenv("MICROSOFT_TENANT", "contoso.com")
    assert GitHub.from_env().issuer == "https://ghe.example.com/login/oauth"
    assert Microsoft.from_env().issuer == "https://login.microsoftonline.com/contoso.com/v2.0"


def test_an_empty_secret_in_the_environment_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_CLIENT_ID", "the-id")
    monkeypatch.setenv("GITHUB_CLIENT_SECRET", "")
    assert GitHub.from_env().client_secret is None


def test_the_package_exports_what_it_says() -> None:
    assert all(hasattr(providers, name) for name in providers.__all__)
