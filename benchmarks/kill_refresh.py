"""Never lose a session: the process that renews a stored session is killed (-9) at random moments.

    python -m benchmarks.kill_refresh [--store file|sqlite|redis|postgresql] [--rotation strict|grace] [--kills 200]

A warm parent forks a process that renews again and again; it is killed; the next one goes on from the store.
Wanted: every record can be read; a provider that answers reuse by ending the login never sees a token twice
(`rotation=strict`: a session whose token may be spent ends by the name `maybe_spent`); with a provider that
forgives (`rotation=grace`) every session survives. Prints one line of JSON; exit status 1 when not as wanted.
POSIX only: it forks.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from authflow import SessionManager, SignInRequired
from authflow.providers import OpenIDConnect
from authflow.testing import DevProvider, ScriptedBrowser

from .durable import KINDS, open_store, place_of
from .stampede import KEY, TURN, Turned

FOREVER = 1e9
AT_WORK = b"!"


def provider_at(issuer: str, secret: str, rotation: Any) -> OpenIDConnect:
    return OpenIDConnect(
        issuer, "dev-app", secret, name="acme", rotation=rotation, allow_insecure_loopback=True, api_origins=[issuer]
    )


def nursery(kind: str, place: str, issuer: str, secret: str, rotation: str) -> None:
    """A process without threads that has everything imported. For each line it forks a child:
    `run SHIFT` renews until it is killed, `look SHIFT` renews once and says how the session is."""

    def child(order: str, shift: float, tell: int) -> dict[str, object]:
        clock = Turned()
        clock.shift = shift
        with SessionManager(
            [provider_at(issuer, secret, rotation)], store=open_store(kind, place), clock=clock, sealing_key=KEY
        ) as manager:
            session = manager["acme"]
            if session.live:
                os.write(tell, AT_WORK)
            while order == "run":
                session.refresh()
            try:
                session.token()
            except SignInRequired:
                return {"alive": False, "reason": session.reason}
            return {"alive": session.live, "reason": None}

    for line in sys.stdin:
        order, shift = line.split()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                said = child(order, float(shift), writing)
            except Exception as error:
                said = {"error": f"{type(error).__name__}: {error}"}
            os.write(writing, json.dumps(said).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            begun = pipe.read(1)  # it has opened the store: from now on it renews
            print(pid, flush=True)
            said_json = begun.removeprefix(AT_WORK) + pipe.read()
        os.waitpid(pid, 0)
        print(said_json.decode() or "{}", flush=True)


def kill_refreshes(kind: str, rotation: Any, kills: int, seed: int) -> dict[str, object]:
    """Runs it and returns the figures."""
    dice = random.Random(seed)
    clock = Turned()
    provider = DevProvider(auto="ada", rotation=rotation, grace=FOREVER, clock=clock)
    with place_of(kind) as place, provider.serve() as dev:
        secret = dev.clients["dev-app"].client_secret or ""
        dev.settings(name="acme")
        itself = [sys.executable, "-m", "benchmarks.kill_refresh", "--nursery"]
        command = [*itself, kind, place, dev.issuer, secret, rotation]
        root = Path(__file__).resolve().parents[1]
        nurse = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        if nurse.stdin is None or nurse.stdout is None:
            raise RuntimeError("the nursery has no pipes")

        def sign_in() -> None:
            with SessionManager(
                [provider_at(dev.issuer, secret, rotation)], store=open_store(kind, place), clock=clock,
                sealing_key=KEY,
            ) as manager, ScriptedBrowser() as browser:  # fmt: skip
                manager.login("acme", open_url=browser)

        def order(what: str) -> int:
            nurse.stdin.write(f"{what} {clock.shift}\n")  # type: ignore[union-attr]
            nurse.stdin.flush()  # type: ignore[union-attr]
            return int(nurse.stdout.readline())  # type: ignore[union-attr]

        outcomes: collections.Counter[str] = collections.Counter()
        try:
            sign_in()
            for _ in range(kills):
                pid = order("run")
                time.sleep(dice.uniform(0.0, 0.1))
                os.kill(pid, signal.SIGKILL)
                nurse.stdout.readline()
                clock.shift += TURN
                order("look")
                said = json.loads(nurse.stdout.readline())
                if "error" in said:
                    outcomes[said["error"]] += 1
                elif said["alive"]:
                    outcomes["survived"] += 1
                else:
                    outcomes[f"ended: {said['reason']}"] += 1
                    sign_in()
        finally:
            nurse.stdin.close()
            nurse.wait(20)
        refused = sum(1 for request in dev.token_requests("refresh_token") if request.status == 400)
        renewals = len(dev.token_requests("refresh_token"))
    named = {"survived", "ended: maybe_spent"} if rotation == "strict" else {"survived"}
    return {
        "store": kind,
        "rotation": rotation,
        "kills": kills,
        "seed": seed,
        "renewals": renewals,
        "presented_a_spent_token": refused,
        "outcomes": dict(outcomes),
        "as_wanted": refused == 0 and set(outcomes) <= named,
    }


def main() -> int:
    if sys.argv[1:2] == ["--nursery"]:  # not by argparse: a secret may begin with a dash
        nursery(*sys.argv[2:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", choices=KINDS, default="file")
    parser.add_argument("--rotation", choices=["strict", "grace"], default="strict")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    figures = kill_refreshes(asked.store, asked.rotation, asked.kills, asked.seed)
    print(json.dumps(figures))
    return 0 if figures["as_wanted"] else 1


if __name__ == "__main__":
    sys.exit(main())
