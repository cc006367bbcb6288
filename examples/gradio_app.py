"""A web application in Gradio: a user card that is always right, a sign-in button, an answer for the signed-in only.

Run it and open http://127.0.0.1:7860. The provider is authflow's own development provider; put `GitHub.from_env()` in
its place for the real one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI

from authflow import AsyncSessionManager
from authflow.integrations.gradio import Auth
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def read(session: Any, title: str) -> str:
    """Only for the signed-in: `protected` gives it their session."""
    return f"### {title}\nlies on the desk of {session.user.name}."


async def build(provider: Provider, base_url: str) -> FastAPI:
    auth = Auth(AsyncSessionManager([provider]), base_url=base_url)
    with gr.Blocks(title="authflow and Gradio") as demo:
        auth.user_card()
        auth.button()
        title = gr.Textbox("Notes on the Analytical Engine", label="Title")
        ask = gr.Button("Read")
        ask.click(auth.protected(read), title, gr.Markdown())
    app = FastAPI()
    app.include_router(auth.router)
    return gr.mount_gradio_app(app, demo, path="/")


def application(provider: Provider, base_url: str) -> FastAPI:
    return asyncio.run(build(provider, base_url))


def main() -> None:
    with DevProvider(label="Acme").serve() as acme, socket.create_server(("127.0.0.1", 0 if HEADLESS else 7860)) as at:
        base_url = f"http://127.0.0.1:{at.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(application(acme.settings("acme"), base_url), log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [at]})
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
