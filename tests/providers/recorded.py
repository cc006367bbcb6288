"""A provider that answers as recorded: a real HTTP server on loopback, one function per method and path.

    with RecordedProvider() as idp:
        idp.on("GET", "/user", lambda call: json_answer({"id": 583231}))

`run` drives a flow against it, with httpx as the wire. `login` is a whole code exchange.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import RSAKey

from authflow import flows
from authflow.protocol.expected import Expected
from authflow.protocol.step import Flow, Fresh
from authflow.providers import Provider
from authflow.records import Token
from tests.protocol.issuer import MOMENT

NOW = 1_790_000_000.0
VERIFIER = "v" * 43
NONCE = "nonce-of-this-attempt"
KEY = RSAKey.generate_key(2048, {"kid": "recorded", "use": "sig", "alg": "RS256"})


@dataclass
class Call:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


Recorded = Callable[[Call], Answer]


def json_answer(data: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(data).encode(), {"content-type": "application/json", **named})


class RecordedProvider:
    """The server. `calls` is what it was asked, in order; `origin` is where it listens."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Recorded] = {}
        self.calls: list[Call] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> RecordedProvider:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def on(self, method: str, path: str, answer: Recorded | Answer) -> None:
        self.answers[method, path] = answer if callable(answer) else lambda _: answer

    def asked(self, path: str) -> list[Call]:
        return [call for call in self.calls if call.path == path]

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        found = self.answers.get((call.method, call.path))
        return found(call) if found else json_answer({"message": "Not Found"}, 404)

    def publish(self, issuer_path: str = "", **more: Any) -> None:
        """An OpenID provider's discovery document and keys."""
        document = {
            "issuer": self.origin + issuer_path,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "userinfo_endpoint": f"{self.origin}/userinfo",
            "jwks_uri": f"{self.origin}/keys",
            "id_token_signing_alg_values_supported": ["RS256"],
            **more,
        }
        path = issuer_path.removesuffix("/") + "/.well-known/openid-configuration"
        self.on("GET", path, json_answer({name: one for name, one in document.items() if one is not None}))
        self.on("GET", "/keys", json_answer({"keys": [KEY.as_dict(private=False)]}))


def _handler(idp: RecordedProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            parts = urlsplit(self.path)
            call = Call(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query, keep_blank_values=True)),
                {name.lower(): value for name, value in self.headers.items()},
                self.rfile.read(int(self.headers.get("content-length") or 0)),
            )
            answer = idp.answer(call)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            return

    return Handler


def sign(claims: Mapping[str, Any]) -> str:
    """An ID token, valid around `NOW`, signed with the published key."""
    times = {"iat": int(NOW), "exp": int(NOW) + 3600}
    return jwt.encode({"alg": "RS256", "kid": "recorded"}, {**times, **claims}, KEY)


def run(flow: Flow[Any]) -> Any:
    """Drives a flow over a real connection and returns its outcome."""
    with httpx.Client(trust_env=False, follow_redirects=False, timeout=5) as client:
        try:
            step = next(flow)
            while True:
                step = flow.send(MOMENT if isinstance(step, Fresh) else client.send(step))
        except StopIteration as finished:
            return finished.value


def login(provider: Provider, *, scope: tuple[str, ...] | None = None, **options: Any) -> Any:
    """Discovery and the exchange of a code: `Granted`. Raises the cause when a check failed."""
    directory = flows.Directory()
    metadata = run(flows.discover(provider, directory, NOW))
    asked = {
        "code": "the-code",
        "redirect_uri": "http://127.0.0.1:4000" + provider.callback_path,
        "code_verifier": VERIFIER,
        "expected": Expected(nonce=NONCE if provider.openid else None),
        "scope": provider.requested_scopes() if scope is None else scope,
        "now": NOW,
        **options,
    }
    try:
        return run(flows.exchange(provider, metadata, directory, **asked))
    except flows.TokensRefused as refused:
        raise refused.cause from None


def renew(provider: Provider, token: Token, claims: Mapping[str, Any] | None = None) -> Any:
    """A refresh: `Granted`."""
    directory = flows.Directory()
    metadata = run(flows.discover(provider, directory, NOW))
    return run(
        flows.refresh(provider, metadata, directory, token=token, claims=claims, scope=token.scope, now=NOW)
    )
