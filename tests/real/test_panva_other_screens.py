"""Signing in on another screen at a certified provider: by a code (RFC 8628), and by a question on the phone (CIBA)."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from authflow import LoginDenied, LoginFailed, State
from authflow.agents import CIBA, DeviceCode
from authflow.errors import CallbackRejected
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

from .conftest import go

Person = Callable[..., ScriptedBrowser]
SECONDS = 20.0


class PingRoute(BaseHTTPRequestHandler):
    """The application's route: it answers 204 and passes on what came."""

    server: PingServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()
        self.server.came.put((self.headers["authorization"], body))

    def log_message(self, *_: object) -> None:
        """Nothing: the header holds the token."""


class PingServer(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), PingRoute)
        self.came: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()


@pytest.fixture
def pings(panva: Panva) -> Iterator[queue.SimpleQueue[tuple[str, bytes]]]:
    with PingServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        panva.ping(f"http://127.0.0.1:{server.server_port}/pings")
        yield server.came
        server.shutdown()
        thread.join()


async def test_a_code_entered_on_another_screen_signs_in_here(make: Any, panva: Panva, person: Person) -> None:
    session = make(panva.provider("device"))["device"]
    request = await go(session.begin(agent=DeviceCode()))
    assert request.user_code in request.verification_uri_complete
    assert "Go back to your device" in person("ada").go(request.verification_uri_complete).text
    await go(request.wait())
    assert session.user.id == "ada"
    await go(session.refresh())
    assert session.live


async def test_a_no_on_the_other_screen_is_a_no_here(make: Any, panva: Panva, person: Person) -> None:
    session = make(panva.provider("device"))["device"]
    request = await go(session.begin(agent=DeviceCode()))
    person("ada", deny=True).go(request.verification_uri_complete)
    with pytest.raises(LoginDenied):
        await go(request.wait())
    assert session.state is State.IDLE


async def test_a_yes_on_the_phone_is_polled_for(make: Any, panva: Panva) -> None:
    session = make(panva.provider("ciba-poll"))["ciba-poll"]
    await go(session.login(agent=CIBA(login_hint="ada", binding_message="TILL-7", show=lambda told: None)))
    assert session.user.id == "ada"
    await go(session.refresh())
    assert session.live


async def test_a_question_is_signed_where_the_client_must(make: Any, panva: Panva) -> None:
    key = panva.client_keys["EC"]
    session = make(panva.provider("ciba-signed", client_key=key, request_object_signing_alg="ES256"))["ciba-signed"]
    await go(session.login(agent=CIBA(login_hint="ada", requested_expiry=60, show=lambda told: None)))
    assert session.user.id == "ada"


async def test_an_unsigned_question_of_such_a_client_is_refused(make: Any, panva: Panva) -> None:
    session = make(panva.provider("ciba-signed", client_key=panva.client_keys["EC"]))["ciba-signed"]
    with pytest.raises(LoginFailed, match="Request Object must be used"):
        await go(session.begin(agent=CIBA(login_hint="ada")))


async def test_a_ping_signs_in_without_a_wait(make: Any, panva: Panva, pings: Any) -> None:
    manager = make(panva.provider("ciba-ping"))
    session = manager["ciba-ping"]
    await go(session.begin(agent=CIBA(login_hint="ada", ping=True)))
    authorization, body = pings.get(timeout=SECONDS)
    with pytest.raises(CallbackRejected):
        await go(manager.ciba_notification(f"{authorization}x", body))
    await go(manager.ciba_notification(authorization, body))
    assert session.user.id == "ada"


async def test_a_no_on_the_phone_is_pinged_too(make: Any, panva: Panva, pings: Any) -> None:
    manager = make(panva.provider("ciba-ping"))
    session = manager["ciba-ping"]
    await go(session.begin(agent=CIBA(login_hint="deny", ping=True)))
    with pytest.raises(LoginDenied):
        await go(manager.ciba_notification(*pings.get(timeout=SECONDS)))
    assert session.state is State.IDLE
