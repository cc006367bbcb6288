"""The only network I/O of the library: one request out, one whole response back, within its limits.

Rule 1: a call has one deadline. Every connect, handshake, read and write gets what is left of it, so a peer
        that drips bytes gains nothing. (httpx's timeouts are per read.)
Rule 2: no redirect is followed, no cookie kept, no `.netrc` read, no certificate left unverified.
Rule 3: no error leaves here with the request, its body or its headers in it or behind it.
Rule 4: asyncio is imported where a loop runs, and by no file's head: it costs a sync program more than all of
        this package.

    sync.py  asynchronous.py                   `Http` and `AsyncHttp`, the two shells
    shared.py                                  what the two have in common
    lines.py                                   connections, the one used last on top
    proxies.py                                 through which proxy one leads
    sync_backend.py  async_backend.py          the sockets below
    call.py                                    what is left of the present call
    answer.py                                  a response as it streams in, never past its cap
    addresses.py                               which addresses may be connected to
    tls.py                                     one verifying context per process
    faults.py                                  what httpx, httpcore and the system raise, as our errors

What this package does not know: OAuth, sessions, retries with a pause. Limits come with the request
(`protocol.step.Limits`), and so does `extensions["authflow.private"] = False`, which refuses to connect to
private addresses.
"""

from __future__ import annotations

from .addresses import PRIVATE, is_private
from .answer import SECONDS
from .asynchronous import AsyncHttp
from .lines import IDLE_SECONDS, POST_IDLE_SECONDS
from .shared import Monotonic
from .sync import Http
from .tls import warm_tls

__all__ = [
    "IDLE_SECONDS",
    "POST_IDLE_SECONDS",
    "PRIVATE",
    "SECONDS",
    "AsyncHttp",
    "Http",
    "Monotonic",
    "is_private",
    "warm_tls",
]
