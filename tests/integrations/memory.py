"""What is left of widgets, pages and visits that came and went."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable


def left_behind(come_and_go: Callable[[int], object]) -> int:
    """Bytes that are there after ten thousand and were not before; a hundred that came first made what is made once."""
    come_and_go(100)
    gc.collect()
    tracemalloc.start()
    try:
        come_and_go(10_000)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
