"""Every flow, its failures included, leaves a trace, and no form of any of them holds a piece of a secret."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from authflow.agents import CIBA, DeviceCode
from authflow.diagrams.exports import EXPORTS, export
from authflow.errors import AuthflowError
from authflow.protocol.client_certificate import ClientCertificate
from authflow.protocol.registration import ClientMetadata
from authflow.providers import OpenIDConnect, PrivateKey
from authflow.stores import MemoryStore
from authflow.testing import VirtualClock
from authflow.trace.redact import MASK
from authflow.trace.story import Call
from tests.logins.test_ciba import answer
from tests.logins.waiting import approve, poll
from tests.session.conftest import colour, world
from tests.session.support import Process, ProviderClock, World, go

from .flows import CALLBACK, Flows, OverTLS, WorldOverTLS, over_tls

__all__ = ["colour", "world"]

KEY = PrivateKey.generate("ES256")
PUSH = {"require_pushed_authorization_requests": True}
SIGN = {"client_key": KEY, "request_object_signing_alg": "ES256", "client_auth": "client_secret_basic"}
FAPI2 = {"profile": "fapi2", "client_key": KEY, "response_mode": "jwt"}
WAYS: dict[str, dict[str, Any]] = {
    "code": {}, "par": PUSH, "jar": SIGN, "jarm": {"response_mode": "jwt"}, "dpop": {"dpop": True},
    "private_key_jwt": {"client_key": KEY}, "client_secret_post": {"client_auth": "client_secret_post"},
    "jar, pushed": {**SIGN, **PUSH}, "par and dpop": {**PUSH, "dpop": True}, "fapi2, dpop and jarm": FAPI2,
}  # fmt: skip
WAYS_OVER_TLS: dict[str, dict[str, Any]] = {
    "mtls": {}, "mtls and par": PUSH, "fapi2, mtls, private_key_jwt and jarm": FAPI2,
}  # fmt: skip


@pytest.fixture
def flows(world: World) -> Flows:
    made = Flows(world)
    made.canary.note_key(KEY.dump())
    return made


async def live(flows: Flows, session: Any) -> None:
    """A whole life, with its failures."""
    provider = flows.world.provider
    await flows.sign_in(session)
    await go(session.refresh())
    await go(session.refresh())
    await flows.sign_in(session, step_up=True)
    await go(session.token(resource="https://reports.example/"))
    await go(session.introspect())
    provider.fail_next("token", 503)
    await flows.fails(session.refresh)
    await go(session.logout())
    provider.tamper["id_token_claims"] = lambda claims: {**claims, "nonce": "n" * 43}
    await flows.fails(lambda: flows.sign_in(session))
    del provider.tamper["id_token_claims"]
    provider.fail_next("token", 400, '{"error": "invalid_grant"}')
    await flows.fails(lambda: flows.sign_in(session))
    flows.end("login", "refresh", "step_up", "logout")


@pytest.mark.parametrize("way", WAYS)
async def test_a_whole_life_with_its_failures(flows: Flows, way: str) -> None:
    if "fapi2" in way:
        flows.world.provider.client(client_secret=None, keys=[KEY.public_jwk()], dpop=True)
    await live(flows, flows.session(**WAYS[way]))


@pytest.fixture
async def tls(colour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Flows, OverTLS]]:
    clock = VirtualClock(patience=1.0)
    its_clock = ProviderClock(clock)
    with over_tls(tmp_path, auto="ada", algorithm="ES256", rotation="strict", clock=its_clock) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "127.0.0.1.crt"))
        world = WorldOverTLS(colour, running.provider, clock, its_clock)
        made = Flows(world)
        made.canary.note_key(KEY.dump())
        made.canary.note(*running.client.keyfile.read_text().splitlines()[1:-1])
        yield made, running
        await world.close()


@pytest.mark.parametrize("way", WAYS_OVER_TLS)
async def test_a_whole_life_of_a_client_that_shows_its_certificate(tls: tuple[Flows, OverTLS], way: str) -> None:
    flows, running = tls
    if way != "mtls":
        flows.world.provider.client(client_secret=None, keys=[KEY.public_jwk()])
    settings = {"client_key": KEY, **WAYS_OVER_TLS[way]} if way != "mtls" else {}
    await live(flows, flows.session(client_certificate=ClientCertificate(*running.client), **settings))
    assert {"/token", "/userinfo", "/revoke", "/introspect"} <= set(running.asked)
    assert ("/par" in running.asked) == (way != "mtls")


SCREENS: dict[str, tuple[Any, Callable[..., Any]]] = {
    "a code on another screen": (
        DeviceCode(), lambda world, request, deny: approve(request, deny=deny),
    ),
    "a question on the phone": (
        CIBA(login_hint="ada", binding_message="TILL-7"), lambda world, request, deny: answer(world, deny=deny),
    ),
}  # fmt: skip


@pytest.mark.parametrize("screen", [*SCREENS, "a signed question on the phone"])
async def test_a_login_by_another_screen_and_one_that_is_denied_there(flows: Flows, screen: str) -> None:
    signed = " signed" in screen
    agent, say = SCREENS[screen.replace(" signed", "")]
    session = flows.session(**SIGN if signed else {})
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
    trace = flows.end("login", "logout")
    told = [step.got["user_code"] for story in trace.stories for step in story.steps
            if isinstance(step, Call) and "user_code" in step.got]  # fmt: skip
    asked = [step.sent for story in trace.stories for step in story.steps
             if isinstance(step, Call) and step.path.endswith("/bc-authorize")]  # fmt: skip
    if signed:
        assert all(sent["request"].startswith(f"JWT {MASK}") and "login_hint" not in sent for sent in asked)
    assert len(asked) == (2 if "question" in screen else 0)
    assert told == [MASK] * (2 if "code" in screen else 0)  # it could be guessed from its hash


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


# ── what comes beside a login ────────────────────────────────────────────────────────────────────────


async def test_a_question_on_the_phone_that_is_answered_by_a_ping(flows: Flows) -> None:
    arrived: list[tuple[str, dict[str, str]]] = []
    client = flows.world.provider.clients["dev-app"]
    client.ciba_ping = lambda authorization, body: arrived.append((authorization, dict(body)))
    flows.world.provider.auto = None
    session = flows.session()
    await go(session.begin(agent=CIBA(login_hint="ada", ping=True)))
    answer(flows.world)
    await go(flows.manager.ciba_notification(*arrived[0]))
    flows.end("login")


@pytest.mark.parametrize("by", ["back channel", "front channel", "the user, who comes back"])
async def test_a_sign_out_by_every_door(flows: Flows, by: str) -> None:
    provider = flows.world.provider
    provider.clients["dev-app"].frontchannel_logout_uri = "https://app.example/front"
    session = flows.session(post_logout_redirect_uri="https://app.example/out")
    await flows.sign_in(session)
    if by == "back channel":
        await go(flows.manager.back_channel_logout(provider.logout_token("ada")))
    elif by == "front channel":
        url = provider.front_channel_logout_url("ada")
        flows.canary.note(*parse_qs(urlsplit(url).query)["sid"])
        await go(flows.manager.front_channel_logout(url))
    else:
        left = await go(session.logout(post_logout_redirect_uri="https://app.example/out"))
        state = parse_qs(urlsplit(left.end_session_url).query)["state"][0]
        flows.canary.note(state)
        await go(flows.manager.complete_logout(f"https://app.example/out?state={state}"))
    await flows.world.pass_time(2)
    flows.end("login", "logout")


async def test_a_logout_token_that_is_refused(flows: Flows) -> None:
    session = flows.session()
    await flows.sign_in(session)
    token = flows.world.provider.logout_token("ada")
    await flows.fails(lambda: flows.manager.back_channel_logout(token[:-4]))
    flows.end("login")


async def test_a_login_that_another_site_asks_for(flows: Flows) -> None:
    flows.session()
    query = urlencode({"iss": flows.world.provider.issuer, "login_hint": "ada"})
    request = await go(flows.manager.initiate_login(f"https://app.example/start?{query}"))
    flows.canary.note(request.state, request.binding)
    await go(flows.manager.complete(flows.world.walk(request.url), binding=request.binding))
    flows.end("login")


async def test_a_client_that_registers_itself(flows: Flows) -> None:
    provider = flows.world.provider
    session = flows.session(
        OpenIDConnect(
            provider.issuer, name="acme", registration=ClientMetadata(client_name="My application"),
            redirect_uri=CALLBACK, allow_insecure_loopback=True,
        )
    )  # fmt: skip
    await flows.sign_in(session)
    await go(flows.manager.read_registration("acme"))
    provider.fail_next("register", 401, {"error": "invalid_token", "error_description": "Use another."})
    await flows.fails(lambda: flows.manager.read_registration("acme"))
    await go(flows.manager.delete_registration("acme"))
    await go(session.logout())
    flows.end("login", "logout")


async def test_tokens_without_a_human(flows: Flows) -> None:
    session = flows.session(client_key=KEY)
    await flows.sign_in(session)
    manager = flows.manager
    for source in (
        manager.client_credentials("acme"),
        manager.jwt_bearer("acme", subject="grace", scope=["profile"]),
        manager.token_exchange("acme", subject_token=session, scope=["profile"]),
    ):
        await go(source.token())
        flows.world.provider.fail_next("token", 400, {"error": "invalid_target", "error_description": "Not there."})
        await flows.fails(partial(source.token, min_ttl=1e6))
    flows.end("login")


async def test_a_login_that_another_process_completes(flows: Flows) -> None:
    flows.store = Process(MemoryStore())
    begun = flows.session()
    request = await go(begun.begin(redirect_uri=CALLBACK))
    flows.canary.note(request.state, request.binding)
    flows.search(flows.manager.trace)
    flows.session()
    await go(flows.manager.complete(flows.world.walk(request.url), binding=request.binding))
    trace = flows.end("login")
    assert [one.what for one in trace.stories[-1].steps if hasattr(one, "what")] == [
        "authorization request", "authorization response",
    ]  # fmt: skip


# ── answers that repeat what was asked ───────────────────────────────────────────────────────────────


class Parrot(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The wire to the provider, where one endpoint answers everything with what it was asked, wherever that fits."""

    def __init__(self, path: str, status: int) -> None:
        self.path = path
        self.status = status
        self.asked = 0
        self._inner = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != self.path:
            return self._inner.handle_request(request)
        self.asked += 1
        heard = f"{request.url.query.decode()} {request.content.decode()} {request.headers.get('authorization', '')}"
        return httpx.Response(
            self.status,
            json={
                "error": "invalid_request", "error_description": heard, "error_uri": f"https://x.example/{heard}",
                heard: heard, "scope": heard, "token_type": heard, "sub": heard, "keys": [heard], "hint": {"it": heard},
            },
            headers={"www-authenticate": f"Bearer error={heard!r}", "retry-after": heard, "dpop-nonce": heard},
        )  # fmt: skip

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        def ask() -> httpx.Response:
            answer = self.handle_request(request)
            kept = [(name, value) for name, value in answer.headers.raw if name.lower() != b"content-length"]
            return httpx.Response(answer.status_code, headers=kept, content=answer.read())

        return await asyncio.to_thread(ask)

    def close(self) -> None:
        self._inner.close()

    async def aclose(self) -> None:
        self._inner.close()


ENDPOINTS = ("/par", "/token", "/jwks", "/userinfo", "/introspect", "/revoke", "/device_authorization", "/bc-authorize",
             "/.well-known/openid-configuration")  # fmt: skip


@pytest.fixture
def parrot(path: str, status: int) -> Iterator[Parrot]:
    made = Parrot(path, status)
    yield made
    made.close()


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("path", ENDPOINTS)
async def test_an_endpoint_that_repeats_what_it_was_asked(flows: Flows, parrot: Parrot, path: str) -> None:
    session = flows.session(**(PUSH if path == "/par" else {}), http=parrot)
    asking = {"/device_authorization": DeviceCode(), "/bc-authorize": CIBA(login_hint="ada")}.get(path)
    try:
        if asking is not None:
            await go(session.begin(agent=asking))
        else:
            await flows.sign_in(session)
            await go(session.introspect())
            await go(session.refresh())
            await go(session.logout())
    except AuthflowError as error:
        flows.explained(error)
    flows.end("login")
    assert parrot.asked


async def test_every_export_was_searched(flows: Flows) -> None:
    session = flows.session()
    await flows.sign_in(session)
    flows.end("login")
    assert all(flows.canary.heard(f"as {format}") for format in EXPORTS.keys() - {"png"})
