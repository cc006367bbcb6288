"""Every flow, its failures included, leaves a trace, and no form of any of them holds a piece of a secret."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from authflow.agents import CIBA, DeviceCode
from authflow.diagrams.exports import EXPORTS, export
from authflow.errors import AuthflowError
from authflow.protocol.client_certificate import ClientCertificate
from authflow.providers import PrivateKey
from authflow.trace.redact import Redactor
from authflow.trace.story import Trace
from tests.certificates import make_pair
from tests.logins.test_ciba import answer
from tests.logins.waiting import approve, poll
from tests.session.conftest import colour, world
from tests.session.support import World, go

from .canary import Canary, NotingStore, pieces_of

__all__ = ["colour", "world"]

KEY = PrivateKey.generate("ES256")
PUSH = {"require_pushed_authorization_requests": True}
SIGN = {"client_key": KEY, "request_object_signing_alg": "ES256", "client_auth": "client_secret_basic"}
WAYS: dict[str, dict[str, Any]] = {
    "code": {}, "par": PUSH, "jar": SIGN, "jarm": {"response_mode": "jwt"}, "dpop": {"dpop": True},
    "private_key_jwt": {"client_key": KEY}, "mtls": {},
    "client_secret_post": {"client_auth": "client_secret_post"}, "par and dpop": {**PUSH, "dpop": True},
}  # fmt: skip


class Flows:
    """A manager of one colour, its canary, and what is done with it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.canary = Canary()
        self.canary.watch(lambda: world.provider.secrets)
        self.canary.note(*(one.client_secret for one in world.provider.clients.values()))
        self.canary.note_key(KEY.dump())
        self.manager: Any = None

    def session(self, **settings: Any) -> Any:
        self.manager = self.world.manager(
            self.world.settings(**settings), store=NotingStore(self.canary), trace="all"
        )
        return self.manager["acme"]

    async def sign_in(self, session: Any, **arguments: Any) -> None:
        request = await go(session.begin(redirect_uri="https://app.example/callback", **arguments))
        self.canary.note(request.state, request.binding)
        await go(session.complete(self.world.walk(request.url), binding=request.binding))

    async def fails(self, act: Callable[[], Any]) -> None:
        """`error.trace` of what fails is searched as well."""
        with pytest.raises(AuthflowError) as caught:
            await go(act())
        self.search(getattr(caught.value, "trace", None))

    def search(self, trace: Trace | None) -> None:
        if trace is not None:
            self.canary.trace("the trace", trace)

    def end(self, *kinds: str) -> None:
        """No secret got out; and there was something to search, for something."""
        trace = self.manager.trace
        self.search(trace)
        assert trace is not None
        assert set(kinds) <= {story.kind for story in trace.stories}
        assert len(pieces_of(self.canary.secrets)) > 1_000
        assert self.canary.leaks() == []


@pytest.fixture
def flows(world: World) -> Flows:
    return Flows(world)


@pytest.mark.parametrize("way", WAYS)
async def test_a_whole_life_with_its_failures(flows: Flows, way: str, tmp_path: Path) -> None:
    settings = dict(WAYS[way])
    if way == "mtls":
        pair = make_pair(tmp_path, "client")
        settings["client_certificate"] = ClientCertificate(*pair)
        flows.canary.note(*pair.keyfile.read_text().splitlines()[1:-1])
    session = flows.session(**settings)
    await flows.sign_in(session)
    await go(session.refresh())
    await flows.sign_in(session, step_up=True)
    flows.world.provider.fail_next("token", 503)
    await flows.fails(session.refresh)
    await go(session.logout())
    flows.world.provider.tamper["id_token_claims"] = lambda claims: {**claims, "nonce": "n" * 43}
    await flows.fails(lambda: flows.sign_in(session))
    flows.world.provider.tamper.clear()
    flows.world.provider.fail_next("token", 400, '{"error": "invalid_grant"}')
    await flows.fails(lambda: flows.sign_in(session))
    flows.end("login", "refresh", "step_up", "logout")


