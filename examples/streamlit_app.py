"""A web application in Streamlit: a user card that is always right, a sign-in button, a part for the signed-in only.

The page is pages/streamlit_books.py. Run this file and open http://127.0.0.1:8501. The provider is authflow's own
development provider; put `GitHub.from_env()` in its place for the real one.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from pathlib import Path

import streamlit as st
import uvicorn

from authflow import SessionManager
from authflow.integrations.streamlit import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
PAGE = Path(__file__).parent / "pages" / "streamlit_books.py"


def application(provider: Provider, base_url: str) -> st.App:
    auth = Auth(SessionManager([provider]), base_url=base_url)
    return st.App(PAGE, routes=auth.routes, lifespan=auth.lifespan)


def main() -> None:
    with DevProvider(label="Acme").serve() as acme, socket.create_server(("127.0.0.1", 0 if HEADLESS else 8501)) as at:
        base_url = f"http://127.0.0.1:{at.getsockname()[1]}"
        app = application(acme.settings("acme"), base_url)
        server = uvicorn.Server(uvicorn.Config(app))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
        if HEADLESS:
            logging.disable(logging.INFO)
        thread.start()
        try:
            if HEADLESS:
                visit(base_url)
            else:
                input(f"open {base_url} in your browser; Enter ends it\n")
        finally:
            server.should_exit = True
            thread.join()


def visit(base_url: str) -> None:
    with ScriptedBrowser(user="ada") as ada:
        print("a stranger:", '"live":true' in ada.go(f"{base_url}/session").text)
        ada.go(f"{base_url}/login/acme")
        print("Ada:", '"live":true' in ada.go(f"{base_url}/session").text)


if __name__ == "__main__":
    main()
