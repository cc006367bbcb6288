"""Flet's own examples, as they are with authflow: each is started as its user starts it, on the desktop and the web."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from authflow.testing import ScriptedBrowser

from .application import free_port
from .client import PATIENCE, Client, cookies_of, desktop_client, web_client

FOLDER = Path(__file__).parents[3] / "examples" / "flet"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "start")
HELLO = r"Hello Ada Lovelace"

# What is pressed, and what is read then.
STORIES: dict[str, list[tuple[str, str]]] = {
    "api": [("Login", "Signed in, with a Bearer token"), ("Ask the API", "The API says 200: .+")],
    "components": [("Login", HELLO), ("Logout", "Login"), ("Login", HELLO)],
    "custom_provider": [("Login", r"ada@example\.com is in engineers, admins")],
    "protected_routes": [
        ("Account", "Please sign in .+"),
        ("Login", "The account of Ada Lovelace"),
        ("Logout", "Please sign in .+"),
    ],
    "remember_me": [("Login", HELLO), ("Logout", "Forgotten"), ("Login", HELLO)],
    "several_providers": [
        ("Login acme", "acme: Ada Lovelace"),
        ("Login globex", "globex: Ada Lovelace"),
        ("Logout acme", "acme: not signed in"),
    ],
    "sign_in": [("Login", f"{HELLO}, number .+, of engineers, admins"), ("Logout", "Bye"), ("Login", f"{HELLO}, .+")],
    "ways_to_open": [("Window", HELLO), ("Logout", "Bye"), ("Window", HELLO)],
}


@contextmanager
def started(example: str, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    program = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "ignore", str(FOLDER / f"{example}.py"), *arguments],
        env={**os.environ, "PYTHONUNBUFFERED": "1", "DISPLAY": ":0", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield program
    finally:
        program.terminate()
        said = "".join(program.communicate(timeout=PATIENCE))
    assert "Traceback" not in said, said
    assert "code=" not in said


@asynccontextmanager
async def on_this_machine(example: str, browser: ScriptedBrowser) -> AsyncIterator[Client]:
    base_url = f"http://127.0.0.1:{free_port()}"
    with started(example, FLET_DISPLAY_URL_PREFIX="client", BASE_URL=base_url) as program:
        line = await asyncio.to_thread(program.stdout.readline)
        found = re.fullmatch(r"client (\S+) .+\n", line)
        if found is None:
            raise AssertionError(line + program.stderr.read())
        async with desktop_client(found[1]) as client:
            client.opens = browser
            yield client


@asynccontextmanager
async def on_a_server(example: str, browser: ScriptedBrowser) -> AsyncIterator[Client]:
    base_url = f"http://127.0.0.1:{free_port()}"
    with started(example, "--web", BASE_URL=base_url, FLET_WEB_NO_CDN="1"):
        await asyncio.to_thread(until_served, base_url)
        await asyncio.to_thread(browser.go, base_url)
        async with web_client(base_url, cookie=partial(cookies_of, browser)) as client:
            client.opens = browser
            yield client


def until_served(url: str) -> None:
    transport = httpx.HTTPTransport(retries=8)  # 0, 0.5, 1, 2, 4, … seconds apart
    with httpx.Client(transport=transport, trust_env=False) as client:
        client.get(url)


async def play(client: Client, story: list[tuple[str, str]]) -> None:
    for button, expected in story:
        await client.click(button)
        await client.until(lambda expected=expected: any(re.fullmatch(expected, one) for one in client.said))
        client.said.clear()
    assert client.crashes == []


def test_each_example_has_a_story() -> None:
    assert sorted(STORIES) == EXAMPLES


@pytest.mark.parametrize("where", [on_this_machine, on_a_server], ids=["desktop", "web"])
@pytest.mark.parametrize("example", EXAMPLES)
async def test_the_example_runs(example: str, where: Any) -> None:
    with ScriptedBrowser(user="ada") as browser:
        async with where(example, browser) as client:
            await play(client, STORIES[example])


async def test_the_next_start_remembers(tmp_path: Path) -> None:
    """The client keeps what it was given; the program that comes next knows nothing else."""
    with ScriptedBrowser(user="ada") as browser:
        async with on_this_machine("remember_me", browser) as client:
            await play(client, [("Login", HELLO)])
            await client.until_called("set")
            (kept,) = client.preferences.values()
            assert "access_token" not in kept
            assert kept.startswith("afp1.")
