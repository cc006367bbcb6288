"""A failed login explains itself: cause and remedy in one line, and where its trace is."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from authflow.errors import (
    LoginCancelled,
    LoginDenied,
    LoginFailed,
    LoginTimedOut,
    OAuthError,
    ProviderError,
    ResponseInvalid,
    ValidationFailed,
)
from authflow.errors.outcome import login_failed
from authflow.trace.story import Call, Trace
from tests.session.support import World, go


async def failed(world: World, session: Any, **tamper: Any) -> LoginFailed:
    world.provider.tamper.update(tamper)
    url, binding = await world.callback(session)
    with pytest.raises(LoginFailed) as caught:
        await go(session.complete(url, binding=binding))
    return caught.value


async def test_a_failed_login_has_its_trace_with_what_came_after(world: World) -> None:
    session = world.manager()["acme"]
    error = await failed(world, session, id_token_claims=lambda claims: {**claims, "aud": "another-app"})
    (story,) = error.trace.stories
    assert (story.outcome, story.error.check) == ("fail", "aud")
    assert [one.path for one in story.steps if isinstance(one, Call)][-1] == "/revoke"
    assert "\n" not in str(error)
    assert error.hint
    assert str(error) == f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    "kind",
    [OAuthError, *OAuthError.by_code.values(), ResponseInvalid, ValidationFailed],
    ids=lambda one: one.code,
)
def test_whatever_a_provider_refuses_or_sends_there_is_a_remedy(kind: type[ProviderError]) -> None:
    error = login_failed(kind("The provider said no."))
    assert str(error) == f"The provider said no. {kind.hint}"
    assert kind.hint.endswith(".")


async def test_its_text_says_where_the_trace_is(world: World) -> None:
    error = await failed(world, world.manager()["acme"], id_token_claims=lambda claims: {**claims, "aud": "x"})
    assert 'error.trace.save("failed.html")' in "".join(traceback.format_exception(error))


async def test_the_route_of_a_web_application_has_it_too(world: World) -> None:
    manager = world.manager()
    url, binding = await world.callback(manager.owner("o" * 22)["acme"])
    world.provider.fail_next("token", 400, '{"error": "invalid_grant"}')
    with pytest.raises(LoginFailed) as caught:
        await go(manager.complete(url, binding=binding))
    assert caught.value.trace.stories[0].outcome == "fail"


@pytest.mark.parametrize("end", ["json", "html", "svg", "png", "mmd", "txt"])
async def test_it_is_saved_by_the_end_of_its_name(world: World, tmp_path: Path, end: str) -> None:
    error = await failed(world, world.manager()["acme"], id_token_claims=lambda claims: {**claims, "nonce": "n" * 43})
    path = error.trace.save(tmp_path / f"failed.{end}")
    first = path.read_bytes()
    assert end == "png" or b"nonce" in first
    assert error.trace.save(tmp_path / f"again.{end}").read_bytes() == first


async def test_a_login_that_was_denied_timed_out_or_was_cancelled_has_one(world: World) -> None:
    session = world.manager()["acme"]
    request = await go(session.begin())
    with pytest.raises(LoginDenied) as denied:
        where = f"https://app.example/callback?error=access_denied&state={request.state}&iss={world.provider.issuer}"
        await go(session.complete(where, binding=request.binding))
    assert denied.value.trace.stories[0].outcome == "fail"

    request = await go(session.begin())
    waiting = world.start(request.wait)
    await go(session.cancel())
    with pytest.raises(LoginCancelled) as cancelled:
        await waiting
    assert cancelled.value.trace.stories[0].outcome == "cancel"

    request = await go(session.begin(timeout=5.0))
    await world.pass_time(6.0)
    with pytest.raises(LoginTimedOut) as late:
        await go(request.wait())
    assert late.value.trace.stories[0].outcome == "time_out"


async def test_without_recording_there_is_none_and_the_error_is_the_same(world: World) -> None:
    session = world.manager(trace=False)["acme"]
    error = await failed(world, session, id_token_claims=lambda claims: {**claims, "aud": "x"})
    assert error.trace is None
    assert not getattr(error, "__notes__", [])


async def test_an_error_takes_its_trace_to_another_process(world: World) -> None:
    error = await failed(world, world.manager()["acme"], id_token_claims=lambda claims: {**claims, "aud": "x"})
    there = pickle.loads(pickle.dumps(error))
    assert isinstance(there.trace, Trace)
    assert there.trace == error.trace
