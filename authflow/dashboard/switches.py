"""A switch that whoever serves the dashboard adds to its page: in the demo, a provider's plug."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Switch(NamedTuple):
    """A button above the sessions. `turn(on)` is called on a thread. `turned` is the label of one that is on; without
    one it has no two states, and `on` is always true. Those of one `group` stand together."""

    name: str
    label: str
    turn: Callable[[bool], object]
    turned: str = ""
    help: str = ""
    group: str = ""
