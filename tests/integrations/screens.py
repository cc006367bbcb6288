"""A screen for tests: a thread of its own that paints what is posted to it, as every framework has one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Self

from authflow.integrations.live import Card

PATIENCE = 30.0  # real seconds until a test that waits for another thread fails


class Screen:
    """`post` is the framework's; `paint` is what a widget does with a card."""

    def __init__(self) -> None:
        self.cards: list[Card] = []
        self.painted_on: set[int] = set()
        self.posts = 0
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._jobs.put(None)
        self._thread.join(PATIENCE)

    def post(self, job: Callable[[], None]) -> None:
        self.posts += 1
        self._jobs.put(job)

    def paint(self, card: Card) -> None:
        with self._changed:
            self.cards.append(card)
            self.painted_on.add(threading.get_ident())
            self._changed.notify_all()

    @property
    def thread(self) -> int | None:
        return self._thread.ident

    def until(self, true: Callable[[Card], object]) -> Card:
        """The newest card, as soon as it is so."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self.cards) and bool(true(self.cards[-1])), PATIENCE):
                raise AssertionError(f"not within {PATIENCE:g} s; painted: {self.cards[-3:]}")
            return self.cards[-1]

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()
