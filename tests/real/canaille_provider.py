"""`Canaille`: the provider of `canaille/provider.py`."""

from __future__ import annotations

from typing import Any

from authflow.providers import OpenIDConnect

from .python_provider import PythonProvider


class Canaille(PythonProvider):
    """It signs with RS512 unless a client asks for another."""

    label, room, ready = "Canaille", "canaille", "/.well-known/openid-configuration"

    def provider(self, client: str = "web", **settings: Any) -> OpenIDConnect:
        return super().provider(client, **{"algorithms": ["RS512"], **settings})
