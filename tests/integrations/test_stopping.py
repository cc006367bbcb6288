"""A server that is told to stop does so while pages listen: their streams end, and nobody waits for them.

Each stream here would last ten minutes; a server that ends within half of one was held up by none.
"""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from tests.real.server_process import ServerProcess, free_port
from tests.test_examples import ROOT

from .stopping_app import SECRET

SECONDS = 30
OWN = {"Authflow-Dashboard": "1", "Sec-Fetch-Site": "same-origin"}
EVENTS = "/session/events"
CASES = [("fastapi", EVENTS), ("django", EVENTS), ("quart", EVENTS), ("dashboard", "/api/stream")]


@pytest.mark.skipif(sys.platform == "win32", reason="there a process is ended, not told")
@pytest.mark.parametrize(("name", "path"), CASES, ids=[name for name, _ in CASES])
def test_it_stops_at_once_while_a_page_listens(name: str, path: str, tmp_path: Path) -> None:
    if name != "dashboard" and find_spec(name) is None:
        pytest.skip(f"{name} is needed: pip install 'authflow-sessions[{name}]'")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "uvicorn", f"tests.integrations.stopping_app:{name}", "--factory"]
    headers = {"Cookie": f"dev-{port}-owner={SECRET}", **OWN}
    environment = {"BASE_URL": url, "PYTHONPATH": str(ROOT)}
    with (
        ServerProcess([*command, "--port", str(port)], tmp_path, url, environment) as process,
        httpx.stream("GET", f"{url}{path}", headers=headers, timeout=SECONDS, trust_env=False) as stream,
    ):
        lines = stream.iter_lines()  # held: the connection ends with it
        assert next(line for line in lines if line.startswith("data: "))
        process.tell(signal.SIGTERM)
        assert process.wait(SECONDS) is not None
