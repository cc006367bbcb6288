"""Every provider class, as somebody would first configure it, and what a login there looks like."""

from __future__ import annotations

from typing import Any, Final

from .. import providers
from ..providers.base import Provider

# What `from_env` cannot do without, for the picture.
_SETTINGS: Final = {
    "client_id": "client-id",
    "client_secret": "client-secret",
    "tenant": "common",
    "issuer": "https://id.example.com",
}


def presets() -> tuple[Provider, ...]:
    """One of each, by name. What needs more than names and addresses is left out."""
    made = []
    for name in sorted(providers.__all__):
        preset = getattr(providers, name)
        if not isinstance(preset, type) or not issubclass(preset, Provider) or preset is Provider:
            continue
        settings: dict[str, Any] = {one: _setting(one) for one in preset.env_settings()}
        settings.setdefault("client_secret", _SETTINGS["client_secret"])
        made.append(preset(**settings))
    return tuple(made)


def _setting(name: str) -> str:
    if name.endswith(("_endpoint", "_url", "_uri", "url")):
        return f"https://id.example.com/{name.removesuffix('_endpoint')}"
    return _SETTINGS.get(name, "id.example.com")
