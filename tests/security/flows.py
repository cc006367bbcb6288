"""What the tests of traces stand on: flows acted out against a provider that knows every secret it ever issued or
received, and all that was recorded of them given to a canary, in every form.

`over_tls` is a provider that people reach by https, and clients at a second port, which takes nobody without the
certificate that it knows (RFC 8705 §5).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from authflow.errors import AuthflowError, LoginFailed
from authflow.testing import DevProvider
from authflow.testing.served import Served
from authflow.trace.story import Trace
from tests.certificates import make_pair
from tests.session.support import World, go

from .canary import Canary, NotingStore, pieces_of

CALLBACK = "https://app.example/callback"


class Flows:
    """A manager of one colour, its canary, and what is done with it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.canary = Canary()
        self.canary.watch(lambda: world.provider.secrets)
        self.canary.note(*(one.client_secret for one in world.provider.clients.values()))
        self.store: Any = NotingStore(self.canary)
        self.manager: Any = None

    def session(self, provider: Any = None, *, http: Any = None, trace: Any = "all", **settings: Any) -> Any:
        """The one session of a new manager, for `provider` or with these settings of the world's own."""
        made = self.world.settings(**settings) if provider is None else provider
        self.manager = self.world.manager(made, store=self.store, trace=trace, http=http)
        return self.manager["acme"]

    async def sign_in(self, session: Any, **arguments: Any) -> None:
        request = await go(session.begin(redirect_uri=CALLBACK, **arguments))
        self.canary.note(request.state, request.binding)
        await go(session.complete(self.world.walk(request.url), binding=request.binding))

    async def fails(self, act: Callable[[], Any]) -> None:
        """`error.trace` of what fails is searched as well."""
        with pytest.raises(AuthflowError) as caught:
            await go(act())
        self.explained(caught.value)

    def explained(self, error: AuthflowError) -> None:
        """A failed login says cause and remedy in one line, and has its trace; no secret is in it."""
        if isinstance(error, LoginFailed):
            assert error.trace is not None
            assert error.hint
            assert str(error).endswith(error.hint)
            assert "\n" not in str(error)
        self.search(error.trace)

    def search(self, trace: Trace | None) -> None:
        if trace is not None:
            self.canary.trace("the trace", trace)

    def end(self, *kinds: str) -> Trace:
        """No secret got out; and there was something to search, for something. Gives what was searched."""
        trace = self.manager.trace
        self.search(trace)
        assert trace is not None
        assert set(kinds) <= {story.kind for story in trace.stories}
        assert len(pieces_of(self.canary.secrets)) > 100
        assert self.canary.leaks() == []
        return trace


class _Door:
    """A way to the provider at another port: it counts who comes, and says the name that the provider goes by."""

    def __init__(self) -> None:
        self.provider: DevProvider | None = None
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.provider is None:
            raise RuntimeError("there is no provider behind this door yet")
        self.asked.append(scope["path"])
        name = self.provider.url.partition("://")[2].encode()
        headers = [(key, name if key == b"host" else value) for key, value in scope["headers"]]
        await self.provider.app({**scope, "headers": headers}, receive, send)


class _ServedByTLS(Served):
    def __init__(self, app: ASGIApp, **settings: Any) -> None:
        super().__init__(app)
        self.url = self.url.replace("http:", "https:", 1)
        for name, value in settings.items():
            setattr(self._server.config, name, value)


class WorldOverTLS(World):
    """A world whose people close their browser: a server cannot end well while a TLS connection is open."""

    def walk(self, url: str, user: str = "ada") -> str:
        self.provider.auto = user
        with httpx.Client(verify=False, trust_env=False) as browser:
            return str(browser.get(url).headers["location"])


class OverTLS:
    """`provider`; `client`, the certificate that it knows; `asked`, the paths that were asked for with it."""

    def __init__(self, provider: DevProvider, client: Any, asked: list[str]) -> None:
        self.provider = provider
        self.client = client
        self.asked = asked


@contextmanager
def over_tls(folder: Path, **settings: Any) -> Iterator[OverTLS]:
    """A provider over TLS; its own certificate is `folder`'s `127.0.0.1.crt`."""
    own, client = make_pair(folder, "127.0.0.1"), make_pair(folder, "client")
    shown = {"ssl_certfile": str(own.certfile), "ssl_keyfile": str(own.keyfile)}
    asking = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": str(client.certfile)}
    front, back = _Door(), _Door()
    with ExitStack() as running:
        served = [_ServedByTLS(front, **shown), _ServedByTLS(back, **shown, **asking)]
        provider = DevProvider(issuer=served[0].url, **settings)
        front.provider = back.provider = provider
        provider.tamper["metadata"] = lambda told: {
            **told,
            "mtls_endpoint_aliases": {
                name: url.replace(served[0].url, served[1].url)
                for name, url in told.items()
                if name.endswith("_endpoint")
            },
        }
        for one in served:
            one.start()
            running.callback(one.stop)
        yield OverTLS(provider, client, back.asked)
