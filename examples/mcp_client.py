"""An MCP client: from the 401 of a server that nobody knows to a login, and from its 403 to more scope.

Nothing is configured but the server's URL. The first login asks the server who signs people in to it (RFC 9728),
registers this program there, and gets tokens that are for this server only. When a tool wants more than that, the
receiver of `on_step_up_required` asks the human, and the call is repeated by itself.
The server is the API of authflow's own development provider; put the URL of a real one in its place.
"""

from __future__ import annotations

import os
from typing import Any

import httpx

from authflow import LoginFailed, Session, SessionManager
from authflow.events import AuthEvent
from authflow.providers import OAuth2
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def call_tool(url: str, tool: str, **options: Any) -> httpx.Response:
    """A call as MCP makes it: JSON-RPC by POST."""
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {}}}
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}
    return httpx.post(url, json=message, headers=headers, trust_env=False, **options)


def main() -> None:
    with DevProvider(label="Files").serve() as dev, ScriptedBrowser(user="ada") as ada:
        url = dev.resource
        print("without a token:", call_tool(url, "read_file").status_code)

        server = OAuth2.for_resource(url, name="files", client_name="My agent", allow_insecure_loopback=True)
        with SessionManager([server]) as manager:
            opener = ada if HEADLESS else None

            @manager.on_step_up_required.connect
            def ask_for_more(session: Session, event: AuthEvent) -> None:
                print("the server wants more:", *(event.step_up.scope if event.step_up else ()))
                try:
                    session.step_up(open_url=opener)
                except LoginFailed as error:
                    print("it stays as it was:", error)

            files = manager["files"]
            files.login(open_url=opener, timeout=300)
            print("signed in with", *files.scopes)
            print("with a token:", call_tool(url, "read_file", auth=files.auth).status_code)

            dev.demand(scope=["files:write"])
            print("with more scope:", call_tool(url, "write_file", auth=files.auth).status_code)
            print("now it has", *files.scopes)
            files.logout(end_session=False)


if __name__ == "__main__":
    main()
