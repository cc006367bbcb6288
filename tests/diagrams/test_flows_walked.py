"""The pictures of the flows that no test beside has walked: each is run, recorded, and compared arrow by arrow."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from authflow.agents import CIBA, DeviceCode
from authflow.diagrams.flows import FLOWS
from authflow.stores import MemoryStore
from authflow.trace.story import APPLICATION, Call, Check, Hop, Step
from tests.logins.test_ciba import answer
from tests.logins.waiting import approve, poll
from tests.session.conftest import colour, world
from tests.session.support import Process, World, go

__all__ = ["colour", "world"]

DRAWN = {flow.name: flow.sequence for flow in FLOWS}
ENDPOINTS = {
    "…/openid-configuration": "metadata", "authorization_endpoint": "authorize", "token_endpoint": "token",
    "jwks_uri": "jwks", "userinfo_endpoint": "userinfo", "revocation_endpoint": "revoke",
    "pushed_authorization_request_endpoint": "par", "device_authorization_endpoint": "device_authorization",
    "backchannel_authentication_endpoint": "ciba",
}  # fmt: skip
NAME = re.compile("[a-z_]+")


class Arrow(NamedTuple):
    """A request of the application, and the status of its answer."""

    method: str
    endpoint: str
    status: int


def drawn(flow: str, who: str = "app") -> list[tuple[Arrow, tuple[str, ...], tuple[str, ...]]]:
    """What the picture says that `who` asks the provider: the arrow, what it carries, what the answer does."""
    found = []
    messages = DRAWN[flow].messages
    for at, asks in enumerate(messages):
        if (asks.source, asks.target, asks.reply) != (who, "provider", False):
            continue
        answers = next(one for one in messages[at:] if one.reply and one.target == who and one.source == "provider")
        method, place = asks.text.split()
        status = re.match(r"\d+", answers.text)
        assert status is not None
        found.append((Arrow(method, ENDPOINTS[place], int(status[0])), asks.detail, answers.detail))
    return found


def walked(world: World, steps: tuple[Step, ...]) -> list[tuple[Arrow, Call]]:
    """What was recorded of the same."""
    calls = [one for one in steps if isinstance(one, Call)]
    return [(Arrow(one.method, world.provider._endpoint_of(one.path), one.status or 0), one) for one in calls]


def carries(values: dict[str, str], said: str) -> bool:
    """Whether what a picture says of a message is in it: a name, `name=value`, or a header."""
    if ": " in said:
        header, value = said.split(": ", 1)
        return header.lower() in values and (header == "DPoP" or values[header.lower()].startswith(value))
    name, _, value = said.partition("=")
    if not NAME.fullmatch(name):
        return True  # words for the reader
    return name in values and values[name].endswith(value.removeprefix("…:"))


def compare(world: World, flow: str, steps: tuple[Step, ...], *, other: str = "app", words: str = "") -> None:
    """Same arrows in the same order, and each carries what is drawn. `words`: details that are no names."""
    said, seen = drawn(flow, other), walked(world, steps)
    assert [one for one, _, _ in said] == [one for one, _ in seen]
    for (arrow, sent, got), (_, call) in zip(said, seen, strict=True):
        for detail in sent:
            assert carries(call.sent, detail), f"{flow}: {arrow} sends no {detail}: {call.sent}"
        for detail in got:
            assert detail in words.split() or carries(call.got, detail), f"{flow}: {arrow} brings no {detail}"


def through_the_browser(flow: str, steps: tuple[Step, ...]) -> None:
    """The redirects there and back carry what is drawn."""
    out, back = [one for one in steps if isinstance(one, Hop)]
    leaves = next(one for one in DRAWN[flow].messages if one.target == "browser" and "authorization_end" in one.text)
    comes = next(one for one in DRAWN[flow].messages if (one.source, one.target) == ("browser", "app") and "code" in
                 one.detail)  # fmt: skip
    for detail in leaves.detail:
        assert carries(out.params, detail) or ": " in detail, detail
    for detail in comes.detail:
        assert carries(back.params, detail) or ": " in detail, detail
    assert out.sender == APPLICATION
    checked = {one.name for one in steps if isinstance(one, Check) and one.of == "callback"}
    judged = {check.name for one in DRAWN[flow].messages for check in one.checks}
    assert checked <= judged | {"binding"}


def story(session: Any, kind: str = "login") -> tuple[Step, ...]:
    return [one for one in session.trace.stories if one.kind == kind][-1].steps


async def known(world: World, session: Any) -> Any:
    """The session when its provider's metadata and keys are known, and nobody is signed in."""
    url, binding = await world.callback(session, fetch_user=False)
    await go(session.complete(url, binding=binding))
    await go(session.logout())
    return session


