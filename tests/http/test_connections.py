"""Broken and stale connections."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from authflow import errors, http
from authflow.http import AsyncHttp, Http
from authflow.protocol.step import build_request

from .support import Driven, Server, Steps, answering, assert_no_secret, plain, post


@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nCont"],
)
def test_a_broken_answer_is_a_wire_error(wire: Driven, serve: Callable[..., Server], data: bytes) -> None:
    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(data)
        return False

    server = serve(behave)
    with pytest.raises(errors.WireError) as caught:
        wire.post(server.url)
    assert caught.value.sent is errors.Sent.UNKNOWN
    assert len(server.requests) == 1
    assert_no_secret(caught.value)


def test_a_connection_that_the_server_closed_is_not_used_for_a_post(
    wire: Driven, serve: Callable[..., Server]
) -> None:
    closed = threading.Semaphore(0)

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain())
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()
        return False

    server = serve(behave)
    for _ in range(3):
        wire.post(server.url)
        assert closed.acquire(timeout=5)
    assert len(server.requests) == server.connections == 3


def test_bytes_that_nobody_asked_for_are_not_taken_for_an_answer(wire: Driven, serve: Callable[..., Server]) -> None:
    told = threading.Semaphore(0)

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain())
        wait_for_client.acquire(timeout=5)
        connection.sendall(plain(b'{"access_token": "someone else"}'))
        told.release()
        return True

    wait_for_client = threading.Semaphore(0)
    server = serve(behave)
    for _ in range(2):
        assert wire.get(server.url).json() == {"access_token": "t"}
        wait_for_client.release()
        assert told.acquire(timeout=5)
    assert server.connections == 2


def closing_late(reset: bool) -> Callable[..., Any]:
    """Answers the first request of a connection, reads the second, and closes."""

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if count:
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        connection.sendall(plain())
        return True

    return behave


@pytest.mark.parametrize("reset", [False, True])
def test_a_get_cut_off_on_a_kept_connection_is_sent_once_more(
    wire: Driven, serve: Callable[..., Server], reset: bool
) -> None:
    server = serve(closing_late(reset))
    wire.get(server.url)
    assert wire.get(server.url).status_code == 200
    assert (len(server.requests), server.connections) == (3, 2)


@pytest.mark.parametrize("reset", [False, True])
def test_a_post_cut_off_on_a_kept_connection_is_never_sent_again(
    wire: Driven, serve: Callable[..., Server], reset: bool
) -> None:
    server = serve(closing_late(reset))
    wire.get(server.url)
    with pytest.raises(errors.WireError) as caught:
        wire.post(server.url)
    assert caught.value.sent is errors.Sent.UNKNOWN
    assert (len(server.requests), server.connections) == (2, 1)


def test_a_get_on_a_fresh_connection_is_not_repeated(wire: Driven, serve: Callable[..., Server]) -> None:
    server = serve(lambda *_: False)
    with pytest.raises(errors.WireError):
        wire.get(server.url)
    assert len(server.requests) == 1


def test_a_connection_that_rested_too_long_is_not_used(
    drive: Callable[..., Driven], serve: Callable[..., Server]
) -> None:
    clock = Steps()
    server = serve(answering(plain()))
    wire = drive(clock=clock)
    wire.get(server.url)
    clock.at += http.POST_IDLE_SECONDS + 1
    wire.get(server.url)
    assert server.connections == 1
    clock.at += http.POST_IDLE_SECONDS + 1
    wire.post(server.url)
    assert server.connections == 2
    clock.at += http.IDLE_SECONDS + 1
    wire.get(server.url)
    assert server.connections == 3


def test_no_more_than_max_idle_connections_are_kept(serve: Callable[..., Server]) -> None:
    barrier = threading.Barrier(6)

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if b"/together" in request:
            barrier.wait(5)
        connection.sendall(plain())
        return True

    server = serve(behave)
    wire = Http(max_idle=2)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda _: wire.send(build_request("GET", server.url + "/together")), range(6)))
    assert server.connections == 6
    assert len(wire._lines._stack) == 2
    wire.close()
    assert not wire._lines._stack


def test_fifty_threads_share_one_http(serve: Callable[..., Server]) -> None:
    def echo(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain(request.split(b" ")[1]))
        return True

    server = serve(echo)
    wire = Http(max_idle=50)
    with ThreadPoolExecutor(50) as pool:
        paths = [f"/{n}" for n in range(400)]
        answers = list(pool.map(lambda path: wire.send(post(server.url + path)).text, paths))
    wire.close()
    assert answers == paths
    assert server.connections <= 50


async def test_fifty_tasks_share_one_http(serve: Callable[..., Server]) -> None:
    def echo(connection: socket.socket, request: bytes, count: int) -> bool:
        connection.sendall(plain(request.split(b" ")[1]))
        return True

    server = serve(echo)
    wire = AsyncHttp(max_idle=50)

    async def work(first: int) -> list[str]:
        return [(await wire.send(post(f"{server.url}/{n}"))).text for n in range(first, first + 8)]

    answers = await asyncio.gather(*[work(8 * n) for n in range(50)])
    await wire.aclose()
    assert [one for some in answers for one in some] == [f"/{n}" for n in range(400)]
    assert server.connections <= 50


async def test_a_cancelled_call_leaves_no_broken_connection_behind(serve: Callable[..., Server]) -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def behave(connection: socket.socket, request: bytes, count: int) -> bool:
        if b"/slow" in request:
            loop.call_soon_threadsafe(arrived.set)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf an answer")
            return bool(connection.recv(1))
        connection.sendall(plain())
        return True

    server = serve(behave)
    wire = AsyncHttp()
    await wire.send(build_request("GET", server.url))
    for _ in range(3):
        arrived.clear()
        task = asyncio.create_task(wire.send(build_request("GET", server.url + "/slow")))
        await arrived.wait()
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not wire._lines._stack
        assert (await wire.send(post(server.url))).status_code == 200
    await wire.aclose()


async def test_a_call_cancelled_while_it_connects_ends_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wire = AsyncHttp()
        task = asyncio.create_task(wire.send(build_request("GET", f"https://127.0.0.1:{silent.getsockname()[1]}/")))
        connection, _ = await asyncio.to_thread(silent.accept)
        task.cancel()
        with connection, pytest.raises(asyncio.CancelledError):
            await task
        await wire.aclose()


def test_an_interrupted_call_leaves_no_connection_behind(serve: Callable[..., Server]) -> None:
    class Interrupt:
        armed = False

        def monotonic(self) -> float:
            if self.armed and len(server.requests) > 1:
                raise KeyboardInterrupt
            return time.monotonic()

    server = serve(answering(plain()))
    clock = Interrupt()
    wire = Http(clock=clock)
    wire.send(build_request("GET", server.url))
    clock.armed = True
    with pytest.raises(KeyboardInterrupt):
        for _ in range(3):
            wire.send(build_request("GET", server.url))
    clock.armed = False
    assert not wire._lines._stack
    wire.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_begins_with_no_connection(serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    wire = Http()
    wire.send(build_request("GET", server.url))
    pid = os.fork()
    if pid == 0:
        try:
            ok = wire.send(build_request("GET", server.url)).status_code == 200
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    assert server.connections == 2
    wire.send(build_request("GET", server.url))
    assert server.connections == 2
    wire.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_another_event_loop_begins_with_no_connection(serve: Callable[..., Server]) -> None:
    server = serve(answering(plain()))
    wire = AsyncHttp()

    async def twice() -> None:
        await wire.send(build_request("GET", server.url))
        await wire.send(build_request("GET", server.url))

    asyncio.run(twice())
    asyncio.run(twice())
    asyncio.run(wire.aclose())
    assert server.connections == 2
    gc.collect()  # the sockets that were left to their closed loops
