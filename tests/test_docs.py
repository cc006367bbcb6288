"""The documentation's code runs as it stands there; its table of signals is the chart's."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from authflow.chart import CHART
from authflow.errors import Recovery
from authflow.signals import SIGNALS

from .test_readme import ROOT, run

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXT = {page.name: page.read_text(encoding="utf-8") for page in PAGES}


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", TEXT[page], re.M | re.S)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


AFTER_WEB = '''
import re
from authflow.testing.served import Served

web = Served(app, int(os.environ["PORT"]))
web.start()
page = ada.go(f"{web.url}/login")
print(page.status, page.text.strip())
names = sorted({cookie.name for cookie in ada._cookies.jar} - {"dev_session"})
print(*[re.sub("[0-9a-f]{16}$", "*", name) for name in names if name.startswith("__Host-")])
print(ada.go(f"{web.url}/callback?state=stray&code=x").status, ada.go(f"{web.url}/me").text)
answer = ada._send("POST", f"{web.url}/logout", {})
print(answer.status_code, ada.go(f"{web.url}/me").status)
web.stop()
'''


AFTER_MOUNTING = '''
import asyncio

async def look():
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="https://admin.example.com") as page:
        stranger = await page.get("/sessions/")
        admin = await page.get("/sessions/", headers={"X-Admin": "yes"})
        elsewhere = await page.get("/sessions/", headers={"X-Admin": "yes", "Host": "other.example.com"})
        print(stranger.status_code, admin.status_code, elsewhere.status_code)
    await manager.aclose()

asyncio.run(look())
'''


# ── sessions.md ──────────────────────────────────────────────────────────────────────────────────────

RUNS = {
    "print(session.state, session.live)": ["idle False", "True Ada Lovelace .*gist.*", "logged_out user", "idle"],
    "def log(session, event)": [
        "1 idle → authorizing authorize ?",
        "2 authorizing → exchanging callback ?",
        "3 exchanging → authenticated authenticate ?",
        "4 authenticated → logged_out logout user",
        "bye",
    ],
    "token(min_ttl=300)": ["200", r"bearer \(.+\) \d+"],
    "def sign_in(session)": ["hello Ada Lovelace"],
    '"select_account"': [r"\[<Session 'github' auth.+, <Session 'github', 'work' auth.+\]", "'' True", "'work' True"],
}


@pytest.mark.parametrize("words", RUNS)
def test_the_code_about_sessions_runs(words: str) -> None:
    (block,) = [one for one in blocks("sessions.md") if words in one]

    told = run(block)

    assert len(told) == len(RUNS[words]), told
    for line, expected in zip(told, RUNS[words], strict=True):
        assert re.fullmatch(expected, line, re.I), told


def test_every_block_about_sessions_is_run_here() -> None:
    assert len(blocks("sessions.md")) == len(RUNS)


def test_the_table_of_signals_is_the_charts() -> None:
    rows = []
    for signal in dict.fromkeys(row.emits for row in CHART if row.emits is not None):
        for row in CHART:
            if row.emits == signal:
                sources, actors = ", ".join(row.sources), ", ".join(row.actors)
                rows.append(f"| `{signal}` | `{row.trigger}` | {sources} | {actors} | {row.meaning} |")

    made = TEXT["sessions.md"].split("|---|---|---|---|---|\n", 1)[1].split("\n<!-- end -->", 1)[0]

    assert made == "\n".join(rows)


def test_every_signal_is_told_about() -> None:
    assert [name for name in SIGNALS if f"| `{name}` |" not in TEXT["sessions.md"]] == []


def test_every_recovery_has_its_row() -> None:
    assert [one for one in Recovery if f"| `{one}` |" not in TEXT["sessions.md"]] == []


# ── web.md ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_web_application_runs() -> None:
    app, stores = blocks("web.md")
    port = free_port()

    base_url = f"http://127.0.0.1:{port}"
    told = run(app, AFTER_WEB, PORT=str(port), BASE_URL=base_url, REDIRECT_URI=f"{base_url}/callback")

    assert told == ["200 hello Ada Lovelace", "__Host-owner", "403 hello Ada Lovelace", "303 401"]
    assert run(stores) == ["authorizing True"]


# ── bridges.md ───────────────────────────────────────────────────────────────────────────────────────

VISIT = '''
web.start()
page = ada.go(f"{web.url}/login/github?next=/me")
print(page.status, page.text.strip())
print(ada.go(f"{web.url}/callback/github?state=stray&code=x").status)
web.stop()
'''
ASGI = '''
from authflow.testing.served import Served

web = Served(app, int(os.environ["PORT"]))
'''
WSGI = '''
import logging, threading
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Web:
    def __init__(self):
        self.server = make_server("127.0.0.1", int(os.environ["PORT"]), app, threaded=True)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def start(self):
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


web = Web()
'''
DJANGO = '''
import django
from django.conf import settings as project
from django.core.handlers.wsgi import WSGIHandler

middleware = ["authflow.integrations.django.AuthMiddleware"]
project.configure(ROOT_URLCONF=sys.modules["__main__"], AUTHFLOW="__main__.auth", MIDDLEWARE=middleware)
project.ALLOWED_HOSTS = ["*"]
django.setup()
app = WSGIHandler()
'''
TORNADO = """
import asyncio, threading

