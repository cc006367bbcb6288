"""`Canaille`: the provider of `canaille/provider.py` as a process of this test run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from authflow.providers import OpenIDConnect

from .server_process import ServerProcess, free_port

HERE = Path(__file__).parent / "canaille"
PYTHON = HERE / ".venv" / "bin" / "python"


def missing() -> str:
    """Why it cannot run here, with the remedy; empty when it can."""
    if PYTHON.is_file():
        return ""
    return (
        "Canaille is not installed: cd tests/real/canaille && python3 -m venv .venv && "
        ".venv/bin/pip install -r requirements.txt"
    )


class Canaille(ServerProcess):
    """The running provider. Its one user is ada, with the password `pw-ada`."""

    def __init__(self, folder: Path) -> None:
        port, self.callback_port = free_port(), free_port()
        self.issuer = f"http://127.0.0.1:{port}"
        command = [PYTHON, HERE / "provider.py", folder, str(port), str(self.callback_port)]
        super().__init__(command, folder, f"{self.issuer}/.well-known/openid-configuration")

    def provider(self, client: str = "web", **settings: Any) -> OpenIDConnect:
        """authflow's settings for one of its clients. It signs with RS512 unless a client asks for another."""
        defaults: dict[str, Any] = {
            "name": client,
            "callback_path": "/callback",
            "loopback_port": self.callback_port,
            "scopes": ["openid", "profile", "email"],
            "rotation": "strict",
            "algorithms": ["RS512"],
            "allow_insecure_loopback": True,
        }
        secret = "secret-that-only-tests-know"
        return OpenIDConnect(self.issuer, client, secret, **{**defaults, **settings})
