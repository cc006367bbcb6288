"""Which transitions of the chart a test run has taken: `pytest -p authflow.testing.pytest_plugin --authflow-coverage
coverage.svg`. To have it always, write `pytest_plugins = ["authflow.testing.pytest_plugin"]` into your conftest.py.

Nothing is loaded until somebody asks for it: authflow names no entry point, so that it costs a test run nothing.
It sees every session of the process that runs the tests, whichever manager it is of, and none of other processes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

    from ..diagrams.coverage import TransitionCounter

OPTION: Final = "--authflow-coverage"
_NAME: Final = "authflow-coverage"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("authflow").addoption(
        OPTION,
        metavar="FILE",
        help="Write which transitions of a login's chart were taken: .svg, .png (the extra png), .json or .txt.",
    )


def pytest_configure(config: pytest.Config) -> None:
    target = config.getoption(OPTION)
    if target:
        from ..diagrams.coverage import TransitionCounter

        counter = TransitionCounter()
        _check(Path(target), counter)
        config.pluginmanager.register(_Coverage(str(target), counter), _NAME)


def _check(target: Path, counter: TransitionCounter) -> None:
    """Says before the first test what would lose the coverage after the last one."""
    import pytest

    from ..errors import AuthflowError

    try:
        counter.content(target)
    except AuthflowError as error:
        raise pytest.UsageError(f"{OPTION}: {error}") from None
    if target.is_dir() or not os.access(target.parent, os.W_OK | os.X_OK) or not target.parent.is_dir():
        raise pytest.UsageError(f"{OPTION}: {target} cannot be written. Name a file in a folder that is there.")


class _Coverage:
    """Counts from the first test to the last, then writes."""

    def __init__(self, target: str, counter: TransitionCounter) -> None:
        self.target = target
        self.counter = counter

    def pytest_sessionstart(self) -> None:
        from ..house import OBSERVERS

        OBSERVERS.append(self.counter.count)

    def pytest_sessionfinish(self) -> None:
        from ..house import OBSERVERS

        OBSERVERS.remove(self.counter.count)
        self.counter.save(self.target)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        from ..diagrams.coverage import missing, summary

        counts = self.counter.counts
        terminalreporter.section("authflow")
        terminalreporter.line(f"{summary(counts)}, written to {self.target}")
        for one in missing(counts):
            terminalreporter.line(f"not taken: {one}")
