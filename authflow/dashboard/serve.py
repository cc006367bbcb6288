"""The dashboard served on 127.0.0.1, in a thread that ends with the block. There is no way to serve it elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..manager import SessionManager
from ..testing.served import Served
from .app import Dashboard, app
from .switches import Switch


class Running:
    """A dashboard that is being served: `url`, and `launch_url()` for each human who may see it."""

    def __init__(self, dashboard: Dashboard, url: str) -> None:
        self._dashboard = dashboard
        self.url = url

    def launch_url(self) -> str:
        """See `Dashboard.launch_url`."""
        return self._dashboard.launch_url(self.url)


@contextmanager
def serve(
    manager: SessionManager, *, port: int = 0, allow_actions: bool = False, switches: Sequence[Switch] = ()
) -> Iterator[Running]:
    """Serves the dashboard of a manager until the block ends. `port` 0: any free one.

    Raises `ConfigurationError` for a port that is taken.
    """
    dashboard = app(manager, allow_actions=allow_actions, switches=switches)
    server = Served(dashboard, port)
    server.start()
    try:
        yield Running(dashboard, server.url)
    finally:
        dashboard.close()
        server.stop()