class Web:
    url = os.environ["BASE_URL"]

    def start(self):
        self.ended, started = asyncio.Event(), threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(started)))
        self.thread.start()
        started.wait()

    async def serve(self, started):
        self.loop, server = asyncio.get_running_loop(), app.listen(int(os.environ["PORT"]), "127.0.0.1")
        started.set()
        await self.ended.wait()
        await auth.aclose()
        server.stop()
        await server.close_all_connections()

    def stop(self):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join()


import logging
logging.getLogger("tornado").setLevel(logging.ERROR)
web = Web()
"""
WEB_BRIDGES = {
    "integrations.fastapi": ASGI,
    "integrations.starlette": ASGI,
    "integrations.flask": WSGI,
    "integrations.quart": ASGI,
    "integrations.tornado": TORNADO,
    "integrations.django": DJANGO + WSGI,
}


def bridge(words: str) -> str:
    (block,) = [one for one in blocks("bridges.md") if words in one]
    return block


@pytest.mark.parametrize("words", WEB_BRIDGES)
def test_the_lines_of_each_web_bridge_run(words: str) -> None:
    framework = words.rpartition(".")[2]
    if find_spec(framework) is None:
        pytest.skip(f"{framework} is needed: pip install 'authflow-sessions[{framework}]'")
    port = free_port()

    told = run(bridge(words), WEB_BRIDGES[words] + VISIT, PORT=str(port), BASE_URL=f"http://127.0.0.1:{port}")

    assert len(told) == 2, told
    assert re.fullmatch(r"200 .*Ada Lovelace.*", told[0])
    assert told[1] == "400"


def test_the_lines_for_a_web_framework_that_is_not_here_run() -> None:
    assert run(bridge("integrations.web")) == ["303 __Host-kept"]


FLET = """
import asyncio
from authflow.integrations.flet import FletLogins
from tests.integrations.flet.application import on_the_desktop

async def click(logins, main):
    async with on_the_desktop(main) as client:
        client.opens = ada
        await client.click("Sign in")
        await client.until_said("Ada Lovelace")
        await client.click("Sign out")
        await client.until_said("bye")
        print("signed in and out")
    await logins.manager.close()

FletLogins.run = lambda logins, main: asyncio.run(click(logins, main))
"""


def test_the_lines_for_flet_run() -> None:
    pytest.importorskip("flet", reason="pip install 'authflow-sessions[flet]'")
    assert run(FLET + bridge("integrations.flet")) == ["signed in and out"]


PAGES_VISIT = """
from tests.integrations.browsing import serving

