"""The MCP SDK as client and as server: from the server's 401 to a login, and then its tools.

The client knows the server's URL only. `OAuth2.for_resource` asks it who signs people in to it (RFC 9728) and gets
tokens that are for it alone; `session.auth` puts them on the SDK's own HTTP client (httpx2). `pip install mcp`

The server is a real one of the SDK, which lets in whoever authflow's development provider has signed in.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import uvicorn
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer

from authflow import AsyncSession, AsyncSessionManager
from authflow.providers import OAuth2
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


class Verifier:
    """Asks the provider of the tokens."""

    def __init__(self, provider: DevProvider) -> None:
        self.provider = provider

    async def verify_token(self, token: str) -> AccessToken | None:
        access = self.provider.grants.look_up(token, self.provider.now())
        if access is None:
            return None
        meant_for = access.resource[0] if access.resource else None
        return AccessToken(token=token, client_id="agent", scopes=list(access.scope), resource=meant_for)


@asynccontextmanager
async def serve(provider: DevProvider) -> AsyncIterator[str]:
    """An MCP server with one tool, for the signed-in only; gives its URL."""
    held = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{held.getsockname()[1]}/mcp"
    settings = AuthSettings.model_validate(  # from text: an issuer is compared byte for byte
        {
            "issuer_url": provider.issuer,
            "resource_server_url": url,
            "required_scopes": ["profile"],
            "validate_token_resource": True,
        }
    )
    files = MCPServer("Files", token_verifier=Verifier(provider), auth=settings, log_level="ERROR")

    @files.tool()
    def read_file(name: str) -> str:
        """The text of a file."""
        return f"the text of {name}"

    server = uvicorn.Server(uvicorn.Config(files.streamable_http_app(), log_level="error", lifespan="on"))
    running = asyncio.create_task(server.serve(sockets=[held]))
    try:
        yield url
    finally:
        server.should_exit = True
        await running


async def use(url: str, session: AsyncSession) -> None:
    """What an agent does with the server's tools."""
    async with (
        httpx2.AsyncClient(auth=session.auth, timeout=20, trust_env=False) as http,
        streamable_http_client(url, http_client=http) as (reader, writer),
        ClientSession(reader, writer) as client,
    ):
        await client.initialize()
        print("tools:", *(tool.name for tool in (await client.list_tools()).tools))
        answer = await client.call_tool("read_file", {"name": "notes.txt"})
        print("it says:", *(getattr(part, "text", "") for part in answer.content))


async def main() -> None:
    with DevProvider(label="Files").serve() as dev, ScriptedBrowser(user="ada") as ada:
        async with serve(dev) as url, httpx2.AsyncClient(trust_env=False) as anybody:
            refused = await anybody.post(url, json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
            print("without a token:", refused.status_code, "resource_metadata" in refused.headers["www-authenticate"])

            server = OAuth2.for_resource(url, name="files", client_name="My agent", allow_insecure_loopback=True)
            async with AsyncSessionManager([server]) as manager:
                session = await manager["files"].login(open_url=ada if HEADLESS else None, timeout=300)
                print("signed in by", "the provider that the server named" if session.provider.issuer else "nobody")
                await use(url, session)
                await session.refresh()
                await use(url, session)
                await session.logout(end_session=False)


if __name__ == "__main__":
    asyncio.run(main())
