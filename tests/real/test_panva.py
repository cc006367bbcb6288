"""The whole life of a login at a certified provider: sign-in, userinfo, refresh, revocation, logout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import httpx
import pytest

from authflow import AsyncSessionManager, LoginDenied, LoginFailed, SessionManager, State
from authflow.errors import InvalidGrant, SignInRequired
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

Person = Callable[..., ScriptedBrowser]


class WebApplication(HTTPServer):
    """A web application with one route: it keeps the callback URL and says thanks."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CallbackRoute)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.callback = ""


class CallbackRoute(BaseHTTPRequestHandler):
    server: WebApplication

    def do_GET(self) -> None:
        self.server.callback = self.server.origin + self.path
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the query holds the code."""


@pytest.fixture
def web() -> Iterator[WebApplication]:
    with WebApplication() as application:
        thread = Thread(target=application.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield application
        application.shutdown()
        thread.join()


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("client", ["basic", "post", "public"])
def test_a_person_signs_in_whatever_the_client_authentication(panva: Panva, person: Person, client: str) -> None:
    with SessionManager([panva.provider(client)], single_user=True) as manager:
        manager[client].login(open_url=person("ada"))
        assert manager[client].state is State.AUTHENTICATED
        assert manager[client].user.id == "ada"


@pytest.mark.parametrize("client", ["basic", "post", "public"])
async def test_a_person_signs_in_to_an_async_manager_likewise(panva: Panva, person: Person, client: str) -> None:
    async with AsyncSessionManager([panva.provider(client)], single_user=True) as manager:
        await manager[client].login(open_url=person("ada"))
        assert manager[client].state is State.AUTHENTICATED
        assert manager[client].user.id == "ada"


@pytest.mark.parametrize("client", ["basic", "es256", "ps256", "eddsa", "ed25519"])
def test_an_id_token_of_every_algorithm_is_accepted(panva: Panva, person: Person, client: str) -> None:
    with SessionManager([panva.provider(client)], single_user=True) as manager:
        manager[client].login(open_url=person("ada"))
        assert manager[client].claims["iss"] == panva.issuer
        assert manager[client].claims["aud"] == client


def test_an_id_token_of_an_algorithm_that_is_not_on_the_list_is_refused(panva: Panva, person: Person) -> None:
    provider = panva.provider("es256", algorithms=["RS256"])
    with SessionManager([provider], single_user=True) as manager:
        with pytest.raises(LoginFailed):
            manager["es256"].login(open_url=person("ada"))
        assert manager["es256"].state is State.IDLE


def test_userinfo_tells_who_signed_in(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=person("ada"))
        user = manager["basic"].user
        assert (user.id, user.name, user.email) == ("ada", "ada Example", "ada@example.test")
        assert user.email_verified is True
        assert user["preferred_username"] == "ada"


def test_a_login_without_the_user_asks_no_userinfo(panva: Panva, person: Person) -> None:
    before = panva.requests("userinfo")
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=person("ada"), fetch_user=False)
        assert manager["basic"].user is None
    assert panva.requests("userinfo") == before


def test_groups_are_read_from_their_claim(panva: Panva, person: Person) -> None:
    provider = panva.provider(scopes=["openid", "groups"], groups_claim="groups")
    with SessionManager([provider], single_user=True) as manager:
        manager["basic"].login(open_url=person("admin"), fetch_groups=True)
        assert [group.name for group in manager["basic"].user.groups] == ["admins", "users"]


def test_a_denied_login_leaves_the_session_idle(panva: Panva, person: Person) -> None:
    nobody = person("ada", deny=True)
    with SessionManager([panva.provider()], single_user=True) as manager:
        with pytest.raises(LoginDenied) as caught:
            manager["basic"].login(open_url=nobody)
        assert caught.value.error == "access_denied"
        assert manager["basic"].state is State.IDLE
    assert "error=access_denied" in nobody.result().url


def test_login_hint_reaches_the_provider(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        manager["basic"].login(open_url=person("nobody"), login_hint="grace")
        assert manager["basic"].user.id == "grace"


def test_two_people_sign_in_to_two_clients_of_one_manager(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider("basic"), panva.provider("post")], single_user=True) as manager:
        manager["basic"].login(open_url=person("ada"))
        manager["post"].login(open_url=person("grace"))
        assert [manager["basic"].user.id, manager["post"].user.id] == ["ada", "grace"]


# ── the web ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_web_login_is_begun_and_completed(panva: Panva, person: Person, web: WebApplication) -> None:
    with SessionManager([panva.provider()]) as manager:
        session = manager.owner("browser-1")["basic"]
        request = session.begin(redirect_uri=f"{web.origin}/callback/basic", app_data={"next": "/inbox"})
        person("ada").go(request.url)
        done = manager.complete(web.callback, binding=request.binding)

        assert done.session is session
        assert session.user.id == "ada"
        assert done.app_data == {"next": "/inbox"}


async def test_a_web_login_is_begun_and_completed_by_an_async_manager(
    panva: Panva, person: Person, web: WebApplication
) -> None:
    async with AsyncSessionManager([panva.provider()]) as manager:
        session = manager.owner("browser-1")["basic"]
        request = await session.begin(redirect_uri=f"{web.origin}/callback/basic")
        person("ada").go(request.url)
        done = await manager.complete(web.callback, binding=request.binding)

        assert done.session is session
        assert session.user.id == "ada"


# ── refresh ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_refresh_rotates_the_refresh_token(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        first = session.token()
        session.refresh()
        second = session.token()

        assert second.access_token != first.access_token
        assert second.refresh_token != first.refresh_token
        assert panva.introspect(second.refresh_token)["active"]
        assert not panva.introspect(first.refresh_token)["active"]


async def test_an_async_refresh_rotates_the_refresh_token(panva: Panva, person: Person) -> None:
    async with AsyncSessionManager([panva.provider()], single_user=True) as manager:
        session = await manager["basic"].login(open_url=person("ada"))
        first = await session.token()
        await session.refresh()
        second = await session.token()

        assert second.access_token != first.access_token
        assert second.refresh_token != first.refresh_token
        assert not panva.introspect(first.refresh_token)["active"]


def test_five_refreshes_in_a_row_are_five_requests(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        before = panva.requests("token:refresh_token")
        seen = {session.token().refresh_token}
        for _ in range(5):
            session.refresh()
            seen.add(session.token().refresh_token)

        assert len(seen) == 6
        assert panva.requests("token:refresh_token") == before + 5


def test_a_fresh_token_is_handed_out_without_asking_the_provider(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        before = panva.requests("token:refresh_token")
        assert session.token() == session.token()
        assert panva.requests("token:refresh_token") == before


def test_a_session_whose_refresh_token_was_ended_lives_while_its_access_token_does(
    panva: Panva, person: Person
) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        token = session.token()
        panva.revoke(token.refresh_token)

        with pytest.raises(InvalidGrant):
            session.refresh()
        assert session.live
        assert session.error.recovery == "sign_in_again"
        assert session.token() == token


# ── using it ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_call_is_made_with_the_session_as_its_auth(panva: Panva, person: Person) -> None:
    provider = panva.provider(api_origins=[panva.issuer])
    with SessionManager([provider], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        answer = httpx.get(f"{panva.issuer}/me", auth=session.auth, trust_env=False)
        assert answer.json()["sub"] == "ada"


def test_a_call_renews_the_token_that_the_provider_no_longer_takes(panva: Panva, person: Person) -> None:
    provider = panva.provider(api_origins=[panva.issuer])
    with SessionManager([provider], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        panva.expire(session.token().access_token)
        answer = httpx.get(f"{panva.issuer}/me", auth=session.auth, trust_env=False)
        assert answer.json()["sub"] == "ada"


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────


def test_logout_revokes_both_tokens_at_the_provider(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        token = session.token()
        result = session.logout(end_session=False)

        assert session.state is State.LOGGED_OUT
        assert result.revoked == {"refresh_token": True, "access_token": True}
        assert not panva.introspect(token.access_token)["active"]
        assert not panva.introspect(token.refresh_token)["active"]


async def test_an_async_logout_revokes_both_tokens_at_the_provider(panva: Panva, person: Person) -> None:
    async with AsyncSessionManager([panva.provider()], single_user=True) as manager:
        session = await manager["basic"].login(open_url=person("ada"))
        token = await session.token()
        result = await session.logout(end_session=False)

        assert session.state is State.LOGGED_OUT
        assert result.revoked == {"refresh_token": True, "access_token": True}
        assert not panva.introspect(token.access_token)["active"]
        assert not panva.introspect(token.refresh_token)["active"]


def test_what_was_saved_before_a_logout_signs_nobody_in_after_it(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"))
        saved = session.dump_plaintext()
        session.logout(end_session=False)

        with pytest.raises(SignInRequired):
            session.login(saved_token=saved)
        with pytest.raises(SignInRequired):
            session.token()


def test_after_logout_the_provider_does_not_know_the_person_any_more(panva: Panva, person: Person) -> None:
    ada = person("ada")
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=ada)
        assert session.logout().end_session_opened
        assert "You are signed out." in ada.result().text

        with pytest.raises(LoginFailed) as caught:
            session.login(open_url=ada, prompt="none")
        assert caught.value.error == "login_required"


async def test_after_an_async_logout_the_provider_does_not_know_the_person_any_more(
    panva: Panva, person: Person
) -> None:
    ada = person("ada")
    async with AsyncSessionManager([panva.provider()], single_user=True) as manager:
        session = await manager["basic"].login(open_url=ada)
        assert (await session.logout()).end_session_opened
        assert "You are signed out." in ada.result().text

        with pytest.raises(LoginFailed) as caught:
            await session.login(open_url=ada, prompt="none")
        assert caught.value.error == "login_required"


def test_after_a_logout_that_stays_here_the_provider_still_knows_the_person(panva: Panva, person: Person) -> None:
    ada = person("ada")
    with SessionManager([panva.provider()], single_user=True) as manager:
        session = manager["basic"].login(open_url=ada)
        session.logout(revoke=False, end_session=False)
        with pytest.raises(LoginFailed) as caught:
            session.login(open_url=ada, prompt="none")
        assert caught.value.error == "interaction_required"  # and not login_required


def test_a_web_logout_hands_over_the_providers_logout_url(panva: Panva, person: Person, web: WebApplication) -> None:
    ada = person("ada")
    with SessionManager([panva.provider()]) as manager:
        request = manager.owner("browser-1")["basic"].begin(redirect_uri=f"{web.origin}/callback/basic")
        ada.go(request.url)
        session = manager.complete(web.callback, binding=request.binding).session
        result = session.logout(post_logout_redirect_uri=f"{web.origin}/logged-out")

        assert not result.end_session_opened
        ada.go(result.end_session_url)
        assert web.callback.startswith(f"{web.origin}/logged-out?state=")
