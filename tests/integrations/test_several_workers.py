"""One site, three worker processes, one store: whichever answers, the state is right."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from authflow.testing import DevProvider, ScriptedBrowser
from tests.real.server_process import ServerProcess, free_port
from tests.test_examples import ROOT

from .conftest import ask

WORKERS = 3
USERS = ("ada", "grace", "alan")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    pytest.importorskip("fastapi", reason="pip install 'authflow-sessions[fastapi]'")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with DevProvider(algorithm="ES256").serve() as dev:
        client = dev.client(redirect_uris=[f"{url}/callback/acme"])
        environment = {
            "ISSUER": dev.issuer,
            "CLIENT_ID": client.client_id,
            "CLIENT_SECRET": client.client_secret or "",
            "STORE": str(tmp_path / "sessions.db"),
            "BASE_URL": url,
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "uvicorn", "tests.integrations.worker_app:application", "--factory",
                   "--port", str(port), "--workers", str(WORKERS), "--no-access-log"]  # fmt: skip
        with ServerProcess(command, tmp_path, url, environment):
            yield url


def asked(browser: ScriptedBrowser, url: str) -> tuple[str | None, int]:
    """The name on the page and the worker that answered, on a connection of its own."""
    found = json.loads(ask(browser, "GET", url).text)
    return found["name"], found["worker"]


def test_whichever_worker_answers_the_state_is_right(url: str) -> None:
    workers = set()
    with ExitStack() as stack:
        people = {user: stack.enter_context(ScriptedBrowser(user)) for user in USERS}
        for _ in range(2):  # a second sign-in, with another cookie, is right at once too
            for person in people.values():
                assert person.go(f"{url}/login/acme").status == 200
                answers = [asked(person, f"{url}/") for _ in range(12)]
                assert len({name for name, _ in answers}) == 1
                workers |= {worker for _, worker in answers}
        names = {user: asked(person, f"{url}/")[0] for user, person in people.items()}
        assert names == {"ada": "Ada Lovelace", "grace": "Grace Hopper", "alan": "Alan Turing"}
        assert len(workers) > 1

        assert ask(people["ada"], "POST", f"{url}/logout/acme").status_code == 303
        left = httpx.get(f"{url}/", trust_env=False).json()
        assert left["name"] is None
        assert asked(people["grace"], f"{url}/")[0] == "Grace Hopper"
