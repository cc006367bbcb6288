"""`PythonProvider`: a provider in Python as a process of this test run, in a virtual environment of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from authflow.providers import OpenIDConnect

from .server_process import ServerProcess, free_port

HERE = Path(__file__).parent


class PythonProvider(ServerProcess):
    """The program `provider.py` of the folder `room`, once its path `ready` answers. Its one user is ada, with the
    password `pw-ada`."""

    label: ClassVar[str]
    room: ClassVar[str]
    ready: ClassVar[str]
    issuer_path: ClassVar[str] = ""

    def __init__(self, folder: Path) -> None:
        port, self.callback_port = free_port(), free_port()
        here = f"http://127.0.0.1:{port}"
        self.issuer = f"{here}{self.issuer_path}"
        self.logged_out = f"http://127.0.0.1:{self.callback_port}/logged-out"
        command = [self._python(), HERE / self.room / "provider.py", folder, str(port), str(self.callback_port)]
        super().__init__(command, folder, f"{here}{self.ready}")

    @classmethod
    def missing(cls) -> str:
        """Why it cannot run here, with the remedy; empty when it can."""
        if cls._python().is_file():
            return ""
        return (
            f"{cls.label} is not installed: cd tests/real/{cls.room} && python3 -m venv .venv && "
            ".venv/bin/pip install -r requirements.txt"
        )

    @classmethod
    def _python(cls) -> Path:
        return HERE / cls.room / ".venv" / "bin" / "python"

    def provider(
        self, client: str, secret: str | None = "secret-that-only-tests-know", **settings: Any
    ) -> OpenIDConnect:
        """authflow's settings for one of its clients. It compares redirect URIs whole, so the port is fixed."""
        defaults: dict[str, Any] = {
            "name": client,
            "callback_path": "/callback",
            "loopback_port": self.callback_port,
            "scopes": ["openid", "profile", "email"],
            "rotation": "strict",
            "allow_insecure_loopback": True,
        }
        return OpenIDConnect(self.issuer, client, secret, **{**defaults, **settings})
