"""Notices a guard that guards nothing, because it stands above the route.

    @auth.required        # guards only what this file calls `me`
    @app.get("/me")       # the route has taken the bare function
    def me(): ...

Decorators work from below, so the route belongs above. What was guarded is remembered as it was before; a route that
has that is refused with `ConfigurationError` as soon as it can be known: where the guard is written, where the routes
of `auth` are taken in, or else by every request. For routes that are a table of names and functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ConfigurationError


class Guards:
    """The functions that one `Auth` guards, and the tables of routes that it was taken into."""

    def __init__(self) -> None:
        self._bare: dict[int, Callable[..., Any]] = {}
        self._tables: list[Mapping[str, Callable[..., Any]]] = []
        self._well = False

    def add(self, bare: Callable[..., Any]) -> None:
        """`bare` was guarded, and with it what other decorators have wrapped."""
        inner: Callable[..., Any] | None = bare
        while inner is not None and id(inner) not in self._bare:
            self._bare[id(inner)] = inner
            inner = getattr(inner, "__wrapped__", None)
        self.check()

    def watch(self, table: Mapping[str, Callable[..., Any]]) -> None:
        """The functions behind an application's routes, by name; it may grow."""
        self._tables.append(table)
        self.check()

    def check_first(self) -> None:
        """`check`, until a request found all well: no route comes after it."""
        if not self._well:
            self.check()
            self._well = True

    def check(self) -> None:
        """Raises `ConfigurationError` when a route leads past its guard."""
        for table in self._tables:
            for name, view in table.items():
                if id(view) in self._bare:
                    raise ConfigurationError(
                        f"Anybody may see the view {name!r}: its guard stands above the route, which has the bare "
                        "function.",
                        hint="Write the route above @auth.required, and the guard next to the function.",
                    )
