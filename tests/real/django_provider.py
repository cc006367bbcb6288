"""`DjangoOAuthToolkit`: the provider of `django_oauth_toolkit/provider.py`."""

from __future__ import annotations

from typing import Any

from authflow.providers import OpenIDConnect

from .python_provider import PythonProvider


class DjangoOAuthToolkit(PythonProvider):
    """Its metadata name no revocation endpoint."""

    label, room, ready = "django-oauth-toolkit", "django_oauth_toolkit", "/login/"
    issuer_path = "/o"

    def provider(self, client: str = "confidential", **settings: Any) -> OpenIDConnect:
        more: dict[str, Any] = {"revocation_endpoint": f"{self.issuer}/revoke_token/", **settings}
        return super().provider(client, **more) if client == "confidential" else super().provider(client, None, **more)