SCREENS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "a code on another screen": (
        DeviceCode(), lambda world, request, deny: approve(request, deny=deny),
    ),
    "a question on the phone": (
        CIBA(login_hint="ada", binding_message="TILL-7"), lambda world, request, deny: answer(world, deny=deny),
    ),
}  # fmt: skip


@pytest.mark.parametrize("screen", SCREENS)
async def test_a_login_by_another_screen_and_one_that_is_denied_there(flows: Flows, screen: str) -> None:
    agent, say = SCREENS[screen]
    session = flows.session()
    flows.world.provider.auto = None
    for deny in (True, False):
        request = await go(session.begin(agent=agent))
        if request.user_code is not None:
            flows.canary.note(request.user_code.replace("-", ""), request.verification_uri_complete.partition("=")[2])
        waiting = flows.world.start(request.wait)
        await poll(flows.world, waiting, 5)
        say(flows.world, request, deny)
        await poll(flows.world, waiting, 5)
        if deny:
            await flows.fails(partial(asyncio.wait_for, waiting, 10))
        else:
            await waiting
    await go(session.logout())
    flows.end("login", "logout")


async def test_a_picture_is_pixels_of_the_drawing_that_was_searched_and_tells_nothing_beside(flows: Flows) -> None:
    session = flows.session()
    await flows.sign_in(session)
    flows.world.provider.fail_next("token", 400, '{"error": "invalid_grant"}')
    png = export(session.trace, "png")
    assert isinstance(png, bytes)
    chunks = dict(_chunks(png))
    assert set(chunks) <= {b"IHDR", b"tEXt", b"IDAT", b"IEND", b"sRGB", b"gAMA", b"pHYs"}
    beside = b"".join(text for kind, text in chunks.items() if kind != b"IDAT")
    flows.canary.hear("what stands beside the pixels", beside)
    flows.canary.hear("the drawing", str(export(session.trace, "svg")))
    flows.end("login")


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(png):
        size = int.from_bytes(png[at : at + 4], "big")
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + data) == int.from_bytes(png[at + 8 + size : at + 12 + size], "big")
        yield kind, data
        at += 12 + size


RULES: dict[str, tuple[str, Callable[..., Any]]] = {
    "a secret is marked": ("mark", lambda redact, text: text),
    "a JWT is its header and the names of its claims": ("jwt", lambda redact, token: token),
    "a URL has no query and no ids": ("url", lambda redact, url: url),
    "what looks like a secret in a text is taken out": ("_cleaned", lambda redact, said: said),
    "a member of an unknown name is counted": (
        "_pairs", lambda redact, pairs, is_name, answer: {str(name): str(value) for name, value in pairs},
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", [None, *RULES])
async def test_without_any_of_its_rules_a_secret_gets_out_and_is_found(
    flows: Flows, monkeypatch: pytest.MonkeyPatch, rule: str | None
) -> None:
    if rule is not None:
        monkeypatch.setattr(Redactor, *RULES[rule])
    flows.world.provider.tamper["token_response"] = lambda honest: {
        **honest, "error_uri": f"https://x.example/{honest['access_token']}", "token_type_hint":
        f"see {honest['refresh_token']}", honest["access_token"]: honest["access_token"],
    }  # fmt: skip
    session = flows.session()
    try:
        await flows.sign_in(session)
    except AuthflowError as error:
        flows.search(error.trace)
    flows.search(flows.manager.trace)
    leaks = flows.canary.leaks()
    assert bool(leaks) == (rule is not None), leaks


async def test_every_export_was_searched(flows: Flows) -> None:
    session = flows.session()
    await flows.sign_in(session)
    flows.end("login")
    assert all(flows.canary.heard(f"as {format}") for format in EXPORTS.keys() - {"png"})
