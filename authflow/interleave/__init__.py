"""The checker of the refresh protocol: every interleaving of several processes that share one session.

The processes here decide by the very functions of `renewal.py` that the sessions run. Around them stand a
provider that rotates refresh tokens and answers reuse by ending the login, a store, a lock, and what can
happen: a crash at any point, an answer that is lost, a 503, a lock that lapses, a logout, somebody else
signing in. Every order of these is walked, breadth first, so a finding carries a shortest history.

Rule 1: a design is a set of switches over the same walk. `DESIGNS` is what the code does; each of `FLAWED`
        leaves one thing out, as real clients do, and the walk must find what goes wrong.
Rule 2: time is not counted. What it does (a lease that lapses, a claim that grows old) may happen whenever it
        is possible.
"""

from __future__ import annotations

from .designs import DESIGNS, FLAWED
from .walk import Result, explore, told, walk_designs
from .world import Design

__all__ = ["DESIGNS", "FLAWED", "Design", "Result", "explore", "told", "walk_designs"]
