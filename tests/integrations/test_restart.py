"""The server ends while people are at the provider, and another takes its place at the same store: the state is right.

What is a route only (`test_web_in_chromium.py`, and Flet's own) has the same story there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from authflow import AsyncSessionManager, SessionManager
from authflow.stores import SQLiteStore
from authflow.testing import DevProvider
from tests.real.browser import Chromium

from .browsing import Tab, serving

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # a test tells nobody that it runs
pytestmark = pytest.mark.filterwarnings("ignore")  # what Gradio warns of is its own
PAGE = str(Path(__file__).parent / "pages" / "streamlit_page.py")


def nicegui(manager: Any, url: str, stack: ExitStack) -> Any:
    from nicegui import ui
    from nicegui.testing.general import nicegui_reset_globals

    from authflow.integrations.nicegui import Auth

    stack.enter_context(nicegui_reset_globals())
    auth = Auth(manager, base_url=url)
    app = FastAPI()
    app.include_router(auth.router)

    @ui.page("/")
    async def home() -> None:
        page = await auth.page()
        page.user_card()
        page.button()

    ui.run_with(app)
    return app


def streamlit(manager: Any, url: str, stack: ExitStack) -> Any:
    import streamlit as st
    from streamlit.runtime import Runtime

    from authflow.integrations.streamlit import Auth

    # A process has one runtime of Streamlit, which outlives its server; here each server stands for a process.
    stack.enter_context(pytest.MonkeyPatch.context()).setattr(Runtime, "_instance", None)
    auth = Auth(manager, base_url=url)
    return st.App(PAGE, routes=auth.routes, lifespan=auth.lifespan)


def gradio(manager: Any, url: str, stack: ExitStack) -> Any:
    import gradio as gr

    from authflow.integrations.gradio import Auth

    async def build() -> FastAPI:  # where a loop runs: elsewhere Gradio makes some, and closes none
        auth = Auth(manager, base_url=url)
        with gr.Blocks() as demo:
            auth.user_card(every=0.2)
            auth.button(every=0.2)
        app = FastAPI()
        app.include_router(auth.router)
        return gr.mount_gradio_app(app, demo, path="/")

    return asyncio.run(build())


KINDS: dict[Callable[..., Any], Any] = {
    nicegui: AsyncSessionManager, streamlit: SessionManager, gradio: AsyncSessionManager,
}  # fmt: skip


class Server:
    """Runs, ends, and runs again where it was."""

    def __init__(self, framework: Callable[..., Any], dev: DevProvider, path: Path) -> None:
        self._framework, self._dev, self._path = framework, dev, path
        self._stack = ExitStack()
        self.start()

    def start(self, port: int = 0) -> None:
        store = SQLiteStore(self._path)
        manager = KINDS[self._framework]([self._dev.settings("acme")], store=store, sealing_key=bytes(32))

        def build(url: str) -> Any:
            return self._framework(manager, url, self._stack)

        self.url = self._stack.enter_context(serving(manager, build, port)).url

    def stop(self) -> None:
        self._stack.close()

    def restart(self) -> None:
        self.stop()
        self.start(int(self.url.rpartition(":")[2]))


@pytest.fixture(params=KINDS, ids=lambda one: str(one.__name__))
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    name = request.param.__name__
    if find_spec(name) is None:
        pytest.skip(f"{name} is needed: pip install 'authflow-sessions[{name}]'")
    with DevProvider(label="Acme").serve() as dev:
        running = Server(request.param, dev, tmp_path / "sessions.db")
        try:
            yield running
        finally:
            running.stop()


def test_whoever_is_at_the_provider_meanwhile_is_signed_in_afterwards(server: Server, chromium: Chromium) -> None:
    with Tab(chromium, server.url) as tab:
        second = tab.another().go().sees("Not signed in")  # open all the time
        closed = tab.another().go().press("Sign in with Acme").sees("Ada Lovelace")  # the provider asks who it is
        closed.close()
        tab.go().press("Sign in with Acme").sees("Ada Lovelace")
        server.restart()
        tab.answer("ada").sees("ada@example.com")
        second.reload().sees("ada@example.com")
        second.press("Sign out")
        tab.go().sees("Not signed in").press("Sign in with Acme").answer("ada").sees("ada@example.com")