with serving(auth.manager, lambda url: app, int(os.environ["PORT"])) as site:
    print(ada.go(f"{site.url}/login/github?next=/").status)
    print('"live":true' in ada.go(f"{site.url}/session").text)
"""


@pytest.mark.parametrize("words", ["gradio", "nicegui"])
def test_the_lines_of_each_bridge_to_web_pages_run(words: str) -> None:
    pytest.importorskip(words, reason=f"pip install 'authflow-sessions[{words}]'")
    port = free_port()

    told = run(bridge(f"integrations.{words}"), PAGES_VISIT, PORT=str(port), BASE_URL=f"http://127.0.0.1:{port}")

    assert told[-2:] == ["200", "True"]


PANEL = """
import asyncio
import panel

serve, url = panel.serve, os.environ["BASE_URL"]

def visit():
    print(ada.go(f"{url}/login/github?next=/").status)
    print('"live":true' in ada.go(f"{url}/session").text)

async def serve_once(page, **options):
    server = serve(page, **{**options, "port": int(os.environ["PORT"])})
    await asyncio.to_thread(visit)
    server.stop()
    await auth.aclose()

panel.serve = lambda page, **options: asyncio.run(serve_once(page, **options))
"""


def test_the_lines_for_panel_run() -> None:
    pytest.importorskip("panel", reason="pip install 'authflow-sessions[panel]'")
    port = free_port()

    told = run(PANEL, bridge("integrations.panel"), PORT=str(port), BASE_URL=f"http://127.0.0.1:{port}")

    assert told[-2:] == ["200", "True"]


def test_the_lines_for_streamlit_run(tmp_path: Path) -> None:
    pytest.importorskip("streamlit", reason="pip install 'authflow-sessions[streamlit]'")
    port, page = free_port(), tmp_path / "page.py"
    page.write_text(bridge("here = page()"), encoding="utf-8")
    app = bridge("integrations.streamlit import Auth").replace("page.py", str(page))

    told = run(app, PAGES_VISIT, PORT=str(port), BASE_URL=f"http://127.0.0.1:{port}")
    script = f"""
from streamlit.testing.v1 import AppTest
from authflow import SessionManager
from authflow.integrations.streamlit import Auth
Auth(SessionManager([GitHub.from_env()]), base_url="http://127.0.0.1:8501")
page = AppTest.from_file({str(page)!r}).run()
print(len(page.exception), len(page.main))
"""

    assert told[-2:] == ["200", "True"]
    assert run(script)[-1] == "0 2"


PRESS = """
import threading
came = threading.Event()
manager.on_login.connect(lambda session, event: came.set())
panel.sign_in(open_url=ada)
came.wait(20)
print(panel.card.status)
panel.close()
manager.close()
"""


def test_the_lines_for_jupyter_run() -> None:
    pytest.importorskip("ipywidgets", reason="pip install 'authflow-sessions[jupyter]'")
    assert run(bridge("integrations.jupyter"), PRESS) == ["Signed in as Ada Lovelace"]


QT = """
import authflow.integrations.qt as bridge
from PySide6.QtCore import QTimer
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication

class Watched(bridge.QtAuth):
    def __init__(self, session):
        super().__init__(session)
        self.changed.connect(self.tell)
        QTimer.singleShot(0, self.press)

    def tell(self, card):
        if card.live:
            print(card.status)
            QApplication.quit()

QDesktopServices.openUrl = lambda url: ada(url.toString())
bridge.QtAuth = Watched
"""


def test_the_lines_for_qt_run() -> None:
    pytest.importorskip("PySide6", reason="pip install 'authflow-sessions[qt]'")
    assert run(QT + bridge("integrations.qt"), QT_QPA_PLATFORM="offscreen") == ["Signed in as Ada Lovelace"]


TK = """
import subprocess, tkinter

reader, writer = os.pipe()
command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "800x600x24", "-nolisten", "tcp"]
screen = subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL)
os.close(writer)
with os.fdopen(reader) as told:
    os.environ["DISPLAY"] = ":" + told.readline().strip()
