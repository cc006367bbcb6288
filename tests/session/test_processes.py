"""Processes that share one stored session: it is renewed once, never lost, and each hears what the others did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from authflow.testing import DevProvider
from benchmarks.durable import KINDS, missing

from . import process_worker

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("store", KINDS)
def test_a106_processes_that_share_a_session_renew_it_once_and_never_lose_it(store: str) -> None:
    if why := missing(store):
        pytest.skip(why)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.stampede", "--store", store, "--processes", "8", "--rounds", "25"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
    )
    assert done.stdout, done.stderr
    figures = json.loads(done.stdout)
    assert figures["caller_errors"] == 0, figures["first_error"]
    assert figures["token_requests"] == 25
    assert figures["rounds_with_differing_tokens"] == 0
    assert done.returncode == 0


class Worker:
    """A process that obeys, and what it said."""

    def __init__(self, folder: Path, dev: DevProvider) -> None:
        secret = dev.clients["dev-app"].client_secret or ""
        self.heard: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.session.process_worker", str(folder), dev.issuer, secret],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._answer("ready")

    def do(self, order: str, answer: str, **facts: Any) -> dict[str, Any]:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"do": order, **facts}) + "\n")
        stdin.flush()
        return self._answer(answer)

    def hear(self, trigger: str) -> dict[str, Any]:
        """Waits until this process has heard of `trigger`."""
        while not any(each["heard"] == trigger for each in self.heard):
            self._next()
        return next(each for each in self.heard if each["heard"] == trigger)

    def _answer(self, name: str) -> dict[str, Any]:
        while True:
            said = self._next()
            if name in said:
                return said

    def _next(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        assert line, "the process ended"
        said: dict[str, Any] = json.loads(line)
        if "heard" in said:
            self.heard.append(said)
        return said

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait(20)


def test_login_in_one_process_callback_in_a_second_logout_in_a_third(tmp_path: Path) -> None:
    with DevProvider(auto="ada").serve() as dev:
        dev.settings(name="acme", redirect_uri=process_worker.CALLBACK)
        begins, completes, leaves = (Worker(tmp_path, dev) for _ in range(3))
        try:
            begun = begins.do("begin", "url")
            callback = walk(begun["url"])
            done = completes.do("complete", "done", callback=callback, binding=begun["binding"])
            assert done["done"] == "Ada Lovelace"
            for other in (begins, leaves):
                restored = other.hear("restore")
                assert (restored["origin"], restored["live"]) == ("other_process", True)
            token = begins.do("token", "token")["token"]
            assert leaves.do("token", "token")["token"] == token

            assert leaves.do("logout", "signed_out")["signed_out"] is True
            for other in (begins, completes):
                revoked = other.hear("revoke")
                assert (revoked["reason"], revoked["origin"], revoked["live"]) == ("user", "other_process", False)
                assert other.do("state", "state")["state"] == "logged_out"
            assert not dev.accepts(token)
            for worker, login, logout in (
                (begins, "restore", "revoke"),
                (completes, "authenticate", "revoke"),
                (leaves, "restore", "logout"),
            ):
                told = [each["heard"] for each in worker.heard]
                assert told.count(login) == told.count(logout) == 1
                assert {"authenticate", "restore", "revoke", "logout"} & set(told) == {login, logout}
        finally:
            for worker in (begins, completes, leaves):
                worker.close()


def walk(url: str) -> str:
    """Where the provider sends the visitor back to."""
    with httpx.Client(trust_env=False, follow_redirects=False) as client:
        answer = client.get(url)
        while answer.is_redirect and not answer.headers["location"].startswith(process_worker.CALLBACK):
            answer = client.get(answer.headers["location"])
    return str(answer.headers["location"])
