"""Signing in by loopback: the story that ends well, and every way it ends otherwise."""

from __future__ import annotations

import asyncio
import threading
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authflow import LoginCancelled, LoginDenied, LoginFailed, LoginTimedOut, SessionManager, State
from authflow.agents import AppLink, Loopback
from authflow.errors import (
    AlreadyAuthenticated,
    ConfigurationError,
    InvalidCall,
    LoginInProgress,
    MissingEndpoint,
    UnknownProvider,
)
from authflow.providers import OpenIDConnect
from authflow.testing import DevProvider, ScriptedBrowser, VirtualClock

from .conftest import Heard, go


class Later:
    """An opener that keeps the URL; the test plays the human when it is time."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.opened = threading.Event()

    def __call__(self, url: str) -> None:
        self.urls.append(url)
        self.opened.set()


async def in_background(call: Any) -> asyncio.Future[Any]:
    """A call of either colour, running."""

    async def run() -> Any:
        return await go(await asyncio.to_thread(call) if not asyncio.iscoroutinefunction(call) else call())

    return asyncio.ensure_future(run())


async def opened(later: Later) -> str:
    await asyncio.to_thread(later.opened.wait, 5)
    return later.urls[-1]


async def test_a_login_walks_the_chart_and_tells_it(manager: Any, heard: Heard, browser: ScriptedBrowser) -> None:
    session = await go(manager.login("acme", open_url=browser))

    assert session is manager["acme"]
    assert session.state is State.AUTHENTICATED
    assert session.live
    assert session.user.name == "Ada Lovelace"
    assert session.user.id == session.claims["sub"]
    assert session.scopes == ("openid", "profile", "email")
    assert heard.triggers == ["authorize", "callback", "authenticate"]
    assert heard.signals == ["on_login"]
    assert [event.seq for event in heard] == [1, 2, 3]
    assert [event.live for event in heard] == [False, False, True]


async def test_the_browser_is_told_that_it_worked_only_when_it_did(manager: Any, browser: ScriptedBrowser) -> None:
    await go(manager.login("acme", open_url=browser))
    page = await asyncio.to_thread(browser.result, 5)
    assert page.status == 200
    assert "signed in to Acme as Ada Lovelace" in page.text


async def test_the_application_may_show_its_own_page(manager: Any, browser: ScriptedBrowser) -> None:
    await go(manager.login("acme", open_url=browser, complete_page="<h1>Welcome to the show</h1>"))
    page = await asyncio.to_thread(browser.result, 5)
    assert "Welcome to the show" in page.text


async def test_no_listener_and_no_pending_login_are_left_behind(manager: Any, browser: ScriptedBrowser) -> None:
    await go(manager.login("acme", open_url=browser))
    redirect = parse_qs(urlsplit(browser.opened[0]).query)["redirect_uri"][0]
    await asyncio.to_thread(browser.result, 5)
    with pytest.raises(httpx.ConnectError):
        await asyncio.to_thread(httpx.get, redirect)
    assert not manager["acme"]._run.listeners
    assert not manager["acme"]._run.waiters


async def test_a_login_costs_three_requests(manager: Any, dev: DevProvider, browser: ScriptedBrowser) -> None:
    await go(manager.login("acme", open_url=browser))
    await go(manager.logout("acme", end_session=False))
    dev.forget_requests()
    await go(manager.login("acme", open_url=browser))
    assert (dev.count("token"), dev.count("userinfo"), dev.count("jwks"), dev.count("metadata")) == (1, 1, 0, 0)


async def test_a_denied_login_says_so_everywhere(manager: Any, heard: Heard, dev: DevProvider) -> None:
    dev.auto = None
    with ScriptedBrowser(user="ada", deny=True) as browser:
        with pytest.raises(LoginDenied) as denied:
            await go(manager.login("acme", open_url=browser))
        page = await asyncio.to_thread(browser.result, 5)
    assert denied.value.code == "access_denied"
    assert denied.value.__cause__ is not None
    assert "Not signed in to Acme" in page.text
    assert heard.triggers == ["authorize", "fail"]
    assert heard.signals == ["on_login_failed"]
    assert heard[-1].error.code == "access_denied"
    assert heard[-1].reason == "denied"
    assert manager["acme"].state is State.IDLE
    assert not manager["acme"].live
    assert manager["acme"].user is None


async def test_a_stray_callback_ends_nothing_and_the_right_one_still_works(manager: Any, heard: Heard) -> None:
    later = Later()
    login = await in_background(lambda: manager.login("acme", open_url=later))
    url = await opened(later)
    redirect = parse_qs(urlsplit(url).query)["redirect_uri"][0]

    stray = await asyncio.to_thread(httpx.get, f"{redirect}?code=stolen&state=made-up")
    assert stray.status_code == 400
    assert manager["acme"].state is State.AUTHORIZING
    with ScriptedBrowser() as human:
        human(url)
        session = await asyncio.wait_for(login, 10)
    assert session.live
    assert heard.triggers == ["authorize", "reject", "callback", "authenticate"]


async def test_cancel_ends_the_wait(manager: Any, heard: Heard) -> None:
    later = Later()
    login = await in_background(lambda: manager.login("acme", open_url=later))
    await opened(later)
    assert await go(manager["acme"].cancel()) is True
    with pytest.raises(LoginCancelled) as cancelled:
        await asyncio.wait_for(login, 5)
    assert cancelled.value.code == "cancelled"
    assert heard.triggers == ["authorize", "cancel"]
    assert await go(manager["acme"].cancel()) is False


async def test_a_login_that_nobody_finishes_times_out_by_the_clock(colour: Any, dev: DevProvider) -> None:
    clock = VirtualClock()
    manager = colour([dev.settings(name="acme")], clock=clock)
    heard = Heard(manager)
    later = Later()
    login = await in_background(lambda: manager.login("acme", open_url=later, timeout=300.0))
    await opened(later)
    await clock.aadvance(301.0)
    with pytest.raises(LoginTimedOut) as late:
        await asyncio.wait_for(login, 5)
    assert "Sign in again" in late.value.hint
    assert heard.triggers == ["authorize", "time_out"]
    assert heard[-1].origin == "clock"
    await go(manager.close())


async def test_a_second_login_while_one_waits_is_refused(manager: Any) -> None:
    later = Later()
    login = await in_background(lambda: manager.login("acme", open_url=later))
    await opened(later)
    with pytest.raises(LoginInProgress) as refused:
        await go(manager.login("acme", open_url=Later()))
    assert "cancel()" in refused.value.hint
    await go(manager["acme"].cancel())
    with pytest.raises(LoginCancelled):
        await asyncio.wait_for(login, 5)


async def test_who_hears_that_a_login_has_ended_may_begin_the_next(
    manager: Any, heard: Heard, browser: ScriptedBrowser
) -> None:
    def again(session: Any, event: Any) -> Any:
        return session.login(open_url=browser)

    async def again_later(session: Any, event: Any) -> None:
        await again(session, event)

    manager.on_login_failed.connect(again if isinstance(manager, SessionManager) else again_later)
    with pytest.raises(LoginFailed):
        await go(manager.login("acme", open_url=lambda url: False))  # no browser was to be had
    assert manager["acme"].live
    assert heard.triggers == ["authorize", "fail", "authorize", "callback", "authenticate"]


async def test_a_login_supersedes_what_was_begun_before(manager: Any, heard: Heard, browser: ScriptedBrowser) -> None:
    await go(manager["acme"].begin(agent=Loopback()))
    await go(manager.login("acme", open_url=browser))
    assert heard.triggers == ["authorize", "cancel", "authorize", "callback", "authenticate"]
    assert heard[1].reason == "superseded"


async def test_signing_out_while_signing_in_is_a_cancel(manager: Any, heard: Heard) -> None:
    later = Later()
    login = await in_background(lambda: manager.login("acme", open_url=later))
    await opened(later)
    result = await go(manager.logout("acme"))
    assert (result.signed_out, result.cancelled_login) == (False, True)
    with pytest.raises(LoginCancelled) as ended:
        await asyncio.wait_for(login, 5)
    assert ended.value.code == "logout"
    assert heard[-1].reason == "logout"


async def test_closing_the_manager_ends_a_pending_login(colour: Any, dev: DevProvider) -> None:
    manager = colour([dev.settings(name="acme")])
    heard = Heard(manager)
    later = Later()
    login = await in_background(lambda: manager.login("acme", open_url=later))
    await opened(later)
    await go(manager.close())
    with pytest.raises(LoginCancelled):
        await asyncio.wait_for(login, 5)
    assert (heard[-1].trigger, heard[-1].reason) == ("cancel", "closed")


async def test_a_live_session_is_not_logged_in_again(manager: Any, browser: ScriptedBrowser) -> None:
    await go(manager.login("acme", open_url=browser))
    with pytest.raises(AlreadyAuthenticated):
        await go(manager.login("acme", open_url=browser))
    with pytest.raises(AlreadyAuthenticated):
        await go(manager.login("acme", open_url=browser, scope=["profile"]))


async def test_a_cancelled_task_leaves_the_session_at_rest(dev: DevProvider) -> None:
    from authflow import AsyncSessionManager

    async with AsyncSessionManager([dev.settings(name="acme")]) as manager:
        heard = Heard(manager)
        later = Later()
        task = asyncio.create_task(manager.login("acme", open_url=later))
        await opened(later)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert manager["acme"].state is State.IDLE
        assert not manager["acme"]._run.listeners
    assert heard.triggers == ["authorize", "cancel"]


async def test_a_task_cancelled_while_the_code_is_exchanged_is_no_login_and_its_tokens_die(dev: DevProvider) -> None:
    from authflow import AsyncSessionManager

    issued: list[str] = []
    dev.tamper["token_response"] = lambda answer: (issued.append(answer["access_token"]), answer)[1]
    async with AsyncSessionManager([dev.settings(name="acme")]) as manager:
        heard = Heard(manager)
        hold = dev.hold("token", after=True)
        with ScriptedBrowser() as browser:
            task = asyncio.create_task(manager.login("acme", open_url=browser))
            await asyncio.to_thread(hold.wait, 5)
            assert manager["acme"].state is State.EXCHANGING
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert manager["acme"].state is State.IDLE
            hold.release()
    assert "on_login" not in heard.signals
    assert issued
    assert not dev.accepts(issued[0])


async def test_an_opener_may_be_a_coroutine_function(dev: DevProvider) -> None:
    from authflow import AsyncSessionManager

    async with AsyncSessionManager([dev.settings(name="acme")]) as manager:
        with ScriptedBrowser() as browser:

            async def show(url: str) -> None:
                await asyncio.sleep(0)
                browser(url)

            assert (await manager.login("acme", open_url=show)).live


async def test_an_opener_that_raises_fails_the_login(manager: Any, heard: Heard) -> None:
    def broken(url: str) -> None:
        raise OSError("no window system")

    with pytest.raises(LoginFailed) as failed:
        await go(manager.login("acme", open_url=broken))
    assert failed.value.code == "browser_unavailable"
    assert "no window system" not in str(failed.value)
    assert heard.triggers == ["authorize", "fail"]
    assert not manager["acme"]._run.listeners


async def test_a_provider_that_is_down_fails_the_login_and_is_heard(colour: Any) -> None:
    manager = colour([OpenIDConnect("http://127.0.0.1:9", "id", name="dead", allow_insecure_loopback=True)])
    heard = Heard(manager)
    with pytest.raises(LoginFailed) as failed:
        await go(manager.login("dead", open_url=Later()))
    assert failed.value.code == "connect_failed"
    assert failed.value.recovery == "wait_online"
    assert heard.triggers == ["authorize", "fail"]
    await go(manager.close())


async def test_an_unknown_provider_names_the_known_ones(manager: Any) -> None:
    with pytest.raises(UnknownProvider) as unknown:
        manager["gthub"]
    assert "acme" in unknown.value.hint
    assert isinstance(unknown.value, KeyError)
    assert "gthub" not in manager
    assert list(manager) == ["acme"]


def test_two_providers_of_one_name_are_refused(colour: Any, dev: DevProvider) -> None:
    with pytest.raises(ConfigurationError):
        colour([dev.settings(name="acme"), dev.settings(name="acme")])


async def test_bad_arguments_name_the_remedy(manager: Any) -> None:
    with pytest.raises(ConfigurationError, match="list of strings"):
        await go(manager.login("acme", scope="openid"))
    with pytest.raises(ConfigurationError, match="timeout"):
        await go(manager.login("acme", timeout=0))
    with pytest.raises(TypeError, match="scopes"):
        await go(manager.login("acme", scopes=["a"]))
    with pytest.raises(InvalidCall, match="no redirect"):
        await go(manager.login("acme", agent=AppLink("com.example.app:/callback", print)))
    with pytest.raises((ConfigurationError, MissingEndpoint), match="redirect_uri"):
        await go(manager["acme"].begin())
    assert manager["acme"].state is State.IDLE


async def test_every_argument_reaches_the_provider(manager: Any) -> None:
    later = Later()
    login = await in_background(
        lambda: manager.login(
            "acme", open_url=later, scope=["extra"], login_hint="ada", prompt="login", max_age=60,
            acr_values=["a", "b"], ui_locales="de", domain_hint="example.com", params={"audience": "api"},
            fetch_groups=True,
        )
    )  # fmt: skip
    sent = parse_qs(urlsplit(await opened(later)).query)
    assert sent["scope"] == ["openid profile email groups extra"]
    assert (sent["login_hint"], sent["prompt"], sent["max_age"]) == (["ada"], ["login"], ["60"])
    assert (sent["acr_values"], sent["ui_locales"], sent["domain_hint"]) == (["a b"], ["de"], ["example.com"])
    assert (sent["audience"], sent["code_challenge_method"]) == (["api"], ["S256"])
    await go(manager["acme"].cancel())
    with pytest.raises(LoginCancelled):
        await asyncio.wait_for(login, 5)


async def test_groups_are_fetched_on_request(manager: Any, browser: ScriptedBrowser) -> None:
    session = await go(manager.login("acme", open_url=browser, fetch_groups=True))
    assert session.user.groups
    assert all(group.name for group in session.user.groups)


async def test_without_fetch_user_there_is_no_user_and_no_request_for_one(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    session = await go(manager.login("acme", open_url=browser, fetch_user=False))
    assert session.user is None
    assert dev.count("userinfo") == 0
    assert session.claims["sub"]


async def test_a_userinfo_endpoint_that_is_down_does_not_end_the_login(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    dev.fail_next("userinfo", 503)
    session = await go(manager.login("acme", open_url=browser))
    assert session.live
    assert session.user.id == session.claims["sub"]
    assert session.error is not None


async def test_a_lying_provider_gets_no_login_and_keeps_no_token(
    manager: Any, dev: DevProvider, heard: Heard, browser: ScriptedBrowser
) -> None:
    issued: list[str] = []
    dev.tamper["token_response"] = lambda answer: (issued.append(answer["access_token"]), answer)[1]
    dev.tamper["id_token_claims"] = lambda claims: {**claims, "nonce": "another"}
    with pytest.raises(LoginFailed) as failed:
        await go(manager.login("acme", open_url=browser))
    assert (failed.value.code, failed.value.check) == ("validation_failed", "nonce")
    assert heard.triggers == ["authorize", "callback", "fail"]
    assert dev.count("userinfo") == 0
    assert not dev.accepts(issued[0])


async def test_a_step_up_runs_beside_the_live_session(manager: Any, heard: Heard, browser: ScriptedBrowser) -> None:
    session = await go(manager.login("acme", open_url=browser))
    before = await go(session.token())
    await go(session.step_up(open_url=browser, scope=["groups"]))
    assert session.live
    assert (await go(session.token())).access_token != before.access_token
    assert "groups" in session.scopes
    assert session.attempt is None
    assert heard.triggers[3:] == ["authorize", "callback", "reauthenticate"]
    assert heard.signals == ["on_login", "on_refresh"]
    assert heard[-1].reason == "step_up"
    assert heard[3].attempt is not None
    assert all(event.live for event in heard[3:])


async def test_a_failed_step_up_leaves_the_session_alone(manager: Any, dev: DevProvider, heard: Heard) -> None:
    with ScriptedBrowser() as browser:
        session = await go(manager.login("acme", open_url=browser))
    before = await go(session.token())
    dev.auto = None
    with ScriptedBrowser(user="ada", deny=True) as denier, pytest.raises(LoginDenied):
        await go(session.step_up(open_url=denier, prompt="consent"))
    assert session.live
    assert await go(session.token()) == before
    assert heard.signals == ["on_login", "on_login_failed"]
    assert heard[-1].attempt is not None
    assert heard[-1].live


async def test_a_step_up_by_another_user_is_refused(manager: Any, dev: DevProvider) -> None:
    with ScriptedBrowser() as browser:
        session = await go(manager.login("acme", open_url=browser))
    dev.auto = "grace"
    with ScriptedBrowser() as other, pytest.raises(LoginFailed) as refused:
        await go(session.step_up(open_url=other, prompt="login"))
    assert refused.value.check == "other_user"
    assert session.live
    assert session.user.name == "Ada Lovelace"


async def test_an_attempt_beside_can_be_seen_and_cancelled(manager: Any, browser: ScriptedBrowser) -> None:
    session = await go(manager.login("acme", open_url=browser))
    later = Later()
    stepping = await in_background(lambda: session.step_up(open_url=later, prompt="login"))
    await opened(later)
    assert session.attempt.state is State.AUTHORIZING
    assert session.attempt.deadline is not None
    assert session.state is State.AUTHENTICATED
    assert await go(session.attempt.cancel()) is True
    with pytest.raises(LoginCancelled):
        await asyncio.wait_for(stepping, 5)
    assert session.live
    assert session.attempt is None


def test_a_coroutine_opener_on_a_sync_manager_is_refused(dev: DevProvider) -> None:
    from authflow import SessionManager

    async def show(url: str) -> None:
        return None

    with SessionManager([dev.settings(name="acme")]) as manager:
        with pytest.raises(LoginFailed, match="coroutine"):
            manager.login("acme", open_url=show)
        assert manager["acme"].state is State.IDLE


async def test_two_accounts_of_one_provider_do_not_touch(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    await go(manager.login("acme", open_url=browser))
    dev.auto = "grace"
    with ScriptedBrowser() as second:
        work = await go(manager["acme", "work"].login(open_url=second))
    assert work.account == "work"
    assert manager["acme"].user.name == "Ada Lovelace"
    assert work.user.name == "Grace Hopper"
    await go(work.logout())
    assert manager["acme"].live
