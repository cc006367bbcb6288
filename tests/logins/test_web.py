"""The web split: begun in one place, completed by a callback in another, tied to one browser."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from authflow import LoginFailed, LoginTimedOut, State
from authflow.errors import (
    BindingRequired,
    CallbackAlreadyUsed,
    CallbackRejected,
    InvalidCall,
    LoginDenied,
    OwnerRequired,
)
from authflow.stores import MemoryStore
from authflow.testing import DevProvider, VirtualClock

from .conftest import Heard, go

CALLBACK = "http://127.0.0.1:8000/callback/acme"


class Site:
    """A web application on a manager of either colour, and a visitor's browser that stops at the callback."""

    def __init__(self, colour: Any, dev: DevProvider, **settings: Any) -> None:
        self.dev = dev
        self.manager = colour([dev.settings(name="acme", redirect_uri=CALLBACK)], **settings)
        self.heard = Heard(self.manager)
        self.visitor = self.manager.owner("visitor-1")

    async def begin(self, **arguments: Any) -> Any:
        return await go(self.visitor["acme"].begin(**arguments))

    async def callback(self, request: Any) -> str:
        """Where the provider sends the visitor back to: the application's route would see this URL."""

        def walk() -> str:
            with httpx.Client(trust_env=False, follow_redirects=False) as client:
                answer = client.get(request.url)
                while answer.is_redirect and not answer.headers["location"].startswith(CALLBACK):
                    answer = client.get(answer.headers["location"])
            return str(answer.headers["location"])

        return await asyncio.to_thread(walk)

    async def complete(self, callback: Any, binding: str | None) -> Any:
        return await go(self.manager.complete(callback, binding=binding))


@pytest.fixture
async def site(colour: Any, dev: DevProvider) -> AsyncIterator[Site]:
    made = Site(colour, dev)
    yield made
    await go(made.manager.close())


async def test_a_login_begun_and_completed_over_routes(site: Site) -> None:
    request = await site.begin(app_data={"next": "/inbox"})
    assert request.binding
    assert parse_qs(urlsplit(request.url).query)["redirect_uri"] == [CALLBACK]
    assert site.visitor["acme"].state is State.AUTHORIZING

    done = await site.complete(await site.callback(request), request.binding)

    assert done.session is site.visitor["acme"]
    assert done.event.trigger == "authenticate"
    assert done.app_data == {"next": "/inbox"}
    assert done.session.user.name == "Ada Lovelace"
    assert site.heard.triggers == ["authorize", "callback", "authenticate"]


async def test_form_post_parameters_are_a_callback_too(site: Site) -> None:
    request = await site.begin()
    form = {name: values[0] for name, values in parse_qs(urlsplit(await site.callback(request)).query).items()}
    assert (await site.complete(form, request.binding)).session.live


async def test_without_an_owner_a_web_login_is_refused(site: Site, colour: Any, dev: DevProvider) -> None:
    with pytest.raises(OwnerRequired) as refused:
        await go(site.manager["acme"].begin())
    assert "manager.owner(" in refused.value.hint
    single = colour([dev.settings(name="acme", redirect_uri=CALLBACK)], single_user=True)
    assert (await go(single["acme"].begin())).url
    await go(single.close())


async def test_without_the_binding_a_callback_is_refused_and_ends_nothing(site: Site) -> None:
    request = await site.begin()
    callback = await site.callback(request)
    with pytest.raises(BindingRequired):
        await site.complete(callback, None)
    assert site.visitor["acme"].state is State.AUTHORIZING
    assert (await site.complete(callback, request.binding)).session.live


async def test_a_victims_browser_cannot_finish_an_attackers_login(site: Site) -> None:
    """Login CSRF: the attacker's callback URL, opened in the victim's browser, carries the victim's binding."""
    attackers = await site.begin()
    victims = await go(site.manager.owner("victim")["acme"].begin())
    callback = await site.callback(attackers)
    site.dev.forget_requests()
    with pytest.raises(CallbackRejected) as rejected:
        await site.complete(callback, victims.binding)
    assert rejected.value.check == "binding"
    assert site.dev.count("token") == 0
    assert not site.manager.owner("victim")["acme"].live


