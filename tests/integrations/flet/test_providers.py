"""Providers that were written for Flet, used as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from flet.auth import Group, OAuthProvider, User
from flet.auth.providers import GitHubOAuthProvider

from authflow.integrations.flet import FletLogins, FletProvider
from authflow.providers import GitHub
from authflow.testing import DevProvider, ScriptedBrowser

from .application import Application, Told, on_the_desktop

ACME = "acme"


@pytest.fixture(scope="module")
def dev() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada").serve() as provider:
        provider.client("dev-app", "dev-secret", [f"http://127.0.0.1/callback/{ACME}"])
        yield provider


class Acme(OAuthProvider):
    """As somebody wrote it for Flet: hooks that ask for themselves, by an HTTP client of their own."""

    def __init__(self, url: str, **more: Any) -> None:
        self.url = url
        self.loops: list[asyncio.AbstractEventLoop] = []
        super().__init__(
            client_id="dev-app",
            client_secret="dev-secret",
            authorization_endpoint=f"{url}/authorize",
            token_endpoint=f"{url}/token",
            redirect_url="",
            user_scopes=["openid", "profile"],
            group_scopes=["groups"],
            **more,
        )

    async def _fetch_user(self, access_token: str) -> User | None:
        self.loops.append(asyncio.get_running_loop())
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.url}/userinfo", headers={"Authorization": f"Bearer {access_token}"})
        me = answer.raise_for_status().json()
        return User({**me, "shoe_size": 38}, id=me["sub"])

    async def _fetch_groups(self, access_token: str) -> list[Group]:
        return [Group({"name": "painters", "since": 1843}, name="painters")]


async def sign_in(provider: OAuthProvider, **arguments: Any) -> tuple[Application, list[Told]]:
    """One login at a provider of Flet's, given as it is."""
    logins = FletLogins([FletProvider(provider, name=ACME, allow_insecure_loopback=True)])
    app = Application(logins)
    with ScriptedBrowser(user="ada") as browser:
        async with on_the_desktop(app.main) as client:
            client.opens = browser
            await app.pages[0].login(provider, **arguments)
            told = await app.told_of(1)
            await logins.manager.close()
            return app, told


async def test_its_hooks_are_asked_on_flets_own_loop(dev: DevProvider) -> None:
    provider = Acme(dev.url)
    app, told = await sign_in(provider, fetch_groups=True)
    (auth,) = app.pages
    assert told == [Told(0, "login", "", "")]
    assert provider.loops == [asyncio.get_running_loop()]
    assert (auth.user.name, auth.user["shoe_size"]) == ("Ada Lovelace", 38)
    assert [(group.name, group["since"]) for group in auth.user.groups] == [("painters", 1843)]
    assert auth.auth.provider is provider


async def test_a_plain_one_is_read_by_its_endpoint_and_function(dev: DevProvider) -> None:
    class Plain(OAuthProvider):
        pass

    provider = Plain(
        client_id="dev-app",
        client_secret="dev-secret",
        authorization_endpoint=f"{dev.url}/authorize",
        token_endpoint=f"{dev.url}/token",
        redirect_url="",
        user_scopes=["openid", "profile"],
        user_endpoint=f"{dev.url}/userinfo",
        user_id_fn=lambda user: user["name"],
    )
    app, told = await sign_in(provider)
    assert told == [Told(0, "login", "", "")]
    assert app.pages[0].user.id == "Ada Lovelace"


async def test_a_profile_that_cannot_be_had_costs_no_login(dev: DevProvider) -> None:
    """B19: the token was there, and the login had failed all the same."""

    class Away(Acme):
        async def _fetch_user(self, access_token: str) -> User | None:
            raise httpx.ConnectError("away")

    app, told = await sign_in(Away(dev.url))
    assert told == [Told(0, "login", "", "")]
    assert (app.pages[0].live, app.pages[0].user) == (True, None)


async def test_a_hook_that_never_answers_keeps_nobody(dev: DevProvider) -> None:
    class Stuck(Acme):
        async def _fetch_user(self, access_token: str) -> User | None:
            await asyncio.Event().wait()
            return None

    provider = Stuck(dev.url)
    adopted = FletProvider(provider, name=ACME, allow_insecure_loopback=True, timeout=0.05)
    app = Application(FletLogins([adopted]))
    with ScriptedBrowser(user="ada") as browser:
        async with on_the_desktop(app.main) as client:
            client.opens = browser
            await app.pages[0].login(provider)
            assert await app.told_of(1)
            assert app.pages[0].user is None
            await app.logins.manager.close()


async def test_a_hook_that_is_wrong_is_told_without_its_text(dev: DevProvider) -> None:
    class Wrong(Acme):
        async def _fetch_user(self, access_token: str) -> User | None:
            raise KeyError(access_token)

    app, told = await sign_in(Wrong(dev.url))
    assert told[0].error == "response_invalid"
    assert "_fetch_user failed: KeyError" in told[0].text
    assert not app.pages[0].live


def test_presets_of_flet_have_the_names_that_ours_have() -> None:
    github = GitHubOAuthProvider("id", "secret", "https://app.example/oauth_callback")
    logins = FletLogins([github])
    (adopted,) = logins.manager.providers.values()
    assert adopted.name == GitHub("id").name == logins.name_of(github) == "github"
    assert adopted.redirect_uri == "https://app.example/oauth_callback"
    assert adopted.requested_scopes(fetch_groups=True) == ("read:user", "user:email", "read:org")
    assert logins.base_url == "https://app.example"


def test_a_bare_one_is_named_by_where_its_users_sign_in() -> None:
    linkedin = OAuthProvider(
        "id", "secret", "https://www.linkedin.com/oauth/v2/authorization", "https://www.linkedin.com/token", ""
    )
    assert FletProvider(linkedin).name == "www.linkedin.com"
    assert FletProvider(linkedin, name="linkedin").name == "linkedin"


def test_what_is_fixed_for_all_users_is_not_used() -> None:
    """B12: a challenge that is kept with the provider is the same for every user."""
    provider = OAuthProvider(
        "id", "secret", "https://a.example/a", "https://a.example/t", "", code_challenge="c", code_verifier="v"
    )
    assert "code_challenge" not in FletProvider(provider).authorization_params