async def test_a_login_in_a_web_application(world: World) -> None:
    session = world.manager(store=Process(MemoryStore(time=world.clock.time)))["acme"]
    url, binding = await world.callback(session)
    await go(session.complete(url, binding=binding))
    compare(world, "web", story(session), words="endpoints issuer")
    through_the_browser("web", story(session))


async def test_a_refresh_that_another_process_won(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    here, there = (world.manager(store=Process(shared)) for _ in range(2))
    session = await world.sign_in(here["acme"])
    other = there["acme"]
    assert other.live
    with world.hold("token") as held:
        refreshing = world.start(session.refresh)
        await world.arrived(held)
        waiting = world.start(other.refresh)
        held.release()
        await refreshing
        await world.pass_time(1.0)
        await waiting
    compare(world, "refresh-elsewhere", story(session, "refresh"), other="other")
    assert drawn("refresh-elsewhere") == walked(world, story(other, "refresh")) == []


async def test_signed_out_by_the_provider(world: World) -> None:
    manager = world.manager()
    session = await world.sign_in(manager["acme"])
    world.provider.forget_requests()
    await go(manager.back_channel_logout(world.provider.logout_token("ada")))
    assert session.reason == "back_channel_logout"
    await world.pass_time(2)
    asked = len(drawn("back-channel-logout"))
    await world.eventually(lambda: len(walked(world, story(session, "logout"))) >= asked)
    compare(world, "back-channel-logout", story(session, "logout"))


SCREENS: dict[str, tuple[Any, Callable[..., Any], bool]] = {
    "device": (DeviceCode(), lambda world, request: approve(request), True),
    "ciba": (CIBA(login_hint="ada", binding_message="TILL-7"), lambda world, request: answer(world), False),
}


@pytest.mark.parametrize("flow", SCREENS)
async def test_a_login_that_another_screen_or_the_phone_confirms(world: World, flow: str) -> None:
    agent, say, fetch_user = SCREENS[flow]
    session = await known(world, world.manager()["acme"])
    world.provider.auto = None  # the human takes a while
    request = await go(session.begin(agent=agent, fetch_user=fetch_user))
    waiting = world.start(request.wait)
    await poll(world, waiting, 5)
    say(world, request)
    await poll(world, waiting, 5)
    await waiting
    compare(world, flow, story(session))


async def test_a_pushed_login_with_bound_tokens(world: World) -> None:
    settings = world.settings(require_pushed_authorization_requests=True, dpop=True)
    session = await known(world, world.manager(settings)["acme"])
    world.provider.dpop_nonces = True
    url, binding = await world.callback(session, fetch_user=False)
    await go(session.complete(url, binding=binding))
    compare(world, "par-dpop", story(session))
    through_the_browser("par-dpop", story(session))


async def test_one_token_for_another(world: World) -> None:
    session = await world.signed_in()
    manager = world._managers[-1]
    world.provider.forget_requests()
    source = manager.token_exchange("acme", subject_token=session, scope=["profile"])
    token = await go(source.token())
    answer = httpx.get(world.provider.resource, headers={"authorization": f"Bearer {token.access_token}"})
    asked = [Arrow(one.method, world.provider._endpoint_of(one.path), one.status) for one in world.provider.requests]
    assert [one for one, _, _ in drawn("token-exchange")] == asked[:1]
    assert (urlsplit(str(answer.url)).path, len(asked)) == (world.provider.requests[-1].path, 2)


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_what_a_picture_says_is_carried_is_named_as_the_specifications_do(flow: Any) -> None:
    assert flow.specified
    assert all(one.text for one in flow.sequence.messages)
