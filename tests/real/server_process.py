"""`ServerProcess`: somebody else's server as a process of this test run, on a free port of this machine."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import httpx

SECONDS_TO_START = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """Runs `command` in `folder` until the block ends; entered once `ready` (a URL) answers. What it says is logged."""

    def __init__(
        self, command: Sequence[str | Path], folder: Path, ready: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = command
        self._folder = folder
        self._ready = ready
        self._environment = {**os.environ, **(environment or {})}
        self._log = folder / "server.log"

    def __enter__(self) -> Self:
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tell(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float) -> int | None:
        """Its exit code; None if it still runs after so long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < end and self._process.poll() is None:
            try:
                httpx.get(self._ready, timeout=5, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"{self._command[0]} did not start: {self._log.read_text()[-2000:]}")
