"""`authflow dash`, as typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from authflow.testing import DevProvider

from .conftest import ROOT, configure


def test_it_serves_the_kept_sessions_and_gives_a_new_link_for_each_enter(
    acme: DevProvider, tmp_path: Path, browser
) -> None:
    env = {**os.environ, **configure(tmp_path, acme), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "BROWSER": browser()}
    command = [sys.executable, "-m", "authflow.cli"]
    subprocess.run([*command, "login", "acme"], cwd=tmp_path, env=env, check=True, capture_output=True, timeout=60)
    dash = subprocess.Popen(
        [*command, "dash", "--no-open"], cwd=tmp_path, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert dash.stdin is not None
        assert dash.stdout is not None
        links = [link(dash.stdout)]
        dash.stdin.write("\n")
        dash.stdin.flush()
        links.append(link(dash.stdout))
        page = httpx.get(links[0].partition("#")[0], trust_env=False)
    finally:
        dash.terminate()
        dash.communicate(timeout=20)

    assert page.status_code == 200
    assert links[0] != links[1]
    assert links[0].partition("#")[0] == links[1].partition("#")[0]


def link(lines) -> str:
    for line in lines:
        found = re.search(r"http://127\.0\.0\.1:\d+/#[\w-]{43}", line)
        if found:
            return found[0]
    raise AssertionError("no link")


def test_a_port_that_is_taken_is_named_with_a_remedy(authflow, acme: DevProvider, tmp_path: Path) -> None:
    port = acme.url.rpartition(":")[2]
    told = authflow("dash", "--port", port, env=configure(tmp_path, acme))

    assert told.returncode == 2
    assert f"Port {port}" in told.stderr
    assert "--port" in told.stderr or "port=0" in told.stderr


def test_without_the_extra_it_prints_the_line_that_installs_it(authflow) -> None:
    told = authflow("dash", blocked=("starlette",))

    assert told.returncode == 2
    assert "    pip install 'authflow-sessions[dash]'\n" in told.stderr
