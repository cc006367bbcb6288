"""The ASGI application, in both colours and mounted in another one."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from authflow import AsyncSessionManager, SessionManager, State
from authflow.dashboard import Dashboard, app
from authflow.errors import ConfigurationError, StoreError
from authflow.overview import row_id
from authflow.providers import GitHub
from authflow.stores import MemoryStore
from authflow.testing import DevProvider, ScriptedBrowser, signed_in

from .visiting import OWN, events


async def go(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(params=["sync", "async"])
async def manager(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    with DevProvider(label="Acme", auto="ada").serve() as acme:
        kind: Any = SessionManager if request.param == "sync" else AsyncSessionManager
        made = kind([acme.settings("acme", scopes=("openid", "offline_access"))], single_user=True)
        yield made
        await go(made.close())


def client(application: Any, dashboard: Dashboard | None = None, **headers: str) -> httpx.AsyncClient:
    """A page of it; with a tab's key when the dashboard has some."""
    said = {**OWN, **headers}
    if dashboard is not None and dashboard._keys is not None:
        said["Authorization"] = f"Bearer {dashboard._keys.redeem(dashboard._keys.issue())}"
    transport = httpx.ASGITransport(application)
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8431", headers=said)


async def test_every_action_is_done_by_either_colour(manager) -> None:
    dashboard = app(manager, allow_actions=True)
    dashboard._feed.hold(manager.sessions())
    session = manager["acme"]
    ask = {"id": row_id(session.key)}
    async with client(dashboard, dashboard) as page:

        async def act(action: str) -> dict[str, Any]:
            answer = await page.post("/api/act", json={**ask, "action": action})
            return {"status": answer.status_code, **answer.json()}

        begun = await act("sign_in")
        assert session.state is State.AUTHORIZING
        assert (await act("cancel"))["said"] == "Cancelled."
        assert (await act("cancel"))["said"] == "There was nothing to cancel."

        begun = await act("sign_in")
        url = (await page.get(f"/{begun['go']}")).headers["location"]
        assert (await page.get(f"/{begun['go']}")).status_code == 410
        with ScriptedBrowser(user="ada") as ada:
            await anyio.to_thread.run_sync(ada.go, url)
        await dashboard._actions._logins.get(str(session.key), _done())
        assert session.state is State.AUTHENTICATED

        refused = await act("sign_in")
        assert refused["status"] == 409
        before = session.trace
        assert (await act("refresh"))["said"] == "Renewed."
        assert session.trace != before
        told = await act("sign_out_and_revoke")
        assert told["said"].startswith("Signed out here. Revoked: ")
        assert session.state is State.LOGGED_OUT
        assert (await act("sign_out_here"))["said"] == "It was not signed in."


def _done() -> Any:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


async def test_the_detail_and_the_bundle_are_had_of_either_colour(manager) -> None:
    await go(signed_in(manager, "acme", user={"sub": "1", "name": "Ada Lovelace"}))
    dashboard = app(manager)
    dashboard._feed.hold(manager.sessions())
    name = row_id(manager["acme"].key)
    async with client(dashboard, dashboard) as page:
        detail = (await page.get(f"/api/session?id={name}")).json()
        bundle = json.loads((await page.get(f"/api/bundle?id={name}")).json()["text"])
        missing = await page.get("/api/session?id=nobody")

    assert detail["row"]["user"] == "Ada Lovelace"
    assert 'data-state="authenticated"' in detail["chart"]
    assert [story["title"] for story in detail["stories"]] == ["A login"]
    assert bundle["session"]["state"] == "authenticated"
    assert "Ada" not in json.dumps(bundle)
    assert missing.status_code == 404


