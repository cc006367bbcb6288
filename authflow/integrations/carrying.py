"""A session's token on the requests of clients other than httpx: what their requests and answers are to `session.auth`.

All decisions (which origin, when to renew, when to repeat, which proof) are those of `SessionAuth`. It is driven with
a *likeness* of the foreign request, an `httpx.Request` that is never sent: what it writes there is copied onto the real
one, and the real answer is told back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import httpx

from .. import AsyncSession, Session
from ..auth import SessionAuth
from ..sources import AsyncTokenSource, TokenSource

Carried: TypeAlias = Session | AsyncSession | TokenSource | AsyncTokenSource | SessionAuth

WRITTEN = ("Authorization", "DPoP")  # what `SessionAuth` writes on a request


def auth_of(carried: Carried) -> SessionAuth:
    """The auth of a session or token source; what `auth_for()` gave stays what it is."""
    return carried if isinstance(carried, SessionAuth) else carried.auth


def likeness(method: str, url: str, *, repeatable: bool) -> httpx.Request:
    """Of a foreign request. `repeatable`: its body can be sent again."""
    return httpx.Request(method, url, content=b"" if repeatable else _used_up())


def told(
    status: int, headers: Iterable[tuple[str, str]], method: str, url: str, sent: Mapping[str, str]
) -> httpx.Response:
    """A foreign answer. `sent`: the headers of the request that it answers, which after a redirect is another one."""
    written = {name: sent[name] for name in WRITTEN if name in sent}
    return httpx.Response(status, headers=list(headers), request=httpx.Request(method, url, headers=written))


def _used_up() -> Iterator[bytes]:
    yield b""