@pytest.mark.parametrize(
    "callback",
    [
        f"{CALLBACK}?code=c",
        f"{CALLBACK}?code=c&state=made-up",
        f"{CALLBACK}?code=c&state=a&state=b",
        f"{CALLBACK}?error=access_denied",
        f"{CALLBACK}?error=access_denied&state=made-up",
        "not a url at all",
        "",
        "\x00" * 40,
        "x" * 100_000,
    ],
)
async def test_a_callback_of_no_pending_login_sends_nothing_and_ends_nothing(site: Site, callback: str) -> None:
    request = await site.begin()
    site.dev.forget_requests()
    with pytest.raises(CallbackRejected):
        await site.complete(callback, request.binding)
    assert site.dev.count("token") == 0
    assert site.visitor["acme"].state is State.AUTHORIZING
    assert site.heard.triggers == ["authorize"]


async def test_a_rejected_callback_is_told_by_its_session_and_not_stored(site: Site) -> None:
    session = site.visitor["acme"]
    request = await site.begin()
    revision = session._run.ledger.version
    with pytest.raises(CallbackRejected):
        await go(session.complete(f"{CALLBACK}?code=c&state=made-up", binding=request.binding))
    assert site.heard.triggers == ["authorize", "reject"]
    assert session._run.ledger.version == revision


def spoil(callback: str, **changes: Any) -> str:
    parts = urlsplit(callback)
    query = parse_qs(parts.query)
    for name, value in changes.items():
        if value is None:
            query.pop(name, None)
        else:
            query[name] = value if isinstance(value, list) else [value]
    return parts._replace(query=urlencode(query, doseq=True)).geturl()


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        pytest.param({"iss": None}, "iss", id="the advertised issuer is missing"),
        pytest.param({"iss": "https://evil.example"}, "iss", id="another issuer answers"),
        pytest.param({"code": ["one", "two"]}, "callback_parameters", id="the code comes twice"),
        pytest.param({"error": "access_denied"}, "callback_parameters", id="code and error together"),
        pytest.param({"code": None}, "callback_parameters", id="neither code nor error"),
    ],
)
async def test_a_right_state_with_a_wrong_answer_fails_before_the_exchange(
    site: Site, changes: dict[str, Any], check: str
) -> None:
    request = await site.begin()
    callback = spoil(await site.callback(request), **changes)
    site.dev.forget_requests()
    with pytest.raises(LoginFailed) as failed:
        await site.complete(callback, request.binding)
    assert failed.value.check == check
    assert site.dev.count("token") == 0
    assert site.heard.triggers == ["authorize", "fail"]
    assert site.visitor["acme"].state is State.IDLE


async def test_a_denial_comes_back_as_one(site: Site) -> None:
    request = await site.begin()
    query = parse_qs(urlsplit(request.url).query)
    answer = urlencode(
        {"error": "access_denied", "error_description": "<b>no</b>\x1b[31m", "state": query["state"][0]}
        | {"iss": site.dev.issuer}
    )
    with pytest.raises(LoginDenied) as denied:
        await site.complete(f"{CALLBACK}?{answer}", request.binding)
    assert denied.value.error == "access_denied"
    assert "\x1b" not in str(denied.value)


async def test_the_same_callback_again_gives_the_same_outcome_and_no_second_exchange(site: Site) -> None:
    request = await site.begin(app_data=7)
    callback = await site.callback(request)
    first = await site.complete(callback, request.binding)
    again = await site.complete(callback, request.binding)
    assert (again.event, again.app_data, again.session) == (first.event, 7, first.session)
    assert len(site.dev.token_requests("authorization_code")) == 1
    assert site.heard.signals == ["on_login"]


