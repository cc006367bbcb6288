"""Jupyter: the panel without a kernel, in both colours; then notebooks that a real kernel runs."""

from __future__ import annotations

import gc
import json
import threading
import warnings
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.agents import DeviceCode, Loopback, Paste, Surroundings
from authflow.errors import MissingExtra
from authflow.testing import DevProvider, ScriptedBrowser, revoke, signed_in
from tests.session.support import go, on_thread

try:
    from authflow.integrations.jupyter import SignIn
except MissingExtra as missing:
    pytest.skip(str(missing), allow_module_level=True)

import ipywidgets as widgets

PATIENCE = 15.0
HERE = Surroundings(display=True)
REMOTE = Surroundings(display=False, remote_kernel=True, jupyter=True)
MANAGERS: dict[str, Any] = {"sync": SessionManager, "async": AsyncSessionManager}


@pytest.fixture
def provider() -> Iterator[DevProvider]:
    with DevProvider(label="Acme").serve() as served:
        yield served


@pytest.fixture(params=MANAGERS)
async def manager(request: pytest.FixtureRequest, provider: DevProvider) -> Any:
    made = MANAGERS[request.param]([provider.settings("acme")])
    yield made
    await go(made.close())


class Seen:
    """A person who looks at a panel."""

    def __init__(self, panel: SignIn) -> None:
        self.panel = panel
        self._changed = threading.Condition()
        for part in (panel.card_view, panel.told):
            part.observe(self._note, "value")
        for part in (panel.told, panel.pasted):
            part.layout.observe(self._note, "display")
        panel.button.observe(self._note, "description")

    def _note(self, change: Any) -> None:
        with self._changed:
            self._changed.notify_all()

    async def until(self, true: Callable[[], object]) -> None:
        def wait() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: bool(true()), PATIENCE)

        assert await on_thread(wait), self.panel.card_view.value

    async def until_said(self, text: str) -> None:
        await self.until(lambda: text in self.panel.card_view.value)


async def test_pressing_signs_in_and_out_and_shows_what_is_protected(manager: Any) -> None:
    panel = SignIn(manager["acme"])
    seen = Seen(panel)
    box = panel.protected(lambda session: widgets.HTML(f"the books of {session.user.name}"))
    assert (panel.button.description, box.children) == ("Sign in with Acme", ())
    with ScriptedBrowser(user="ada") as ada:
        panel.sign_in(open_url=ada)
        await seen.until(lambda: panel.button.description == "Sign out")
    assert "Ada Lovelace" in panel.card_view.value
    assert box.children[0].value == "the books of Ada Lovelace"

    await go(manager["acme"].refresh())
    assert panel.card.live
    panel.button.click()
    await seen.until(lambda: panel.button.description == "Sign in with Acme")
    assert box.children == ()
    panel.close()
    assert len(manager.on_transition) == 0


async def test_who_is_signed_out_elsewhere_is_told_and_can_sign_in_again(manager: Any) -> None:
    session = await go(signed_in(manager, "acme", user={"sub": "1", "name": "Ada"}))
    panel = SignIn(session)
    seen = Seen(panel)
    assert "Ada" in panel.card_view.value
    await go(revoke(session))
    await seen.until_said("Your session has ended. Sign in again.")
    with ScriptedBrowser(user="ada") as ada:
        panel.sign_in(open_url=ada)
        await seen.until_said("Ada Lovelace")
    panel.close()


async def test_denied_cancelled_and_too_late_are_told(manager: Any) -> None:
    panel = SignIn(manager["acme"])
    seen = Seen(panel)
    with ScriptedBrowser(deny=True) as nobody:
        panel.sign_in(open_url=nobody)
        await seen.until_said("access_denied")
    with ScriptedBrowser(never=True) as away:
        panel.sign_in(open_url=away)
        await seen.until(lambda: panel.button.description == "Cancel")
        panel.button.click()
        await seen.until_said("The sign-in was cancelled.")
        panel.sign_in(open_url=away, timeout=0.2)
        await seen.until_said("Nobody came back from the provider in time.")
    panel.close()


