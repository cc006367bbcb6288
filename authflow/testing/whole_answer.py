"""A whole HTTP answer of the development provider, for lies that JSON cannot tell: another status, other headers, a
body of any bytes, as slow and as long as it likes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from starlette.types import Message, Send


class Answer(NamedTuple):
    """What is sent. A body in parts is sent part by part, `pause` real seconds before each."""

    status: int
    headers: Mapping[str, str]
    body: bytes | Iterable[bytes]
    pause: float = 0.0


def read_answer(messages: Iterable[Message]) -> Answer:
    """The answer that an ASGI application gave; of a header that came twice, the last."""
    status, headers, body = 500, {}, b""
    for message in messages:
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        else:
            body += message.get("body", b"")
    return Answer(status, headers, body)


async def send_answer(send: Send, answer: Answer, wait: Callable[[float], Awaitable[None]]) -> None:
    """Sends it. `content-length` is made anew, so that a changed body is a whole one."""
    headers = {name.lower(): value for name, value in answer.headers.items() if name.lower() != "content-length"}
    whole = isinstance(answer.body, bytes)
    if whole:
        headers["content-length"] = str(len(answer.body))  # type: ignore[arg-type]
    listed = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": listed})
    parts: Iterable[bytes] = (answer.body,) if isinstance(answer.body, bytes) else answer.body
    for part in parts:
        await wait(answer.pause)
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