@contextlib.asynccontextmanager
async def on_this_loop(application: Any) -> AsyncIterator[str]:
    """Served on the loop that runs, as an application serves an `AsyncSessionManager`; its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off", ws="none"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await serving


async def test_the_stream_tells_what_changes_and_goes_on_from_any_number(manager) -> None:
    dashboard = app(manager)
    async with on_this_loop(dashboard) as url:
        key = dashboard._keys.redeem(dashboard._keys.issue())
        headers = {**OWN, "Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as page:
            told: list[tuple[str, str, Any]] = []
            async for name, number, text in events(page):
                told.append((name, number, json.loads(text)))
                if name == "all":
                    await go(signed_in(manager, "acme", user={"sub": "1", "name": "Ada"}))
                if name == "changes" and told[-1][2]["rows"][0]["user"]:
                    break
            again = [one async for one in until(events(page, told[2][1]), "changes")]
        dashboard.close()

    assert [name for name, _, _ in told[:4]] == ["about", "health", "all", "changes"]
    assert [row["state"] for row in told[2][2]["rows"]] == ["idle"]
    assert [row["user"] for row in told[-1][2]["rows"]] == ["Ada"]
    heard = [event["trigger"] for _, _, data in told[3:] for event in data["events"]]
    assert heard == ["authorize", "callback", "authenticate"]
    assert [name for name, _, _ in again] == ["about", "health", "changes"]


class Flaky(MemoryStore):
    """A store whose disk is away for a while."""

    broken = True

    def load(self, key: str) -> tuple[bytes, int] | None:
        if self.broken:
            raise StoreError("The disk is away.")
        return super().load(key)


async def test_a_store_that_can_be_read_again_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["authflow.dashboard.app"], "ALIVE", 0.01)
    store = Flaky()
    with SessionManager([GitHub("id", "secret")], store=store) as manager:
        dashboard = app(manager)
        async with on_this_loop(dashboard) as url:
            headers = {**OWN, "Authorization": f"Bearer {dashboard._keys.redeem(dashboard._keys.issue())}"}
            health = []
            async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as page:
                async for name, _, text in events(page):
                    if name == "health":
                        health.append(json.loads(text)["well"])
                        store.broken = False
                    if health[-1:] == [True]:
                        break
            dashboard.close()
    assert health == [False, True]


async def until(messages: Any, last: str) -> AsyncIterator[Any]:
    async for one in messages:
        yield one
        if one[0] == last:
            return


async def test_behind_an_authentication_of_ones_own_there_is_no_launch_key(caplog: pytest.LogCaptureFixture) -> None:
    with SessionManager([GitHub("id", "secret")]) as manager:
        dashboard = app(manager, behind_own_authentication=True, hosts=["admin.example.com"])
        outer = Starlette(routes=[Mount("/sessions", dashboard)])
        transport = httpx.ASGITransport(outer, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://admin.example.com", headers=OWN) as page:
            shown = await page.get("/sessions/")
            script = await page.get("/sessions/static/main.js")
            launch = await page.post("/sessions/api/launch", json={})
            missing = await page.get("/sessions/api/session?id=x")
            foreign = await page.get("/sessions/api/session?id=x", headers={"Authflow-Dashboard": ""})
            elsewhere = await page.get("/sessions/", headers={"Host": "127.0.0.1"})

        assert 'data-key="none"' in shown.text
        assert 'src="static/main.js"' in shown.text
        assert [one.status_code for one in (shown, script, launch, missing, foreign, elsewhere)] == [
            200, 200, 404, 404, 403, 421
        ]  # fmt: skip
        assert "127.0.0.1" in caplog.text
        assert "hosts=" in caplog.text
        with pytest.raises(ConfigurationError, match="no launch key"):
            dashboard.launch_url("https://admin.example.com")


async def test_an_applications_own_route_signs_in() -> None:
    with SessionManager([GitHub("id", "secret")]) as manager:
        dashboard = app(
            manager, allow_actions=True, behind_own_authentication=True, hosts=["127.0.0.1:8431"],
            sign_in_url=lambda session: f"/login/{session.provider.name}",
        )  # fmt: skip
        dashboard._feed.hold(manager.sessions())
        async with client(dashboard) as page:
            ask = {"action": "sign_in", "id": row_id(manager["github"].key)}
            assert (await page.post("/api/act", json=ask)).json()["go"] == "/login/github"


async def test_nobody_is_signed_in_from_a_page_that_cannot(manager) -> None:
    dashboard = app(manager, allow_actions=True, behind_own_authentication=True, hosts=["127.0.0.1:8431"])
    dashboard._feed.hold(manager.sessions())
    async with client(dashboard) as page:
        answer = await page.post("/api/act", json={"action": "sign_in", "id": row_id(manager["acme"].key)})

    assert answer.status_code == 409
    assert "sign_in_url" in answer.json()["error"]["hint"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{", 400), (b'{"action":"explode"}', 400), (b"[" * 5000, 400),
        (b'{"action":"refresh","id":"nobody"}', 404), (b'{"action":"refresh","all":true}', 404),
    ],
)  # fmt: skip
async def test_what_cannot_be_done_is_refused(body: bytes, status: int) -> None:
    with SessionManager([GitHub("id", "secret")]) as manager:
        dashboard = app(manager, allow_actions=True)
        async with client(dashboard, dashboard, **{"Content-Type": "application/json"}) as page:
            assert (await page.post("/api/act", content=body)).status_code == status


async def test_it_only_shows_unless_it_was_told_otherwise(manager) -> None:
    dashboard = app(manager)
    async with client(dashboard, dashboard) as page:
        answer = await page.post("/api/act", json={"action": "sign_out_here", "all": True})

    assert (answer.status_code, answer.json()["error"]["hint"]) == (403, "Start it with --allow-actions.")


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/app.py", "/static/index.html", "/static/.css", "/x"])
async def test_nothing_else_is_served(path: str) -> None:
    with SessionManager([GitHub("id", "secret")]) as manager:
        dashboard = app(manager)
        async with client(dashboard, dashboard) as page:
            assert (await page.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"hosts": ["x"]}, "authentication of yours"),
        ({"hosts": "admin.example.com", "behind_own_authentication": True}, "list of strings"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with SessionManager([]) as manager, pytest.raises(ConfigurationError, match=said):
        app(manager, **settings)
    with pytest.raises(ConfigurationError, match="shows a manager"):
        app(object())  # type: ignore[arg-type]
