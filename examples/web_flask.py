"""A web application on Flask: views that want a signed-in human, and an API behind the cookie.

The page (web_page.html) holds no token: it calls `/api/…` here, which goes on to the API with the session's. Run it and
open http://127.0.0.1:8000; with several workers give each a manager on one durable store.
"""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from flask import Flask, Response, send_file
from werkzeug.serving import make_server

from authflow import SessionManager
from authflow.integrations.flask import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
PAGE = Path(__file__).with_name("web_page.html")


def add_login(app: Flask, provider: Provider, base_url: str, api: str) -> Auth:
    auth = Auth(SessionManager([provider]), base_url=base_url)
    auth.proxy("/api", to=api)
    app.register_blueprint(auth.blueprint)

    @app.get("/")
    def home() -> Response:
        return send_file(PAGE)

    @app.get("/account")
    @auth.required
    def account() -> dict[str, str]:
        return {"name": auth.session().user.name}

    return auth


def main() -> None:
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app = Flask(__name__)
    server = make_server("127.0.0.1", 0 if HEADLESS else 8000, app, threaded=True)
    base_url = f"http://127.0.0.1:{server.server_port}"
    with DevProvider(label="Acme").serve() as acme:
        auth = add_login(app, acme.settings("acme"), base_url, f"{acme.url}/api")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            if HEADLESS:
                visit(base_url)
            else:
                input(f"open {base_url} in your browser; Enter ends it\n")
        finally:
            auth.close()
            server.shutdown()
            thread.join()
            server.server_close()


def visit(base_url: str) -> None:
    with ScriptedBrowser(user="ada") as ada:
        print("account: ", ada.go(f"{base_url}/account").text)
        print("a stray: ", ada.go(f"{base_url}/callback/acme?state=x&code=y").status)
        print("the page:", ada.go(f"{base_url}/session").text)


if __name__ == "__main__":
    main()
