"""`auth.py` with real servers and the real clients of httpx and httpx2."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from authflow.auth import Bearer, SessionAuth
from authflow.errors import InvalidCall, OriginNotAllowed, SignInRequired
from authflow.records import Token
from tests.http.conftest import clean_environment, serve
from tests.http.support import Server, plain

__all__ = ["clean_environment", "serve"]

try:
    import httpx2
except ImportError:
    libraries: list[Any] = [httpx]
else:
    libraries = [httpx, httpx2]


class Session:
    """A sync session as `SessionAuth` sees one; its second token is `new`."""

    def __init__(self, *origins: str, renews: bool = True) -> None:
        self.allowed_origins = frozenset(origins)
        self.present = "old"
        self.renews = renews
        self.renewed: list[str] = []
        self.threads: set[int] = set()

    def token(self) -> Token:
        self.threads.add(threading.get_ident())
        return Token(self.present)

    def renew_if_current(self, access_token: str) -> Token:
        self.threads.add(threading.get_ident())
        self.renewed.append(access_token)
        if self.renews and access_token == self.present:
            self.present = "new"
        return Token(self.present)


class AsyncSession(Session):
    async def token(self) -> Token:  # type: ignore[override]
        return super().token()

    async def renew_if_current(self, access_token: str) -> Token:  # type: ignore[override]
        return super().renew_if_current(access_token)


def demanding(token: str) -> Callable[[socket.socket, bytes, int], bool]:
    """An API that wants `token`, and answers with what it got."""

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        got = authorization(request)
        connection.sendall(plain(got.encode(), "200 OK" if got == f"Bearer {token}" else "401 Unauthorized"))
        return True

    return behave


def authorization(request: bytes) -> str:
    for line in request.split(b"\r\n\r\n")[0].split(b"\r\n"):
        if line.lower().startswith(b"authorization:"):
            return line.split(b":", 1)[1].strip().decode()
    return ""


def redirecting(to: str, status: str = "302 Found") -> Callable[[socket.socket, bytes, int], bool]:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain(b"", status, f"Location: {to}\r\n"))
        return True

    return behave


@pytest.fixture(params=[f"{lib.__name__}-{colour}" for lib in libraries for colour in ("sync", "async", "mixed")])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """`call(session, method, url, …)` by each library: sync, async, and a sync session in an async client."""
    name, colour = request.param.split("-")
    library = next(lib for lib in libraries if lib.__name__ == name)

    def by_sync(session: Session, method: str, url: str, **kw: Any) -> Any:
        follow = kw.pop("follow_redirects", False)
        with library.Client(auth=SessionAuth(session), trust_env=False, follow_redirects=follow) as client:
            return client.request(method, url, **kw)

    def by_async(session: Session, method: str, url: str, **kw: Any) -> Any:
        async def run() -> Any:
            async with library.AsyncClient(auth=SessionAuth(session), trust_env=False, **client_kw) as client:
                return await client.request(method, url, **kw)

        client_kw = {"follow_redirects": kw.pop("follow_redirects", False)}
        return asyncio.run(run())

    run = by_sync if colour == "sync" else by_async
    run.session = AsyncSession if colour == "async" else Session  # type: ignore[attr-defined]
    run.colour = colour  # type: ignore[attr-defined]
    return run


def test_an_allowed_origin_gets_the_token(call: Any, serve: Callable[..., Server]) -> None:
    server = serve(demanding("old"))
    response = call(call.session(server.url), "GET", server.url + "/user")
    assert response.text == "Bearer old"


def test_a_sync_session_in_an_async_client_is_asked_on_a_thread(call: Any, serve: Callable[..., Server]) -> None:
    server = serve(demanding("new"))
    session = call.session(server.url)
    call(session, "GET", server.url)
    assert (threading.get_ident() in session.threads) == (call.colour != "mixed")


def test_the_origin_is_compared_after_normalisation(call: Any, serve: Callable[..., Server]) -> None:
    server = serve(demanding("old"))
    session = call.session(f"HTTP://LocalHost:{server.port}/")
    assert call(session, "GET", f"http://LOCALHOST:{server.port}/").status_code == 200


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.evil.example/",
        "https://evil.example/?https://api.example",
        "https://api.example:8443/",
        "http://api.example/",
        "https://api.example@evil.example/",
        "https://api.example./",
        "https://sub.api.example/",
    ],
)
def test_another_origin_is_refused_before_anything_is_sent(call: Any, url: str) -> None:
    session = call.session("https://api.example")
    with pytest.raises(OriginNotAllowed) as caught:
        call(session, "GET", url)
    assert not session.threads
    assert "api_origins=" in caught.value.hint or "https://" in caught.value.hint


def test_the_refusal_names_the_remedy(call: Any) -> None:
    with pytest.raises(OriginNotAllowed) as caught:
        call(call.session(), "GET", "https://user:secret@API.Example:8443/path?token=secret")
    assert caught.value.hint.endswith('api_origins=["https://api.example:8443"].')
    assert "secret" not in str(caught.value)


def test_plain_http_beyond_this_machine_is_refused_though_it_is_listed(call: Any) -> None:
    with pytest.raises(OriginNotAllowed, match="in clear"):
        call(call.session("http://api.example"), "GET", "http://api.example/")


def test_a_401_renews_the_token_and_repeats_the_request_once(call: Any, serve: Callable[..., Server]) -> None:
    server = serve(demanding("new"))
    session = call.session(server.url)
    response = call(session, "POST", server.url, content=b"payload")
    assert response.status_code == 200
    assert session.renewed == ["old"]
    assert [authorization(one) for one in server.requests] == ["Bearer old", "Bearer new"]
    assert all(one.endswith(b"payload") for one in server.requests)


def test_a_second_401_is_the_answer(call: Any, serve: Callable[..., Server]) -> None:
    server = serve(demanding("never"))
    session = call.session(server.url)
    assert call(session, "GET", server.url).status_code == 401
    assert session.renewed == ["old"]
    assert len(server.requests) == 2


def test_a_token_that_cannot_be_renewed_is_not_sent_again(call: Any, serve: Callable[..., Server]) -> None:
    server = serve(demanding("new"))
    session = call.session(server.url, renews=False)
    assert call(session, "GET", server.url).status_code == 401
    assert len(server.requests) == 1


def test_a_token_that_was_replaced_meanwhile_is_taken_without_renewal(
    call: Any, serve: Callable[..., Server]
) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        session.present = "someone else's"
        return demanding("someone else's")(connection, request, count)

    server = serve(behave)
    session = call.session(server.url)
    assert call(session, "GET", server.url).status_code == 200
    assert session.present == "someone else's"


def test_another_error_status_renews_nothing(call: Any, serve: Callable[..., Server]) -> None:
    def forbid(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain(b"", "403 Forbidden"))
        return True

    server = serve(forbid)
    session = call.session(server.url)
    assert call(session, "GET", server.url).status_code == 403
    assert session.renewed == []


def test_a_streamed_body_is_not_sent_twice(call: Any, serve: Callable[..., Server]) -> None:
    async def parts_async() -> AsyncIterator[bytes]:
        yield b"part"

    server = serve(demanding("new"))
    session = call.session(server.url)
    content = iter([b"part"]) if call.colour == "sync" else parts_async()
    response = call(session, "POST", server.url, content=content, headers={"content-length": "4"})
    assert response.status_code == 401
    assert session.renewed == []
    assert len(server.requests) == 1


def test_an_error_of_the_renewal_comes_through(call: Any, serve: Callable[..., Server]) -> None:
    server = serve(demanding("new"))

    class Ended(call.session):  # type: ignore[misc]
        def __getattribute__(self, name: str) -> Any:
            if name == "renew_if_current" and self.threads:
                raise SignInRequired("The session was revoked.")
            return super().__getattribute__(name)

    with pytest.raises(SignInRequired):
        call(Ended(server.url), "GET", server.url)


def test_a_redirect_to_another_origin_carries_no_token(call: Any, serve: Callable[..., Server]) -> None:
    foreign = serve(demanding("old"))
    server = serve(redirecting(foreign.url + "/file"))
    session = call.session(server.url)
    response = call(session, "GET", server.url, follow_redirects=True)
    assert response.status_code == 401
    assert [authorization(one) for one in foreign.requests] == [""]
    assert session.renewed == []
    assert len(server.requests) == 1


def test_a_redirect_within_the_origin_keeps_the_token_and_its_401_renews(
    call: Any, serve: Callable[..., Server]
) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if b" /first " in request:
            return redirecting("/second", "307 Temporary Redirect")(connection, request, count)
        return demanding("new")(connection, request, count)

    server = serve(behave)
    session = call.session(server.url)
    assert call(session, "POST", server.url + "/first", content=b"x", follow_redirects=True).status_code == 200
    assert [authorization(one) for one in server.requests] == ["Bearer old"] * 2 + ["Bearer new"] * 2


def test_a_caller_who_follows_a_redirect_by_hand_is_refused_elsewhere(serve: Callable[..., Server]) -> None:
    foreign = serve(demanding("old"))
    server = serve(redirecting(foreign.url))
    with httpx.Client(auth=SessionAuth(Session(server.url)), trust_env=False) as client:
        response = client.get(server.url)
        assert response.next_request is not None
        with pytest.raises(OriginNotAllowed):
            client.send(response.next_request)
    assert foreign.connections == 0


class Bound(Session):
    """A session whose token is bound to a key."""

    def token(self) -> Token:
        return Token("old", token_type="DPoP")

    def prove(self, method: str, url: str, access_token: str) -> str:
        return f"proof-for-{method}"

    def learn_nonce(self, url: str, headers: object) -> bool:
        return False


@pytest.mark.parametrize("library", libraries, ids=lambda lib: lib.__name__)
def test_a_caller_who_follows_a_redirect_by_hand_takes_no_proof_along(
    library: Any, serve: Callable[..., Server]
) -> None:
    foreign = serve(demanding("old"))
    server = serve(redirecting(foreign.url))
    with library.Client(trust_env=False) as client:
        response = client.get(server.url, auth=SessionAuth(Bound(server.url)))
        assert response.request.headers["DPoP"] == "proof-for-GET"
        assert client.send(response.next_request).status_code == 401
    assert b"proof-for" in server.requests[0]
    assert b"proof-for" not in foreign.requests[0]


def test_origins_that_change_are_seen(serve: Callable[..., Server]) -> None:
    server = serve(demanding("old"))
    session = Session()
    auth = SessionAuth(session)
    with pytest.raises(OriginNotAllowed):
        httpx.get(server.url, auth=auth)
    session.allowed_origins = frozenset({server.url})
    assert httpx.get(server.url, auth=auth).status_code == 200


def test_an_origin_that_is_no_url_allows_nothing() -> None:
    with pytest.raises(OriginNotAllowed):
        httpx.get("https://api.example", auth=SessionAuth(Session("https://[broken", "", "https://other.example")))


@pytest.mark.parametrize("library", libraries, ids=lambda lib: lib.__name__)
def test_an_async_session_in_a_sync_client_says_what_to_do(library: Any) -> None:
    with pytest.raises(InvalidCall, match="AsyncClient"):
        library.get("https://api.example", auth=SessionAuth(AsyncSession("https://api.example")))


@pytest.mark.parametrize("library", libraries, ids=lambda lib: lib.__name__)
def test_it_is_the_auth_of_either_library(library: Any) -> None:
    auth = SessionAuth(Session())
    assert isinstance(auth, SessionAuth)
    assert isinstance(auth, library.Auth)


def test_repr_shows_where_it_goes_and_no_token() -> None:
    assert repr(SessionAuth(Session("https://api.example"))) == "SessionAuth(for https://api.example)"
    assert repr(SessionAuth(Session())) == "SessionAuth(for no origin)"


def test_both_kinds_of_session_are_bearers() -> None:
    bearers: list[Bearer] = [Session(), AsyncSession()]
    assert len(bearers) == 2
