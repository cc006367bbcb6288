"""README's code runs as it stands there, against a development provider that poses as GitHub."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)

# What stands around a block: GitHub is the provider here, Ada is at the browser, api.github.com leads here too.
STAGE = '''
import contextlib, os, sys
import httpx
from authflow.providers import GitHub, Google
from authflow.testing import DevProvider, ScriptedBrowser
from authflow.agents import browser as opener, loopback

provider = DevProvider(style="github", label="GitHub", refresh_tokens=True)
stack = contextlib.ExitStack()
stack.enter_context(provider.serve())
ada = stack.enter_context(ScriptedBrowser(user="ada"))
origins = [provider.url, "https://api.github.com"]
redirect_uri = os.environ.get("REDIRECT_URI")
settings = provider.settings("github", api_origins=origins, label="GitHub", redirect_uri=redirect_uri)
GitHub.from_env = classmethod(lambda cls: settings.replace(redirect_uri=None))
Google.from_env = classmethod(lambda cls: cls("client-id", "client-secret"))
opener.open_browser = ada


class Here(httpx.HTTPTransport):
    def handle_request(self, request):
        request.url = httpx.URL(f"{provider.url}/api/me")
        request.headers["host"] = request.url.netloc.decode()
        return super().handle_request(request)


httpx.get = lambda url, auth: httpx.Client(transport=Here(trust_env=False)).get(url, auth=auth)
'''

AFTER_WEB = '''
from authflow.testing.served import Served

web = Served(app, int(os.environ["PORT"]))
web.start()
page = ada.go(f"{web.url}/login/github?next=/me")
print(page.status, page.text)
print(ada.go(f"{web.url}/me").text)
print(httpx.Client(trust_env=False).get(f"{web.url}/me").status_code)
web.stop()
'''


def block_with(words: str) -> str:
    (found,) = [block for block in BLOCKS if words in block]
    return found


def run(block: str, after: str = "", **env: str) -> list[str]:
    code = f"{STAGE}\n{block}\n{after}\nstack.close()\n"
    told = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", code],
        env={**os.environ, "PYTHONUTF8": "1", "BROWSER": "ada, who stands in for it", **env},
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout.splitlines()


def test_the_first_lines_say_what_to_install() -> None:
    head = README[:1200]

    assert "pip install authflow-sessions" in head
    assert "not with `pip install authflow`" in head
    assert 'srcset="diagrams/chart-dark.svg"' in README
    assert 'src="diagrams/chart-light.svg"' in README


def test_every_block_of_python_is_run_by_a_test_here() -> None:
    words = ["on_login.connect", "on_live_changed", "FileStore", "FastAPI(", "def test_ada", "def test_an_expired"]

    assert len(BLOCKS) == len(words)
    assert all(block_with(word) for word in words)


def test_the_quick_start_runs() -> None:
    told = run(block_with("on_login.connect"))

    assert told[0] == "hello Ada Lovelace from GitHub"
    assert told[1].startswith("True True ")
    assert "public_repo" in told[1]
    assert told[2].startswith("200 GitHub: authenticated;")
    assert told[3] == "True"


def test_the_dashboard_runs() -> None:
    told = run(block_with("on_live_changed"))

    assert told[0].split() == ["github", "signed", "in"]
    assert re.fullmatch(r"github authenticated Ada Lovelace [0-9a-f]{8}", told[1])
    assert "    class authenticated current" in told


def test_the_program_that_stays_signed_in_runs_twice(tmp_path: Path) -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    env = {"AUTHFLOW_SEALING_KEY": key, "XDG_STATE_HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}
    for _ in range(2):
        assert run(block_with("FileStore"), **env) == ["Ada Lovelace"]


def test_the_web_application_runs() -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    told = run(block_with("FastAPI("), AFTER_WEB, PORT=str(port), BASE_URL=f"http://127.0.0.1:{port}")

    assert told == ['200 {"name":"Ada Lovelace"}', '{"name":"Ada Lovelace"}', "401"]


def test_the_tests_run() -> None:
    run(block_with("def test_ada"), "test_ada_signs_in()")
    run(block_with("def test_an_expired"), "test_an_expired_session_asks_for_a_sign_in()")


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)|(?:src|srcset)=\"([^\"]+)\"", README))))
def test_every_link_leads_somewhere(link: tuple[str, str]) -> None:
    assert (ROOT / (link[0] or link[1])).is_file()
