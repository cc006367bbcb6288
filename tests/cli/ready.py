"""Commands that start at once: each is a process of its own, forked from one that has loaded authflow already, which
is most of what a command takes. What it prints goes through pipes.

    python -m tests.cli.ready    reads a command from a socket, its standard input; forks; says what became of it
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LENGTH = struct.Struct("!I")


class Ready:
    """The process to fork from. One command at a time; `run` gives None while it is at another one."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._socket, theirs = socket.socketpair()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}
        command = [sys.executable, "-m", "tests.cli.ready"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=theirs, stdout=subprocess.DEVNULL)
        theirs.close()

    def run(
        self, args: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str] | None:
        """As `subprocess.run` would, with its errors."""
        if not self._mutex.acquire(blocking=False):
            return None
        try:
            return self._run(args, cwd, env, timeout)
        finally:
            self._mutex.release()

    def _run(
        self, args: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        asked = json.dumps({"args": args, "cwd": str(cwd), "env": env}).encode()
        socket.send_fds(self._socket, [LENGTH.pack(len(asked))], [their_out, their_err])
        self._socket.sendall(asked)
        os.close(their_out)
        os.close(their_err)
        pid = self._number()
        said: dict[int, bytes] = {}
        readers = [threading.Thread(target=lambda fd=fd: said.update({fd: _all_of(fd)})) for fd in (out, err)]
        for reader in readers:
            reader.start()
        until = time.monotonic() + timeout
        for reader in readers:
            reader.join(max(0.0, until - time.monotonic()))
        late = any(reader.is_alive() for reader in readers)
        if late:
            os.kill(pid, signal.SIGKILL)
        status = self._number()
        if late:
            raise subprocess.TimeoutExpired(args, timeout)
        printed = (said[fd].decode().replace("\r\n", "\n") for fd in (out, err))
        return subprocess.CompletedProcess(args, os.waitstatus_to_exitcode(status), *printed)

    def _number(self) -> int:
        return LENGTH.unpack(_exactly(self._socket, LENGTH.size))[0]

    def close(self) -> None:
        """Ends the process."""
        self._socket.close()
        self._process.wait(30)


def _all_of(fd: int) -> bytes:
    with open(fd, "rb") as file:
        return file.read()


def _exactly(source: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        data += (more := source.recv(length - len(data)))
        if not more:
            raise EOFError("the process that commands are forked from has ended")
    return data


def _serve() -> None:
    """Until the tests have ended: a command, a fork, its number, its status."""
    from authflow import cli, protocol
    from authflow.cli import main

    for package in (cli, protocol):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()  # what all share is not looked at by each
    source = socket.socket(fileno=os.dup(0))
    while True:
        head, fds, _, _ = socket.recv_fds(source, LENGTH.size, 2)
        if not head:
            return
        asked: dict[str, Any] = json.loads(_exactly(source, LENGTH.unpack(head)[0]))
        pid = os.fork()
        if not pid:
            source.close()
            break
        for fd in fds:
            os.close(fd)
        source.sendall(LENGTH.pack(pid))
        source.sendall(LENGTH.pack(os.waitpid(pid, 0)[1]))
    for fd, place in zip((os.open(os.devnull, os.O_RDONLY), *fds), (0, 1, 2), strict=True):
        os.dup2(fd, place)
        os.close(fd)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["env"])
    sys.argv = ["authflow", *asked["args"]]
    sys.exit(main())


if __name__ == "__main__":
    _serve()