async def test_a_provider_that_is_down_is_told() -> None:
    with DevProvider(label="Acme").serve() as gone:
        settings = gone.settings("acme")
    with SessionManager([settings]) as manager:
        panel = SignIn(manager["acme"])
        seen = Seen(panel)
        panel.sign_in(open_url=lambda url: True)
        await seen.until_said("127.0.0.1")
        panel.close()


def ended_on(browser: ScriptedBrowser, url: str) -> str:
    """The address that the browser cannot load, which a human would copy."""
    with pytest.raises(httpx.ConnectError) as nobody:
        browser.go(url)
    return str(nobody.value.request.url)


# ── where the kernel is somewhere else ───────────────────────────────────────────────────────────────


async def test_the_way_to_sign_in_suits_the_kernel(manager: Any) -> None:
    panel = SignIn(manager["acme"])
    assert isinstance(panel.agent.choose(HERE, browser=True, device=True), Loopback)
    assert isinstance(panel.agent.choose(REMOTE, browser=True, device=True), DeviceCode)
    assert isinstance(panel.agent.choose(REMOTE, browser=False, device=False), Paste)
    panel.close()


async def test_a_code_for_another_screen_is_shown_and_goes_when_it_was_entered(
    manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = SignIn(manager["acme"])
    seen = Seen(panel)
    agent = panel.agent.choose(REMOTE, browser=False, device=True)
    with ScriptedBrowser(user="ada") as ada:
        panel.sign_in(agent=agent)
        await seen.until(lambda: "runs on another machine" in panel.told.value)
        code = panel.told.value.split('em">')[1].split("<")[0]
        page = panel.told.value.split('href="')[1].split('"')[0]
        await on_thread(ada.go, f"{page}?user_code={code}")
        await seen.until_said("Ada Lovelace")
    await seen.until(lambda: (panel.told.value, panel.told.layout.display) == ("", "none"))
    panel.close()


async def test_an_address_can_be_pasted_and_a_wrong_one_is_asked_for_again(manager: Any) -> None:
    panel = SignIn(manager["acme"])
    seen = Seen(panel)
    agent = panel.agent.choose(REMOTE, browser=False, device=False)
    with ScriptedBrowser(user="ada") as ada:
        panel.sign_in(agent=agent)
        await seen.until(lambda: "href=" in panel.told.value)
        assert panel.pasted.layout.display == ""
        panel.pasted.value = "https://elsewhere.example/"
        await seen.until(lambda: "That is another address." in panel.told.value)
        assert panel.pasted.value == ""
        url = unescape(panel.told.value.split('href="')[1].split('"')[0])
        panel.pasted.value = await on_thread(ended_on, ada, url)
        await seen.until_said("Ada Lovelace")
    await seen.until(lambda: (panel.told.value, panel.pasted.layout.display) == ("", "none"))
    panel.close()


async def test_a_cancelled_paste_leaves_no_thread(manager: Any) -> None:
    panel = SignIn(manager["acme"])
    seen = Seen(panel)
    panel.sign_in(agent=panel.agent.choose(REMOTE, browser=False, device=False))
    await seen.until(lambda: "href=" in panel.told.value)
    asking = [one for one in threading.enumerate() if one.name == "authflow-paste"]
    panel.button.click()
    await seen.until_said("The sign-in was cancelled.")
    for one in asking:
        await on_thread(one.join, PATIENCE)
        assert not one.is_alive()
    panel.close()


def test_panels_that_are_closed_leave_no_widget_and_no_subscription(provider: DevProvider) -> None:
    """`test_live.py` counts the bytes of ten thousand; these are the widgets of a panel, their styles and layouts."""

    def alive() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # what the tests before this one left to closed loops
            gc.collect()
        return sum(isinstance(one, widgets.Widget) for one in gc.get_objects())

    with SessionManager([provider.settings("acme")]) as manager:
        session = signed_in(manager, "acme")
        before = alive()
        for _ in range(500):
            panel = SignIn(session)
            panel.close()
        del panel
        assert len(manager.on_transition) == 0
        assert alive() - before < 10


# ── a real kernel ────────────────────────────────────────────────────────────────────────────────────

SETUP = """
import threading
from authflow import AsyncSessionManager, SessionManager
from authflow.integrations.jupyter import SignIn
from authflow.testing import DevProvider, ScriptedBrowser, revoke
served = DevProvider(label="Acme").serve()
provider = served.__enter__()
ada = ScriptedBrowser(user="ada")
manager = MANAGER([provider.settings("acme")])
panel = SignIn(manager["acme"])
panel
"""
SYNC = [
    "came = threading.Event()\nmanager.on_login.connect(lambda session, event: came.set())",
    "panel.sign_in(open_url=ada)\nprint(came.wait(15), panel.button.description)",
    "manager['acme'].refresh(); print(panel.card.status)",
    "revoke(manager['acme']); print(panel.card.note)",
    "manager['acme'].login(open_url=ada); print(panel.card.status)",
    "manager.close(); ada.close(); served.__exit__(None, None, None)",
]
ASYNC = [
    "await manager['acme'].login(open_url=ada); print(panel.card.status)",
    "await manager['acme'].refresh(); print(panel.card.status)",
    "await revoke(manager['acme']); print(panel.card.note)",
    "import asyncio\ncame = asyncio.Event()\n"
    "manager.on_login.connect(lambda session, event: came.set())\n"
    "panel.sign_in(open_url=ada)\nawait asyncio.wait_for(came.wait(), 15)\nprint(panel.card.status)",
    "await manager.aclose(); ada.close(); served.__exit__(None, None, None)",
]
TOLD = {
    "SessionManager": [
        "Signed in as Ada Lovelace",
        "Your session has ended. Sign in again.",
        "Signed in as Ada Lovelace",
    ],
    "AsyncSessionManager": [
        "Signed in as Ada Lovelace",
        "Signed in as Ada Lovelace",
        "Your session has ended. Sign in again.",
        "Signed in as Ada Lovelace",
    ],
}


def told_by(book: Any, folder: Path) -> list[str]:
    """What the notebook prints when a kernel of its own runs it; the book has its outputs then."""
    nbclient = pytest.importorskip("nbclient", reason="pip install nbclient ipykernel")
    pytest.importorskip("ipykernel", reason="pip install nbclient ipykernel")
    nbclient.NotebookClient(book, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [out for cell in book.cells for out in cell.get("outputs", ()) if out.get("name") == "stdout"]
    return "".join(out["text"] for out in outputs).splitlines()


@pytest.mark.filterwarnings("ignore")
def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
    monkeypatch.setenv("AUTHFLOW_EXAMPLE_HEADLESS", "1")
    file = Path(__file__).parents[2] / "examples" / "notebooks" / "sign_in.ipynb"
    book = nbformat.read(file, as_version=4)
    assert [cell.outputs for cell in book.cells if cell.cell_type == "code" and cell.outputs] == []  # as committed

    assert told_by(book, tmp_path) == ["The API answered 200.", "Not signed in"]
    assert "You have read 12 books, Ada Lovelace." in json.dumps(book.metadata["widgets"])


@pytest.mark.filterwarnings("ignore")  # what the kernel's client warns of is its own
@pytest.mark.parametrize(("kind", "cells"), [("SessionManager", SYNC), ("AsyncSessionManager", ASYNC)])
def test_a_notebook_signs_in_renews_and_is_told_of_the_end(kind: str, cells: list[str], tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="pip install nbclient ipykernel")
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(one) for one in [SETUP.replace("MANAGER(", f"{kind}("), *cells]]

    lines = [line for line in told_by(book, tmp_path) if not line.startswith("True ")]

    assert lines == TOLD[kind]
    shown = json.dumps(book.metadata["widgets"])
    assert "Ada Lovelace" in shown  # what a reader of the notebook sees
    assert "access_token" not in shown
