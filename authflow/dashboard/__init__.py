"""The dashboard: every session of a manager on one page of this machine, live.

    from authflow.dashboard import app
    dashboard = app(manager, allow_actions=True)      # an ASGI application
    print(dashboard.launch_url("http://127.0.0.1:8431"))

    Mount("/sessions", app(manager, behind_own_authentication=True, hosts=["admin.example.com"]))

Rule 1: no token reaches it, and no name of an owner: what is shown is `manager.snapshot()`, traces and events.
Rule 2: it asks no provider for anything by itself, and changes nothing unless actions are allowed.
"""

from __future__ import annotations

from ..errors import MissingExtra

try:
    from .app import Dashboard, app
    from .serve import Running, serve
    from .switches import Switch
except ImportError as missing:
    if missing.name is None or missing.name.partition(".")[0] not in ("starlette", "uvicorn", "anyio"):
        raise
    raise MissingExtra(
        f"The dashboard needs {missing.name}, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[dash]'",
    ) from missing

__all__ = ["Dashboard", "Running", "Switch", "app", "serve"]
