"""A certified provider ends sessions, registers clients, reads their documents and says what it thinks of a token."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs

import pytest

from authflow import State
from authflow.errors import CallbackRejected, ConfigurationError, ValidationFailed
from authflow.providers import ClientMetadata, OAuth2, OpenIDConnect
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

from .conftest import go

Person = Callable[..., ScriptedBrowser]


class Application(HTTPServer):
    """A web application that keeps what the provider posts to it, and where the browser came back to; its API at
    `/mcp` lets nobody in and says who signs people in."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Routes)
        self.origin = f"http://127.0.0.1:{self.server_port}"
        self.posted: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.returned = ""
        self.metadata: dict[str, Any] = {}


class Routes(BaseHTTPRequestHandler):
    server: Application

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.posted.put(form["logout_token"][0])
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        if self.path == "/mcp":
            self.send_response(401)
            where = f"{self.server.origin}/.well-known/oauth-protected-resource/mcp"
            self.send_header("www-authenticate", f'Bearer resource_metadata="{where}"')
            self.end_headers()
            return
        if self.path == "/.well-known/oauth-protected-resource/mcp":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(self.server.metadata).encode())
            return
        self.server.returned = self.server.origin + self.path
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the query holds a state."""


@pytest.fixture
def application() -> Iterator[Application]:
    with Application() as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def self_registered(panva: Panva, app: ClientMetadata, **settings: Any) -> OpenIDConnect:
    defaults: dict[str, Any] = {
        "name": "app",
        "registration": app,
        "scopes": ["openid", "offline_access"],
        "authorization_params": {"prompt": "consent"},
        "allow_insecure_loopback": True,
    }
    return OpenIDConnect(panva.issuer, **{**defaults, **settings})


# ── registration ─────────────────────────────────────────────────────────────────────────────────────


async def test_an_application_registers_itself_signs_in_and_manages_it(panva: Panva, person: Person, make: Any) -> None:
    manager = make(self_registered(panva, ClientMetadata(client_name="By itself")))
    session = manager["app"]
    await go(session.login(open_url=person("ada")))
    assert session.state is State.AUTHENTICATED
    assert (session.claims["aud"], session.claims["sub"]) == (session.provider.client_id, "ada")
    assert session.provider.client_auth == "none"  # a native client, where the provider can do without a secret
    await go(session.refresh())

    read = await go(manager.read_registration("app"))
    changed = await go(manager.update_registration("app", ClientMetadata(client_name="Another name")))
    assert changed.client_id == read.client_id == session.provider.client_id
    assert changed.registration_access_token != read.registration_access_token  # the new one deletes it below
    await go(manager.delete_registration("app"))
    with pytest.raises(ConfigurationError):
        await go(manager.read_registration("app"))


async def test_a_web_application_registers_with_a_secret(panva: Panva, make: Any) -> None:
    app = self_registered(panva, ClientMetadata(client_name="On the web"), redirect_uri="https://app.example.test/callback")
    manager = make(app)
    known = await go(manager.register("app"))
    assert known.token_endpoint_auth_method == "client_secret_basic"
    assert known.client_secret


async def test_a_client_id_may_be_the_url_of_a_document(panva: Panva, person: Person, make: Any) -> None:
    url = "https://app.example.test/client.json"
    app = ClientMetadata(client_name="By its document", client_id_metadata_url=url)
    manager = make(self_registered(panva, app, name="document"))
    before = panva.requests("registration")
    await go(manager["document"].login(open_url=person("ada")))
    assert manager["document"].claims["aud"] == url
    assert panva.requests("registration") == before
    await go(manager["document"].refresh())


# ── protected resources ──────────────────────────────────────────────────────────────────────────────


async def test_an_api_leads_to_the_provider_and_gets_tokens_of_its_own(
    panva: Panva, person: Person, application: Application, make: Any
) -> None:
    url = f"{application.origin}/mcp"
    application.metadata = {
        "resource": url,
        "authorization_servers": [panva.issuer],
        "scopes_supported": ["read"],
    }
    api = OAuth2.for_resource(
        url,
        name="api",
        client_name="An agent",
        authorization_params={"prompt": "consent"},
        allow_insecure_loopback=True,
    )
    session = make(api)["api"]
    await go(session.login(open_url=person("ada")))

    assert session.provider.issuer == panva.issuer
    assert (await go(session.introspect())).claims["aud"] == url
    await go(session.refresh())
    assert (await go(session.introspect())).claims["aud"] == url
    assert "read" in session.scopes


# ── the provider signs out ───────────────────────────────────────────────────────────────────────────


async def test_a_logout_at_the_provider_reaches_the_application(
    panva: Panva, person: Person, application: Application, make: Any
) -> None:
    ada = person("ada")
    app = ClientMetadata(
        client_name="Told",
        backchannel_logout_uri=f"{application.origin}/backchannel",
        more={"backchannel_logout_session_required": True},
    )
    manager = make(self_registered(panva, app), panva.provider("basic"))
    session, other = manager["app"], manager["basic"]
    await go(session.login(open_url=ada))
    await go(other.login(open_url=ada))
    assert session.claims["sid"]

    await go(other.logout())  # ends the browser's session at the provider, which tells everybody who was in it
    ada.result()
    token = application.posted.get(timeout=10)
    done = await go(manager.back_channel_logout(token))

    assert done.ended == (session.key,)
    assert (session.state, session.reason) == (State.LOGGED_OUT, "back_channel_logout")
    with pytest.raises(ValidationFailed) as refused:
        await go(manager.back_channel_logout(token))
    assert refused.value.check == "jti"


async def test_the_return_from_the_providers_logout_is_recognised(panva: Panva, person: Person, make: Any) -> None:
    ada = person("ada")
    app = ClientMetadata(client_name="Leaves", post_logout_redirect_uris=("http://127.0.0.1/logged-out",))
    manager = make(self_registered(panva, app))
    session = manager["app"]
    await go(session.login(open_url=ada))
    with Application() as web:
        thread = Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        result = await go(session.logout(post_logout_redirect_uri=f"{web.origin}/logged-out"))
        assert result.end_session_opened
        ada.result()
        web.shutdown()
        thread.join()
    back = await go(manager.complete_logout(web.returned))
    assert back.session is session
    with pytest.raises(CallbackRejected):
        await go(manager.complete_logout(web.returned))


# ── introspection ────────────────────────────────────────────────────────────────────────────────────


async def test_the_provider_says_what_it_thinks_of_a_token(panva: Panva, person: Person, make: Any) -> None:
    manager = make(panva.provider("basic"))
    session = manager["basic"]
    await go(session.login(open_url=person("ada")))
    said = await go(session.introspect())
    assert (said.active, said.claims["client_id"], said.claims["sub"]) == (True, "basic", "ada")
    panva.revoke((await go(session.token())).refresh_token)
    assert not (await go(session.introspect("refresh_token"))).active
    assert session.live


async def test_it_says_so_in_a_signed_answer(panva: Panva, person: Person, make: Any) -> None:
    manager = make(panva.provider("signed-introspection"))
    session = manager["signed-introspection"]
    await go(session.login(open_url=person("ada")))
    assert (await go(session.introspect(signed=True))).active
