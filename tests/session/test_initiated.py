"""A login that another site asks for (OpenID Connect Core §4): it chooses nothing but among what is configured."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from authflow.errors import CallbackRejected, OwnerRequired
from authflow.protocol.urls import check_target

from .support import World, go

HERE = "https://app.example/initiate"
TARGETS = ["https://app.example/inbox", "https://app.example/docs/", "/welcome", "/u/"]


def invitation(world: World, **params: str) -> str:
    return f"{HERE}?{urlencode({'iss': world.provider.issuer, **params})}"


async def test_3rd_party_init_login(world: World) -> None:
    manager = world.manager()
    request = await go(
        manager.initiate_login(
            invitation(world, login_hint="ada", target_link_uri="https://app.example/inbox"), allowed_targets=TARGETS
        )
    )
    asked = parse_qs(urlsplit(request.url).query)
    assert asked["login_hint"] == ["ada"]
    assert "target_link_uri" not in asked

    done = await go(manager.complete(world.walk(request.url), binding=request.binding))
    assert done.app_data == {"target_link_uri": "https://app.example/inbox"}
    assert done.session is manager["acme"]
    assert done.session.live


async def test_a_login_without_a_target_has_none(world: World) -> None:
    manager = world.manager()
    request = await go(manager.initiate_login(invitation(world)))
    assert (await go(manager.complete(world.walk(request.url), binding=request.binding))).app_data is None


async def test_it_is_the_owners_login(world: World) -> None:
    manager = world.manager(single_user=False)
    with pytest.raises(OwnerRequired):
        await go(manager.initiate_login(invitation(world)))
    request = await go(manager.initiate_login(invitation(world), owner="browser-1"))
    done = await go(manager.complete(world.walk(request.url), binding=request.binding))
    assert done.session.owner == "browser-1"


@pytest.mark.parametrize(
    ("params", "check"),
    [
        ({"iss": "https://evil.example"}, "iss"),
        ({"iss": ""}, "iss"),
        ({"login_hint": "x" * 600}, "login_hint"),
        ({"target_link_uri": "https://evil.example/"}, "target_link_uri"),
        ({"target_link_uri": "https://app.example/inbox/../admin"}, "target_link_uri"),
        ({"target_link_uri": "https://app.example.evil.example/inbox"}, "target_link_uri"),
        ({"target_link_uri": "https://app.example@evil.example/docs/"}, "target_link_uri"),
        ({"target_link_uri": "javascript:alert(1)"}, "target_link_uri"),
        ({"target_link_uri": "//evil.example/docs/"}, "target_link_uri"),
    ],
)
async def test_a025_a_hostile_invitation_begins_nothing(world: World, params: dict[str, str], check: str) -> None:
    manager = world.manager()
    with pytest.raises(CallbackRejected) as failed:
        await go(manager.initiate_login(invitation(world, **params), allowed_targets=TARGETS))
    assert failed.value.check == check
    assert manager["acme"].state == "idle"
    assert world.provider.requests == []


@pytest.mark.parametrize("query", ["", "iss=a&iss=b", "iss=%0a", "login_hint=ada"])
async def test_a025_an_invitation_that_cannot_be_read_begins_nothing(world: World, query: str) -> None:
    manager = world.manager()
    with pytest.raises(CallbackRejected):
        await go(manager.initiate_login(f"{HERE}?{query}"))
    assert manager["acme"].state == "idle"


async def test_a025_a_target_is_refused_where_none_is_listed(world: World) -> None:
    with pytest.raises(CallbackRejected):
        await go(world.manager().initiate_login(invitation(world, target_link_uri="https://app.example/inbox")))


# ── where a browser may be sent ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "target",
    [
        "https://app.example/inbox", "https://app.example/inbox?a=/b//c", "https://app.example/docs/a/b", "/welcome",
        "/u/7",
    ],
)  # fmt: skip
def test_a_listed_page_is_a_target(target: str) -> None:
    assert check_target(target, TARGETS)


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example", "////evil.example/x", "/\\evil.example", "\\\\evil.example", "https:evil.example",
        "https:/evil.example", "/%2fevil.example", "/u/%2F%2Fevil", "/u/%5cevil", "/\t/evil.example", "/u/\n",
        " /welcome", "/welcome ", "http://app.example/inbox", "https://app.example", "https://app.example/inbox2", "/u",
        "/u/../x",
        "/u/./x", "/u/..", "/u//evil.example", "/u/%2e%2e/x", "/welcome#x", "javascript:alert(1)", "data:text/html,x",
        "", "x" * 9000, "https://app.example:99999/docs/", "https://APP.example@evil/docs/", "é",
    ],
)  # fmt: skip
def test_a121_an_open_redirect_is_no_target(target: Any) -> None:
    assert not check_target(target, TARGETS)


@pytest.mark.parametrize("target", [None, 7, b"/welcome"])
def test_a121_what_is_no_text_is_no_target(target: Any) -> None:
    assert not check_target(target, TARGETS)