async def test_a_failed_callback_again_fails_the_same_way(site: Site) -> None:
    request = await site.begin()
    callback = spoil(await site.callback(request), iss="https://evil.example")
    for _ in range(2):
        with pytest.raises(LoginFailed) as failed:
            await site.complete(callback, request.binding)
        assert failed.value.check == "iss"
    assert site.heard.signals == ["on_login_failed"]


async def test_a_used_callback_from_another_browser_is_rejected(site: Site) -> None:
    request = await site.begin()
    callback = await site.callback(request)
    await site.complete(callback, request.binding)
    with pytest.raises(CallbackRejected):
        await site.complete(callback, "another-browser")


async def test_two_identical_callbacks_at_once_make_one_exchange(site: Site) -> None:
    request = await site.begin()
    callback = await site.callback(request)

    async def one() -> Any:
        if "Async" in type(site.manager).__name__:
            return await site.manager.complete(callback, binding=request.binding)
        return await asyncio.to_thread(site.manager.complete, callback, binding=request.binding)

    outcomes = await asyncio.gather(*(one() for _ in range(5)), return_exceptions=True)
    assert [type(one).__name__ for one in outcomes] == ["Completion"] * 5
    assert len({one.event.seq for one in outcomes}) == 1
    assert len(site.dev.token_requests("authorization_code")) == 1


async def test_a_callback_long_after_its_use_says_that_it_was_used(colour: Any, dev: DevProvider) -> None:
    clock = VirtualClock(start=time.time())
    site = Site(colour, dev, clock=clock)
    request = await site.begin()
    callback = await site.callback(request)
    await site.complete(callback, request.binding)
    await clock.aadvance(61.0)
    with pytest.raises(CallbackAlreadyUsed):
        await site.complete(callback, request.binding)
    await go(site.manager.close())


async def test_a007_a_late_callback_says_that_its_time_is_over(colour: Any, dev: DevProvider) -> None:
    clock = VirtualClock(start=time.time())
    site = Site(colour, dev, clock=clock)
    request = await site.begin(timeout=120.0)
    callback = await site.callback(request)
    await clock.aadvance(121.0)
    site.dev.forget_requests()
    with pytest.raises(LoginTimedOut):
        await site.complete(callback, request.binding)
    assert site.dev.count("token") == 0
    assert site.visitor["acme"].state is State.IDLE
    assert site.heard.triggers == ["authorize", "time_out"]
    await go(site.manager.close())


async def test_a_second_tab_is_a_second_attempt_and_the_first_callback_wins(site: Site) -> None:
    first, second = await site.begin(), await site.begin()
    assert first.binding != second.binding
    callback = await site.callback(second)
    late = await site.callback(first)
    assert (await site.complete(callback, second.binding)).session.live
    with pytest.raises(CallbackRejected):
        await site.complete(late, first.binding)
    assert site.visitor["acme"].live
    assert len(site.dev.token_requests("authorization_code")) == 1


async def test_a_callback_on_another_providers_route_never_reaches_that_provider(
    colour: Any, dev: DevProvider, globex: DevProvider
) -> None:
    """Mix-up: a code that arrives on the path of one provider is not sent to another."""
    manager = colour(
        [
            dev.settings(name="acme", redirect_uri=CALLBACK),
            globex.settings(name="globex", redirect_uri="http://127.0.0.1:8000/callback/globex"),
        ]
    )
    request = await go(manager.owner("v")["acme"].begin())
    query = parse_qs(urlsplit(request.url).query)
    dev.forget_requests()
    globex.forget_requests()
    with pytest.raises(CallbackRejected):
        await go(
            manager.complete(
                f"http://127.0.0.1:8000/callback/globex?code=c&state={query['state'][0]}", binding=request.binding
            )
        )
    assert dev.count("token") == globex.count("token") == 0
    with pytest.raises(CallbackRejected):
        await go(
            manager.owner("v")["globex"].complete(
                f"{CALLBACK}?code=c&state={query['state'][0]}", binding=request.binding
            )
        )
    assert dev.count("token") == globex.count("token") == 0
    await go(manager.close())


