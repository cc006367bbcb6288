"""Servers that tests and benchmarks start for themselves: a Redis and a PostgreSQL in a temporary folder each.

They listen on a Unix socket there and on nothing else, belong to an unprivileged user where root starts them, and
end with whoever started them.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
import sqlalchemy

_STARTS_WITHIN = 30.0


class Server:
    """A program with a folder; `start` and `stop` may be called again and again."""

    def __init__(self) -> None:
        # Not pytest's folder: the path of a Unix socket may have 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="af-"))
        self.user = _unprivileged()
        if self.user is not None:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        process = self._process = self._run(self.command())
        until = time.monotonic() + _STARTS_WITHIN
        while not self.answers():
            if process.poll() is not None or time.monotonic() > until:
                said = (self.folder / "log").read_text()[-2000:]
                self.stop()
                raise RuntimeError(f"it does not start: {said}")
            time.sleep(0.01)

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STARTS_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, command: list[str]) -> subprocess.Popen[bytes]:
        who: dict[str, Any] = {}
        if self.user is not None:
            who = {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=_ENVIRONMENT, **who
            )


class RedisServer(Server):
    """`url` is the server's; `read_only_url` a user's who may not write."""

    @staticmethod
    def missing() -> str:
        return "" if _redis() else "redis-server is not installed (apt install redis-server)"

    @property
    def url(self) -> str:
        return f"unix://{self.folder}/s?db=0"

    @property
    def read_only_url(self) -> str:
        return f"unix://reader:only@{self.folder}/s?db=0"

    def command(self) -> list[str]:
        settings = ["--port", "0", "--unixsocket", str(self.folder / "s"), "--unixsocketperm", "777", "--save", ""]
        return [_redis() or "", *settings, "--user", *["reader", "on", ">only", "~*", "&*", "+@all", "-@write"]]

    def answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self.folder / "s"), socket_timeout=1)
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False
        finally:
            client.close()


class PostgreSQLServer(Server):
    """`url` is for SQLAlchemy and psycopg; `read_only_url` opens connections that cannot write."""

    @staticmethod
    def missing() -> str:
        return "" if _postgresql("postgres") else "PostgreSQL is not installed (apt install postgresql)"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://authflow@/postgres?host={self.folder}"

    @property
    def read_only_url(self) -> str:
        return f"{self.url}&options=-c%20default_transaction_read_only%3Don"

    def command(self) -> list[str]:
        if not (self.folder / "data").exists():
            options = ["-U", "authflow", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"]
            made = self._run([_postgresql("initdb"), "-D", str(self.folder / "data"), *options]).wait(120)
            if made:
                raise RuntimeError((self.folder / "log").read_text()[-2000:])
        settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-k", str(self.folder)]
        return [_postgresql("postgres"), "-D", str(self.folder / "data"), *settings]

    def answers(self) -> bool:
        engine = sqlalchemy.create_engine(self.url, poolclass=sqlalchemy.NullPool)
        try:
            with engine.connect():
                return True
        except sqlalchemy.exc.OperationalError:
            return False


_ENVIRONMENT = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}


def _unprivileged() -> Any:
    """PostgreSQL refuses to be root."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _redis() -> str | None:
    return shutil.which("redis-server") or shutil.which("valkey-server")


def _postgresql(program: str) -> str:
    """Debian keeps the server's programs beside each other, by version, off the path."""
    homes = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda home: float(home.split("/")[4]))
    return shutil.which(program) or shutil.which(program, path=os.pathsep.join(reversed(homes))) or ""
