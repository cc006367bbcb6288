"""What Flask alone has: no await, one look for each request, and what WSGI servers say of a path."""

from __future__ import annotations

import logging
import threading
from typing import Any

import httpx
import pytest

pytest.importorskip("flask", reason="pip install 'authflow-sessions[flask]'")

from flask import Flask
from werkzeug.serving import make_server

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import ConfigurationError
from authflow.integrations.flask import Auth
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.integrations.web.wsgi import raw_path, wire_path
from authflow.providers import GitHub
from authflow.testing import signed_in

SITE = "https://app.example"
GITHUB = GitHub("id", "secret")


def test_an_async_manager_is_refused_with_the_one_to_use() -> None:
    with pytest.raises(ConfigurationError, match="Give it a SessionManager"):
        Auth(AsyncSessionManager([GITHUB]), base_url=SITE)


def test_werkzeug_writes_no_code_of_a_callback_down(caplog: pytest.LogCaptureFixture) -> None:
    with SessionManager([GITHUB]) as manager, caplog.at_level(logging.INFO, "werkzeug"):
        app = Flask(__name__)
        app.register_blueprint(Auth(manager, base_url=SITE).blueprint)
        server = make_server("127.0.0.1", 0, app)
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        asked = f"http://127.0.0.1:{server.server_port}/callback/github?code=s3cret&state=x"
        assert httpx.get(asked, trust_env=False).status_code == 400
        thread.join()
        server.server_close()
    assert "/callback/github" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_view_may_want_one_provider_and_the_session_is_looked_for_once() -> None:
    other, secret = GITHUB.replace(name="other"), new_secret()
    with SessionManager([GITHUB, other]) as manager:
        signed_in(manager.owner(owner_of(secret)), "other", user={"id": 1, "name": "Ada"})
        auth, app = Auth(manager, base_url=SITE), Flask(__name__)
        app.register_blueprint(auth.blueprint)
        asked: list[Any] = []
        find = auth.desk.find
        auth.desk.find = lambda *given: asked.append(given) or find(*given)  # type: ignore[method-assign,func-returns-value]

        @app.get("/any")
        @auth.required
        def any_of_them() -> str:
            return f"{auth.session().user.name} {auth.session().provider.name}"

        @app.get("/github")
        @auth.required_from("github")
        def github() -> str:
            return "never"

        client = app.test_client()
        client.set_cookie("__Host-owner", secret, domain="localhost")
        assert client.get("/any").text == "Ada other"
        assert len(asked) == 1
        refused = client.get("/github", headers={"accept": "text/html"})
        assert (refused.status_code, refused.headers["location"]) == (303, "/login/github?next=%2Fgithub")


@pytest.mark.parametrize(
    ("environ", "wire", "raw"),
    [
        ({"RAW_URI": "/api/a%2Fb?x=1", "PATH_INFO": "/api/a/b"}, "/api/a%2Fb", "/api/a%2Fb"),
        ({"REQUEST_URI": "/shop/api/a", "SCRIPT_NAME": "/shop", "PATH_INFO": "/api/a"}, "/shop/api/a", "/api/a"),
        ({"REQUEST_URI": "https://app.example/api/a?b=://"}, "/api/a", "/api/a"),
        ({"PATH_INFO": "/caf\u00c3\u00a9", "SCRIPT_NAME": "/a b"}, "/a%20b/caf%C3%A9", "/caf%C3%A9"),
        ({"PATH_INFO": "/api/a\\b"}, "/api/a%5Cb", "/api/a%5Cb"),
        ({}, "", ""),
    ],
)
def test_a_path_is_read_as_the_server_tells_it(environ: dict[str, str], wire: str, raw: str) -> None:
    assert (wire_path(environ), raw_path(environ)) == (wire, raw)
