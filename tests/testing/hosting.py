"""`hosted()`: what an application serves on this machine, by path, for somebody else to fetch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.responses import Response

from authflow.testing.served import Served

JAR = "application/oauth-authz-req+jwt"


class Host:
    """A server on loopback. `put` what is served at a path; `asked` has the paths that were asked for."""

    def __init__(self) -> None:
        self._answers: dict[str, Response] = {}
        self.asked: list[str] = []
        self.served = Served(self)

    def url(self, path: str = "/") -> str:
        return self.served.url + path

    def put(self, path: str, answer: str | bytes | Response) -> str:
        """Serves it from now on; gives its URL. Text and bytes are a request object."""
        self._answers[path] = answer if isinstance(answer, Response) else Response(answer, media_type=JAR)
        return self.url(path)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked.append(scope["path"])
        answer = self._answers.get(scope["path"]) or Response(status_code=404)
        await answer(scope, receive, send)


@contextmanager
def hosted() -> Iterator[Host]:
    host = Host()
    host.served.start()
    try:
        yield host
    finally:
        host.served.stop()
