"""What one POST costs through `authflow.http`, and one request through `session.auth`, against bare httpx.

    python benchmarks/http_cost.py [--calls 1000] [--rounds 5]

A server process on loopback answers with a small token response. Each round runs every contestant once; the
table shows medians of CPU time in this process per call, and the ratio to the shared httpx client of the same
colour and concurrency. Only ratios of one run mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from authflow.auth import SessionAuth
from authflow.http import AsyncHttp, Http
from authflow.protocol.step import build_request
from authflow.records import Token

SERVER = r'''
import asyncio
BODY = b'{"access_token": "an-access-token", "token_type": "Bearer", "expires_in": 3600}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
class Answer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""
    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15:].split(b"\r\n")[0]) if at >= 0 else 0
            if len(self.data) < end + 4 + length:
                return
            self.data = self.data[end + 4 + length:]
            self.transport.write(HEAD + BODY)
async def main():
    server = await asyncio.get_running_loop().create_server(Answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
'''
FORM = {"grant_type": "refresh_token", "refresh_token": "a" * 60, "client_id": "client", "client_secret": "b" * 40}
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100)


class Session:
    allowed_origins = frozenset({"https://api.example"})
    present = Token("a" * 60)

    def token(self) -> Token:
        return self.present

    def renew_if_current(self, access_token: str) -> Token:
        return self.present


def contestants(url: str, calls: int) -> dict[str, dict[str, Callable[[], Any]]]:
    def httpx_sync(workers: int) -> None:
        with httpx.Client(limits=LIMITS) as client:
            spread(lambda: client.post(url, data=FORM).json(), workers)

    def ours_sync(workers: int, max_idle: int) -> None:
        http = Http(max_idle=max_idle)
        spread(lambda: http.send(build_request("POST", url, form=FORM)).json(), workers)
        http.close()

    def spread(call: Callable[[], Any], workers: int) -> None:
        def work() -> None:
            for _ in range(calls // workers):
                call()

        if workers == 1:
            return work()
        with ThreadPoolExecutor(workers) as pool:
            for done in [pool.submit(work) for _ in range(workers)]:
                done.result()
        return None

    async def httpx_async(workers: int) -> None:
        async with httpx.AsyncClient(limits=LIMITS) as client:

            async def work() -> None:
                for _ in range(calls // workers):
                    (await client.post(url, data=FORM)).json()

            await asyncio.gather(*[work() for _ in range(workers)])

    async def ours_async(workers: int, max_idle: int) -> None:
        http = AsyncHttp(max_idle=max_idle)

        async def work() -> None:
            for _ in range(calls // workers):
                (await http.send(build_request("POST", url, form=FORM))).json()

        await asyncio.gather(*[work() for _ in range(workers)])
        await http.aclose()

    return {
        "sync, 1 at a time": {
            "httpx.Client": lambda: httpx_sync(1),
            "authflow Http": lambda: ours_sync(1, 8),
        },
        "sync, 50 threads": {
            "httpx.Client": lambda: httpx_sync(50),
            "authflow Http": lambda: ours_sync(50, 8),
            "authflow Http(max_idle=50)": lambda: ours_sync(50, 50),
        },
        "async, 1 at a time": {
            "httpx.AsyncClient": lambda: asyncio.run(httpx_async(1)),
            "authflow AsyncHttp": lambda: asyncio.run(ours_async(1, 8)),
        },
        "async, 50 tasks": {
            "httpx.AsyncClient": lambda: asyncio.run(httpx_async(50)),
            "authflow AsyncHttp": lambda: asyncio.run(ours_async(50, 8)),
            "authflow AsyncHttp(max_idle=50)": lambda: asyncio.run(ours_async(50, 50)),
        },
    }


def auth_costs() -> dict[str, float]:
    """Least microseconds of one auth flow without a network: httpx's empty one, a one-header one, ours."""

    class OneHeader(httpx.Auth):
        def auth_flow(self, request: httpx.Request) -> Any:
            request.headers["Authorization"] = "Bearer " + "a" * 60
            yield request

    request = httpx.Request("GET", "https://api.example/user", headers={"accept": "*/*", "user-agent": "bench"})
    answer = httpx.Response(200)

    def drain(auth: httpx.Auth) -> None:
        flow = auth.sync_auth_flow(request)
        next(flow)
        try:
            flow.send(answer)
        except StopIteration:
            pass

    some = {"no auth": httpx.Auth(), "one header": OneHeader(), "session.auth": SessionAuth(Session())}
    return {
        name: min(timeit.repeat(lambda auth=auth: drain(auth), number=5000, repeat=15)) / 5000 * 1e6  # type: ignore[misc]
        for name, auth in some.items()
    }


def measure(some: dict[str, Callable[[], Any]], calls: int, rounds: int) -> dict[str, float]:
    """Median CPU microseconds per call of each, in interleaved rounds after one to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in some}
    for turn in range(rounds + 1):
        for name, run in some.items():
            before = time.process_time()
            run()
            if turn:
                taken[name].append((time.process_time() - before) / calls * 1e6)
    return {name: statistics.median(times) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    calls = max(50, options.calls // 50 * 50)

    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        port = server.stdout.readline().strip() if server.stdout else ""
        for title, some in contestants(f"http://127.0.0.1:{port}/token", calls).items():
            times = measure(some, calls, options.rounds)
            floor = next(iter(times.values()))
            print(f"\n{title}")
            for name, each in times.items():
                print(f"  {name:34} {each:8.0f} µs   ×{each / floor:.2f}")
    finally:
        server.terminate()
        server.wait()
        if server.stdout:
            server.stdout.close()

    costs = auth_costs()
    print("\nauth flow of one request, without a network")
    for name, each in costs.items():
        print(f"  {name:34} {each:8.2f} µs   {each - costs['no auth']:+.2f} µs")


if __name__ == "__main__":
    main()
