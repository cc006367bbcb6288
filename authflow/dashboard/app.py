"""The ASGI application of the dashboard: its page, its stream, its few actions.

    GET  /                 the page; it holds nothing
    POST /api/launch       a launch key, once, for a tab's key
    GET  /api/stream       server-sent events: everything at first, then what changes
    GET  /api/session      one session: chart, stories, events
    GET  /api/bundle       the same to hand to somebody
    POST /api/act          one of `overview.Action` on one session, or a sign-out of all
    POST /api/switch       a switch of whoever serves the page
    GET  /go/…             once: on to a provider's page
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ..diagrams.page import STYLE
from ..diagrams.trace_look import REPLAY
from ..diagrams.trace_page import LOOK
from ..errors import AuthflowError, ConfigurationError
from ..manager import AsyncSessionManager, SessionManager
from ..overview import SIGN_OUTS, Action
from ..reading import ReadableSession
from ..stopping import until_stopped
from . import details
from .actions import Actions, problem
from .departures import Departures
from .feed import Batch, Feed
from .guard import Door, Guard, bearer, refused
from .keys import Keys
from .switches import Switch

MOST_READERS: Final = 24
MOST_BODY: Final = 4_096
TOGETHER: Final = 0.08  # seconds: what changes within them is told at once
ALIVE: Final = 20.0  # seconds of silence after which a stream says that it is alive
_STATIC: Final = Path(__file__).parent / "static"
_KINDS: Final = {".css": "text/css", ".js": "text/javascript"}


def app(
    manager: SessionManager | AsyncSessionManager,
    *,
    allow_actions: bool = False,
    behind_own_authentication: bool = False,
    hosts: Iterable[str] | None = None,
    sign_in_url: Callable[[Any], str] | None = None,
    switches: Sequence[Switch] = (),
) -> Dashboard:
    """The dashboard of a manager, as an ASGI application. It may be mounted anywhere.

    Without `allow_actions` it only shows. By itself it answers this machine only, to whoever came by
    `launch_url()`, which works once. `behind_own_authentication=True` says that *your* application lets nobody reach
    it who may not see every session of every user: then there is no launch key, and `hosts` are the `Host` headers
    under which your application is reached. `sign_in_url(session)` is your route that signs in.

    An `AsyncSessionManager` must be served on its own event loop. Raises `ConfigurationError`.
    """
    if not isinstance(manager, (SessionManager, AsyncSessionManager)):
        raise ConfigurationError("A dashboard shows a manager.", hint="Pass a SessionManager or AsyncSessionManager.")
    if hosts is not None and not behind_own_authentication:
        raise ConfigurationError(
            "Other hosts than this machine's need an authentication of yours in front of the dashboard.",
            hint="Add behind_own_authentication=True, once nobody else can reach it.",
        )
    if isinstance(hosts, str):
        raise ConfigurationError("hosts must be a list of strings.", hint=f"Write hosts=[{hosts!r}].")
    return Dashboard(manager, allow_actions, behind_own_authentication, hosts, sign_in_url, switches)


class Dashboard:
    """What `app` gives: call it as ASGI does; `launch_url` for a human, `close` at the end."""

    def __init__(
        self,
        manager: SessionManager | AsyncSessionManager,
        allow_actions: bool,
        behind_own_authentication: bool,
        hosts: Iterable[str] | None,
        sign_in_url: Callable[[Any], str] | None,
        switches: Sequence[Switch],
    ) -> None:
        self._manager = manager
        self._allow_actions = allow_actions
        self._keys = None if behind_own_authentication else Keys()
        self._feed = Feed(manager)
        self._departures = Departures()
        self._actions = Actions(
            manager, self._departures, loopback=not behind_own_authentication, sign_in_url=sign_in_url
        )
        self._switches = {switch.name: switch for switch in switches}
        self._turned: dict[str, bool] = {}
        self._readers = 0
        self._app = Guard(self._routes(), hosts, loopback_only=self._keys is not None)

    def __repr__(self) -> str:
        return f"<Dashboard of {self._manager!r}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def launch_url(self, origin: str) -> str:
        """A link that opens the dashboard in one browser tab, once, within ten minutes. `origin`: where it is served,
        such as `http://127.0.0.1:8431`. Raises `ConfigurationError` behind an authentication of your own."""
        if self._keys is None:
            raise ConfigurationError(
                "There is no launch key behind an authentication of your own.", hint="Link to where it is mounted."
            )
        return f"{origin.rstrip('/')}/#{self._keys.issue()}"

    def close(self) -> None:
        """Ends the streams. The manager goes on."""
        self._feed.close()

    # ── routes ───────────────────────────────────────────────────────────────────────────────────────

    def _routes(self) -> Starlette:
        door = Door(self._keys)
        routes = [
            Route("/", self._page, methods=["GET"]),
            Route("/static/{name}", self._static, methods=["GET"]),
            Route("/api/stream", door.reading(self._stream), methods=["GET"]),
            Route("/api/session", door.reading(self._session), methods=["GET"]),
            Route("/api/bundle", door.reading(self._bundle), methods=["GET"]),
            Route("/api/act", door.writing(self._act), methods=["POST"]),
            Route("/api/switch", door.writing(self._switch), methods=["POST"]),
            Route("/go/{name}", self._depart, methods=["GET"]),
        ]
        if self._keys is not None:
            routes.append(Route("/api/launch", door.launching(self._launch), methods=["POST"]))
        return Starlette(routes=routes)

    async def _page(self, request: Request) -> Response:
        page = (_STATIC / "index.html").read_text(encoding="utf-8")
        return HTMLResponse(page.replace('data-key="launch"', f'data-key="{"launch" if self._keys else "none"}"', 1))

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name in _MADE:
            return Response(_MADE[name], media_type=_KINDS[Path(name).suffix])
        path = _STATIC / name
        if path.suffix not in _KINDS or path.parent != _STATIC or not path.is_file():
            return PlainTextResponse("Not found.", 404)
        return Response(path.read_bytes(), media_type=_KINDS[path.suffix])

    async def _launch(self, request: Request) -> Response:
        key = None if self._keys is None else self._keys.redeem(bearer(request))
        if key is None:
            hint = "Ask for a new one where the dashboard was started."
            return refused(403, "This launch link was used already, or is too old.", hint)
        return JSONResponse({"key": key})

    async def _session(self, request: Request) -> Response:
        return await self._of_session(request, details.detail_of)

    async def _bundle(self, request: Request) -> Response:
        return await self._of_session(request, lambda feed, session: {"text": details.bundle_of(feed, session)})

    async def _of_session(self, request: Request, make: Callable[[Feed, ReadableSession], dict[str, Any]]) -> Response:
        session = self._feed.session(request.query_params.get("id", ""))
        if session is None:
            return refused(404, "There is no such session any more.")
        try:
            return JSONResponse(await run_sync(make, self._feed, session))
        except AuthflowError as error:
            return JSONResponse({"error": problem(error)}, 409)

    # ── the stream ───────────────────────────────────────────────────────────────────────────────────

    async def _stream(self, request: Request) -> Response:
        if self._readers >= MOST_READERS:
            return refused(429, "Too many pages of the dashboard are open.", "Close one of them.")
        after = _seen(request.headers.get("last-event-id", ""), self._feed.epoch)
        return StreamingResponse(self._tell(after), media_type="text/event-stream")

    async def _tell(self, after: int) -> AsyncIterator[str]:
        self._readers += 1
        try:
            with self._feed.reader() as reader, until_stopped(reader.stop):
                health = await self._open()
                yield f"retry: 1000\nevent: about\ndata: {json.dumps(self._about())}\n\n"
                yield f"event: health\ndata: {json.dumps(health)}\n\n"
                while not self._feed.closed and not reader.stopped:
                    batch = await run_sync(self._feed.look, after)
                    if batch.whole or batch.data["rows"] or batch.data["gone"] or batch.data["events"]:
                        yield self._event(batch)
                    after = batch.number
                    while not await reader.wait(after, ALIVE):
                        found = await run_sync(self._feed.health)
                        if found["well"] != health["well"]:
                            health = await self._open() if found["well"] else found
                            yield f"event: health\ndata: {json.dumps(health)}\n\n"
                        else:
                            yield ": alive\n\n"
                    await anyio.sleep(TOGETHER)
        finally:
            self._readers -= 1

    async def _open(self) -> dict[str, Any]:
        """Takes in what the store has, and begins to hear what becomes of it."""
        try:
            await run_sync(self._feed.open)
            self._feed.hold([*self._manager.sessions(), *await self._stored()])
        except AuthflowError:  # the store, as a rule: its health says so, and the sessions in memory are shown
            self._feed.hold(list(self._manager.sessions()))
        return await run_sync(self._feed.health)

    async def _stored(self) -> Sequence[ReadableSession]:
        if isinstance(self._manager, AsyncSessionManager):
            return await self._manager.stored()
        return await run_sync(self._manager.stored)

    def _event(self, batch: Batch) -> str:
        name = "all" if batch.whole else "changes"
        data = json.dumps(batch.data, separators=(",", ":"))
        return f"id: {self._feed.epoch}.{batch.number}\nevent: {name}\ndata: {data}\n\n"

    def _about(self) -> dict[str, Any]:
        return {
            "actions": self._allow_actions,
            "sign_in": self._allow_actions and self._actions.signs_in,
            "switches": [
                {"name": one.name, "label": one.label, "turned": one.turned, "help": one.help, "group": one.group,
                 "on": self._turned.get(one.name, False)}
                for one in self._switches.values()
            ],
        }  # fmt: skip

    # ── actions ──────────────────────────────────────────────────────────────────────────────────────

    async def _act(self, request: Request) -> Response:
        if not self._allow_actions:
            return refused(403, "This dashboard only shows.", "Start it with --allow-actions.")
        asked = await _body(request)
        try:
            action = Action(str(asked.get("action")))
        except ValueError:
            return refused(400, "There is no such action.")
        try:
            if asked.get("all") is True and action in SIGN_OUTS:
                return JSONResponse(await self._actions.sign_out_all(action))
            session = self._feed.session(str(asked.get("id")))
            if session is None:
                return refused(404, "There is no such session any more.")
            return JSONResponse(await self._actions.do(action, session))
        except AuthflowError as error:
            return JSONResponse({"error": problem(error)}, 409)

    async def _switch(self, request: Request) -> Response:
        asked = await _body(request)
        switch = self._switches.get(str(asked.get("name")))
        if switch is None or not self._allow_actions:
            return refused(404, "There is no such switch.")
        on = asked.get("on") is True
        await run_sync(switch.turn, on)
        self._turned[switch.name] = on
        return JSONResponse({"on": on})

    async def _depart(self, request: Request) -> Response:
        url = self._departures.take(request.path_params["name"])
        if url is None or request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return PlainTextResponse("This link was used already. Go back to the dashboard.", 410)
        return RedirectResponse(url, 303)


_MADE: Final = {"page.css": STYLE + LOOK, "replay.js": REPLAY}


def _seen(said: str, epoch: str) -> int:
    """The number in a `Last-Event-ID`; 0 when it is none of this process."""
    before, _, number = said.partition(".")
    return int(number) if before == epoch and number.isascii() and number.isdigit() and len(number) < 16 else 0


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent; an empty one for anything else."""
    received = b""
    async for piece in request.stream():
        received += piece
        if len(received) > MOST_BODY:
            return {}
    try:
        said = json.loads(received)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