async def test_a_login_begun_in_one_process_is_completed_in_another(colour: Any, dev: DevProvider) -> None:
    store = MemoryStore()
    here, there = Site(colour, dev, store=store), Site(colour, dev, store=store)
    request = await here.begin(app_data="kept")
    done = await there.complete(await here.callback(request), request.binding)
    assert done.app_data == "kept"
    assert done.session is there.visitor["acme"]
    assert there.heard.signals == ["on_login"]
    for site in (here, there):
        await go(site.manager.close())


async def test_two_visitors_never_meet(site: Site, dev: DevProvider) -> None:
    one = await site.begin()
    await site.complete(await site.callback(one), one.binding)
    dev.auto = "grace"
    other = site.manager.owner("visitor-2")
    two = await go(other["acme"].begin())
    await site.complete(await site.callback(two), two.binding)
    assert site.visitor["acme"].user.name == "Ada Lovelace"
    assert other["acme"].user.name == "Grace Hopper"
    heard: list[str] = []
    other.on_logout.connect(lambda session, event: heard.append(event.owner))
    await go(site.visitor["acme"].logout())
    await go(other["acme"].logout())
    assert heard == ["visitor-2"]


async def test_a_session_moves_to_a_fresh_owner_at_sign_in(site: Site) -> None:
    request = await site.begin()
    done = await site.complete(await site.callback(request), request.binding)
    session = await go(done.session.move(owner="fresh"))
    assert session.owner == "fresh"
    assert site.manager.owner("fresh")["acme"] is session
    assert session.live
    assert not site.visitor["acme"].live


@pytest.mark.parametrize("asked", ["the manager", "the old owner", "the session"])
async def test_the_same_callback_again_after_the_move_gives_the_session_where_it_is_now(site: Site, asked: str) -> None:
    request = await site.begin(app_data={"next": "/"})
    callback = await site.callback(request)
    done = await site.complete(callback, request.binding)
    session = await go(done.session.move(owner="fresh"))
    who = {"the manager": site.manager, "the old owner": site.visitor["acme"], "the session": session}[asked]

    again = await go(who.complete(callback, binding=request.binding))

    assert again.session is session
    assert again.session.live
    assert (again.event, again.app_data) == (done.event, done.app_data)

    further = await go(again.session.move(owner="fresher"))
    assert (await go(site.manager.complete(callback, binding=request.binding))).session is further
    assert further.owner == "fresher"


async def test_after_a_move_another_browser_still_cannot_repeat_the_callback(site: Site) -> None:
    request = await site.begin()
    callback = await site.callback(request)
    done = await site.complete(callback, request.binding)
    await go(done.session.move(owner="fresh"))
    with pytest.raises(CallbackRejected):
        await site.complete(callback, "another browser's")
    with pytest.raises(CallbackRejected, match="another session"):
        await go(site.manager.owner("visitor-2")["acme"].complete(callback, binding=request.binding))


async def test_a_callback_is_never_answered_with_the_session_of_a_later_login(site: Site, dev: DevProvider) -> None:
    first = await site.begin()
    callback = await site.callback(first)
    await go((await site.complete(callback, first.binding)).session.move(owner="fresh"))
    dev.auto = "grace"
    second = await site.begin()
    later = await site.callback(second)
    await go((await site.complete(later, second.binding)).session.move(owner="hers"))

    assert (await site.complete(later, second.binding)).session.user.name == "Grace Hopper"
    assert not (await site.complete(callback, first.binding)).session.live


async def test_app_data_that_no_store_could_keep_is_refused(site: Site) -> None:
    with pytest.raises(InvalidCall, match="plain data"):
        await site.begin(app_data=object())
    assert site.visitor["acme"].state is State.IDLE
    assert not site.visitor["acme"]._run.listeners


async def test_signing_out_while_pending_forgets_the_callback(site: Site) -> None:
    request = await site.begin()
    callback = await site.callback(request)
    result = await go(site.visitor["acme"].logout())
    assert result.cancelled_login
    with pytest.raises(CallbackRejected):
        await site.complete(callback, request.binding)
    assert site.heard.triggers == ["authorize", "cancel"]