mainloop = tkinter.Tk.mainloop

def visited(window):
    def changed(event):
        if button.card.live:
            print(window.title())
            window.after_idle(window.destroy)

    button.bind("<<SessionChanged>>", changed, add="+")
    window.after_idle(button.invoke)
    mainloop(window)
    screen.terminate()
    screen.wait()

tkinter.Tk.mainloop = visited
"""


def test_the_lines_for_tkinter_run() -> None:
    pytest.importorskip("tkinter", reason="tkinter is needed: apt-get install python3-tk")
    if shutil.which("Xvfb") is None:
        pytest.skip("a display is needed: apt-get install xvfb")
    assert run(TK + bridge("integrations.tk")) == ["Signed in as Ada Lovelace"]


TEXTUAL = """
import asyncio

async def visit():
    app = Mail()
    async with app.run_test() as pilot:
        app.query(SignInButton).first().press()
        while not app.sub_title.startswith("Signed in"):
            await pilot.pause(0.05)
        print(app.sub_title)

asyncio.run(visit())
"""


def test_the_lines_for_textual_run() -> None:
    pytest.importorskip("textual", reason="pip install 'authflow-sessions[textual]'")
    assert run(bridge("integrations.textual"), TEXTUAL) == ["Signed in as Ada Lovelace"]


def test_the_lines_for_a_screen_that_is_not_here_run() -> None:
    told = run(bridge("integrations.live"))
    assert told[-1] == "Signed in as Ada Lovelace · Sign out"


# ── logout.md ────────────────────────────────────────────────────────────────────────────────────────


def test_the_code_about_signing_out_runs() -> None:
    here, there = blocks("logout.md")

    assert run(here) == ["user /end_session", "state"]
    assert run(there) == ["200  logged_out back_channel_logout", "400 jti"]


# ── back-ends.md ─────────────────────────────────────────────────────────────────────────────────────


def test_the_code_about_back_ends_runs() -> None:
    own, downstream = blocks("back-ends.md")

    assert run(own) == [r"('reports.read',)", "200"]
    assert run(downstream) == ["('profile',)"]


# ── apis.md ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_code_about_apis_runs() -> None:
    resource, registration = blocks("apis.md")

    assert run(resource) == ["True ('profile', 'offline_access')"]
    assert run(registration) == ["Ada Lovelace True"]


# ── testing.md ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", range(len(blocks("testing.md"))))
def test_the_tests_for_applications_pass(number: int, tmp_path: Path) -> None:
    file = tmp_path / "test_application.py"
    file.write_text(blocks("testing.md")[number], encoding="utf-8")

    settings = tmp_path / "pytest.ini"
    settings.write_text("[pytest]\n", encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert told.returncode == 0, told.stdout + told.stderr
    assert " passed" in told.stdout


# ── asking.md ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_code_about_asking_runs() -> None:
    assert [run(block) for block in blocks("asking.md")] == [["Ada Lovelace True"]]


# ── dashboard.md ─────────────────────────────────────────────────────────────────────────────────────


def test_the_code_about_the_dashboard_runs() -> None:
    served, mounted = blocks("dashboard.md")

    assert run(served)[0].startswith("http://127.0.0.1:")
    assert run(mounted, AFTER_MOUNTING) == ["404 200 421"]


# ── all pages ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", range(len(blocks("providers.md"))))
def test_the_code_about_providers_runs(number: int) -> None:
    run(blocks("providers.md")[number])


@pytest.mark.parametrize(
    ("page", "link"),
    [(page, link) for page in TEXT for link in sorted(set(re.findall(r"\]\(([^)#:]+)\)", TEXT[page])))],
)
def test_every_link_leads_somewhere(page: str, link: str) -> None:
    assert (DOCS / link).exists()


def test_every_page_stands_in_the_index() -> None:
    assert [page.name for page in PAGES if page.name != "README.md" and f"({page.name})" not in TEXT["README.md"]] == []
