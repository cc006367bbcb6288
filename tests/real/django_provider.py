"""`DjangoOAuthToolkit`: the provider of `django_oauth_toolkit/provider.py` as a process of this test run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from authflow.providers import OpenIDConnect

from .server_process import ServerProcess, free_port

HERE = Path(__file__).parent / "django_oauth_toolkit"
PYTHON = HERE / ".venv" / "bin" / "python"


def missing() -> str:
    """Why it cannot run here, with the remedy; empty when it can."""
    if PYTHON.is_file():
        return ""
    return (
        "django-oauth-toolkit is not installed: cd tests/real/django_oauth_toolkit && python3 -m venv .venv && "
        ".venv/bin/pip install -r requirements.txt"
    )


class DjangoOAuthToolkit(ServerProcess):
    """The running provider. Its one user is ada, with the password `pw-ada`."""

    def __init__(self, folder: Path) -> None:
        port, self.callback_port = free_port(), free_port()
        self.issuer = f"http://127.0.0.1:{port}/o"
        self.logged_out = f"http://127.0.0.1:{self.callback_port}/logged-out"
        command = [PYTHON, HERE / "provider.py", folder, str(port), str(self.callback_port)]
        super().__init__(command, folder, f"http://127.0.0.1:{port}/login/")

    def provider(self, client: str = "confidential", **settings: Any) -> OpenIDConnect:
        """authflow's settings for one of its clients. Its metadata name no revocation endpoint."""
        defaults: dict[str, Any] = {
            "name": client,
            "callback_path": "/callback",
            "loopback_port": self.callback_port,
            "scopes": ["openid", "profile", "email"],
            "rotation": "strict",
            "revocation_endpoint": f"{self.issuer}/revoke_token/",
            "allow_insecure_loopback": True,
        }
        secret = "secret-that-only-tests-know" if client == "confidential" else None
        return OpenIDConnect(self.issuer, client, secret, **{**defaults, **settings})
