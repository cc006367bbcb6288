"""Never lose a session: many processes share one stored session whose refresh tokens rotate with reuse detection.

    python -m benchmarks.stampede [--store file|sqlite|redis|postgresql] [--processes 8] [--rounds 100]

Each round the token has expired in all processes at once (their clocks are turned), and all ask for a token.
The provider ends the login when a refresh token comes twice. Wanted: one token request a round, no error, the
session alive. Prints one line of JSON; the exit status is 1 when anything is not as wanted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from authflow import SessionManager, SystemClock
from authflow.providers import OpenIDConnect
from authflow.testing import DevProvider, ScriptedBrowser

from .durable import KINDS, open_store, place_of

KEY = bytes(range(32))  # a benchmark's key guards nothing
TURN = 3_700.0  # seconds: beyond the life of a token


class Turned(SystemClock):
    """This machine's clock, turned on by `shift` seconds."""

    shift = 0.0

    def time(self) -> float:
        return super().time() + self.shift

    def monotonic(self) -> float:
        return super().monotonic() + self.shift


def provider_at(issuer: str, secret: str) -> OpenIDConnect:
    return OpenIDConnect(
        issuer, "dev-app", secret, name="acme", rotation="strict", allow_insecure_loopback=True, api_origins=[issuer]
    )


def work(kind: str, place: str, issuer: str, secret: str) -> None:
    """One process: for each line on standard input turns the clock and asks for a token."""
    clock = Turned()
    with SessionManager(
        [provider_at(issuer, secret)], store=open_store(kind, place), clock=clock, sealing_key=KEY
    ) as manager:
        session = manager["acme"]
        print("ready", flush=True)
        for line in sys.stdin:
            clock.shift = float(line)
            try:
                token = session.token()
                print(json.dumps({"token": token.access_token[-12:]}), flush=True)
            except Exception as error:
                print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)


def stampede(kind: str, processes: int, rounds: int) -> dict[str, object]:
    """Runs it and returns the figures."""
    clock = Turned()
    provider = DevProvider(auto="ada", rotation="strict", clock=clock)
    with place_of(kind) as place, provider.serve() as dev:
        secret = dev.clients["dev-app"].client_secret or ""
        dev.settings(name="acme")
        with SessionManager(
            [provider_at(dev.issuer, secret)], store=open_store(kind, place), sealing_key=KEY
        ) as manager, ScriptedBrowser() as browser:
            manager.login("acme", open_url=browser)
        command = [sys.executable, "-m", "benchmarks.stampede", "--worker", kind, place, dev.issuer, secret]
        root = Path(__file__).resolve().parents[1]
        workers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
            for _ in range(processes)
        ]
        errors: list[str] = []
        differing = 0
        try:
            for worker in workers:
                if worker.stdout is None or worker.stdout.readline() != "ready\n":
                    raise RuntimeError("a worker did not start")
            began = time.perf_counter()
            for number in range(1, rounds + 1):
                clock.shift = number * TURN
                for worker in workers:
                    if worker.stdin is not None:
                        worker.stdin.write(f"{number * TURN}\n")
                        worker.stdin.flush()
                answers = [json.loads(worker.stdout.readline()) for worker in workers if worker.stdout is not None]
                errors += [answer["error"] for answer in answers if "error" in answer]
                differing += len({answer.get("token") for answer in answers}) != 1
            seconds = time.perf_counter() - began
        finally:
            for worker in workers:
                if worker.stdin is not None:
                    worker.stdin.close()
                worker.wait(20)
        requests = len(dev.token_requests("refresh_token"))
        return {
            "store": kind,
            "processes": processes,
            "rounds": rounds,
            "token_requests": requests,
            "caller_errors": len(errors),
            "first_error": errors[0] if errors else None,
            "rounds_with_differing_tokens": differing,
            "seconds_per_round": round(seconds / rounds, 4),
            "as_wanted": requests == rounds and not errors and not differing,
        }


def main() -> int:
    if sys.argv[1:2] == ["--worker"]:  # not by argparse: a secret may begin with a dash
        work(*sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=KINDS, default="file")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=100)
    asked = parser.parse_args()
    figures = stampede(asked.store, asked.processes, asked.rounds)
    print(json.dumps(figures))
    return 0 if figures["as_wanted"] else 1


if __name__ == "__main__":
    sys.exit(main())
