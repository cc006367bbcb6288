"""A web application on Django, in one file: URLs, a middleware, a view that wants a signed-in human.

The page (web_page.html) holds no token: it calls `/api/…` here, which goes on to the API with the session's. Run it and
open http://127.0.0.1:8000; with several workers give each a manager on one durable store.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import FileResponse, HttpRequest, JsonResponse
from django.urls import include, path

from authflow import SessionManager
from authflow.integrations.django import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
PAGE = Path(__file__).with_name("web_page.html")
auth: Auth
urlpatterns: list[object] = []


def home(request: HttpRequest) -> FileResponse:
    return FileResponse(PAGE.open("rb"), content_type="text/html; charset=utf-8")


def account(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"name": request.authflow.user.name})


def add_login(provider: Provider, base_url: str, api: str) -> None:
    global auth
    auth = Auth(SessionManager([provider]), base_url=base_url)
    auth.proxy("/api", to=api)
    urlpatterns[:] = [path("", home), path("account", auth.login_required(account)), path("", include(auth.urls))]


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """No access log."""


def main() -> None:
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        AUTHFLOW=f"{__name__}.auth",  # in a project: "project.auth.auth"
        MIDDLEWARE=["authflow.integrations.django.AuthMiddleware"],
        ROOT_URLCONF=sys.modules[__name__],
        SECRET_KEY=os.urandom(16).hex(),
    )
    django.setup()
    server = ThreadedWSGIServer(("127.0.0.1", 0 if HEADLESS else 8000), Quiet)
    base_url = f"http://127.0.0.1:{server.server_port}"
    with DevProvider(label="Acme").serve() as acme:
        add_login(acme.settings("acme"), base_url, f"{acme.url}/api")
        server.set_app(WSGIHandler())
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
