"""The development provider tells its clients of a logout, by tokens and by frames."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from authflow import SessionManager
from authflow.errors import ConfigurationError
from authflow.testing import DevProvider, ScriptedBrowser
from authflow.testing.logouts import LOGOUT_EVENT


class Told(BaseHTTPRequestHandler):
    tokens: list[str]
    status = 200

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.tokens.append(form["logout_token"][0])
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def route() -> Iterator[tuple[str, type[Told]]]:
    kind = type("OneTold", (Told,), {"tokens": []})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/backchannel", kind
        server.shutdown()
        thread.join()


@pytest.fixture
def provider() -> Iterator[DevProvider]:
    with DevProvider(auto="ada", algorithm="ES256").serve() as made:
        yield made


def sign_in(provider: DevProvider, user: str = "ada") -> str:
    """A login by authflow itself; its sid."""
    provider.auto = user
    with ScriptedBrowser(user) as browser, SessionManager([provider.settings("acme")]) as manager:
        return str(manager["acme"].login(open_url=browser).claims["sid"])


def test_a_logout_token_says_who_signed_out_and_is_signed(provider: DevProvider) -> None:
    sid = sign_in(provider)
    token = provider.logout_token("ada")
    read = jwt.decode(token, KeySet.import_key_set(provider.public_keys()), algorithms=["ES256"])
    assert read.header["typ"] == "logout+jwt"
    assert (read.claims["sid"], read.claims["aud"], read.claims["events"]) == (sid, "dev-app", {LOGOUT_EVENT: {}})
    assert "nonce" not in read.claims
    assert token in provider.secrets

    by_sub = jwt.decode(provider.logout_token("ada", by="sub"), KeySet.import_key_set(provider.public_keys()))
    assert "sid" not in by_sub.claims
    assert by_sub.claims["jti"] != read.claims["jti"]


def test_who_is_not_signed_in_has_no_logout_token(provider: DevProvider) -> None:
    with pytest.raises(ConfigurationError, match="not signed in"):
        provider.logout_token("ada")
    with pytest.raises(ConfigurationError, match="no user"):
        provider.sign_out("nobody")


def test_signing_a_user_out_tells_the_clients_that_want_to_know(
    provider: DevProvider, route: tuple[str, type[Told]]
) -> None:
    url, told = route
    sign_in(provider)
    assert provider.sign_out("ada") == []
    provider.clients["dev-app"].backchannel_logout_uri = url
    sign_in(provider, "grace")
    assert provider.sign_out("grace") == [200]
    told.status = 400
    sign_in(provider)
    assert set(provider.sign_out("ada")) == {400}
    assert len(told.tokens) == 3  # ada was in two browser sessions
    provider.clients["dev-app"].backchannel_logout_uri = "http://127.0.0.1:1/"
    assert set(provider.sign_out("ada")) == {0}


def test_the_sign_out_page_tells_them_too_and_loads_their_frames(
    provider: DevProvider, route: tuple[str, type[Told]]
) -> None:
    client = provider.clients["dev-app"]
    client.backchannel_logout_uri, client.frontchannel_logout_uri = route[0], "https://app.example/front?x=1"
    client.post_logout_redirect_uris.append("https://app.example/bye")
    with (
        ScriptedBrowser("ada") as browser,
        SessionManager([provider.settings("acme", post_logout_redirect_uri="https://app.example/bye")]) as manager,
    ):
        session = manager["acme"].login(open_url=browser)
        sid = session.claims["sid"]
        session._show = None
        url = str(session.logout(revoke=False).end_session_url)

    page = httpx.get(url, trust_env=False)

    assert len(route[1].tokens) == 1
    frame = f"https://app.example/front?x=1&amp;iss=http%3A%2F%2F{urlsplit(provider.url).netloc.replace(':', '%3A')}"
    assert f'<iframe src="{frame}&amp;sid={sid}"' in page.text
    assert 'href="https://app.example/bye?state=' in page.text
    assert "frame-src https://app.example" in page.headers["content-security-policy"]


def test_a_frames_url_is_had_without_a_browser(provider: DevProvider) -> None:
    sid = sign_in(provider)
    with pytest.raises(ConfigurationError, match="frontchannel_logout_uri"):
        provider.front_channel_logout_url("ada")
    provider.clients["dev-app"].frontchannel_logout_uri = "https://app.example/front"
    query = parse_qs(urlsplit(provider.front_channel_logout_url("ada")).query)
    assert query == {"iss": [provider.issuer], "sid": [sid]}
