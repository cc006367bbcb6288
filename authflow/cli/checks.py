"""The steps of a run: planned first, then each seen to happen or not. What was never come to did not happen."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import AuthflowError
from .screen import Screen, name


class StepFailed(Exception):
    """A step did not happen; the text says how that was seen."""


class Checks:
    """Every step that was planned, and what became of it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.planned: list[tuple[str, str]] = []
        self.done: set[tuple[str, str]] = set()
        self.failures: list[str] = []

    def plan(self, who: str, *steps: str) -> None:
        self.planned += [(who, step) for step in steps]

    def expect(self, who: str, step: str, check: Callable[..., str], *facts: object) -> bool:
        """Runs one step. `check(*facts)` gives what to say, or raises `StepFailed` or an `AuthflowError`."""
        if (who, step) not in self.planned:
            self.plan(who, step)
        try:
            text = check(*facts)
        except (StepFailed, AuthflowError) as error:
            self.failures.append(f"{who}: not {step}: {error}")
            self._screen.moment(name(who), ("✗ ", "bad"), (f"not {step}: {error}", "bad"))
            return False
        self.done.add((who, step))
        self._screen.moment(name(who), ("✓ ", "good"), text)
        return True

    def missing(self) -> list[str]:
        """The failures, and the steps that were never come to."""
        told = set(self.failures)
        never = [f"{who}: not {step}" for who, step in self.planned if (who, step) not in self.done]
        return [*self.failures, *(one for one in never if not any(text.startswith(one) for text in told))]


def check(holds: bool, otherwise: str) -> None:
    """Raises `StepFailed` unless `holds`."""
    if not holds:
        raise StepFailed(otherwise)
