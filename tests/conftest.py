"""What all tests share: the components that a machine may lack, and the rule about lacking them.

On a user's machine a test whose component is missing (Node.js, Chromium) is skipped and says what to install.
With `AUTHFLOW_REQUIRE_ALL=1`, as the checks set it, a skipped test counts as failed.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.real.browser import Chromium, RealBrowser, find_chromium

# Tests that other test files subclass or call by name: their asserts count, under `python -O` too.
REWRITTEN = (
    "tests.http.support",
    "tests.security.flows",
    "tests.stores.contract",
    "tests.conformance.cases.ciba",
    "tests.conformance.cases.declined",
    "tests.conformance.cases.discovery",
    "tests.conformance.cases.fapi",
    "tests.conformance.cases.id_token",
    "tests.conformance.cases.logout",
    "tests.conformance.cases.others",
    "tests.conformance.cases.tokens",
)
pytest.register_assert_rewrite(*REWRITTEN)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's job in the background ignores Ctrl-C, and so would
    signal.signal(signal.SIGINT, signal.default_int_handler)  # every program that is started here

settings.register_profile("any machine", deadline=None)  # one that is busy is no failure
settings.load_profile("any machine")

if TYPE_CHECKING:
    from authflow.testing import ScriptedBrowser
    from tests.real.panva_provider import Panva

REQUIRE_ALL = os.environ.get("AUTHFLOW_REQUIRE_ALL", "") not in ("", "0")


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turns a skip into a failure that keeps the skip's reason. An expected failure stays what it is."""
    if not REQUIRE_ALL or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"AUTHFLOW_REQUIRE_ALL is set, so no test may be skipped. {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    refuse_skip(report)
    return report


_MAIN = sys.modules["__main__"]


@pytest.fixture(scope="module", autouse=True)
def _the_process_is_left_as_it_was() -> Iterator[None]:
    """What the tests of other files left alive is no matter for the garbage collector: looking at all of it takes it
    seconds, and whoever collects often (Streamlit after each run of a page, a test that waits for a session to leave
    memory) would get nothing else done. And Streamlit makes its page the program's `__main__`, which every spawned
    process would then run; a visit that it forgot closes its loop when it is collected, which fails if the loop's
    sockets were collected before it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of a socket, say, that was left to a closed event loop
        gc.collect()
    gc.freeze()
    yield
    if sys.modules["__main__"] is not _MAIN:
        sys.modules["__main__"] = _MAIN
        hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
        gc.collect()
        sys.unraisablehook = hook


@pytest.fixture(scope="session")
def panva(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panva]:
    """The certified provider, running."""
    from tests.real.panva_provider import Panva, missing

    if why := missing():
        pytest.skip(why)
    with Panva(tmp_path_factory.mktemp("panva")) as running:
        yield running


@pytest.fixture(scope="session")
def panva_tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panva]:
    """The certified provider on https, asking clients for a certificate."""
    from tests.real.panva_provider import Panva, missing

    if why := missing():
        pytest.skip(why)
    with Panva(tmp_path_factory.mktemp("panva-tls"), tls=True) as running:
        yield running


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    """A real Chromium, running."""
    path = find_chromium()
    if path is None:
        pytest.skip("a real browser is needed: apt-get install chromium (or put chromium on PATH)")
    with Chromium(path) as running:
        yield running


@pytest.fixture
def browse(chromium: Chromium) -> Iterator[Callable[..., RealBrowser]]:
    """Makes a person with a real browser: `browse("ada", deny=False)`; give it to `open_url=`."""
    made: list[RealBrowser] = []

    def make(user: str = "ada", **habits: Any) -> RealBrowser:
        made.append(RealBrowser(chromium, user, **habits))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def person() -> Iterator[Callable[..., ScriptedBrowser]]:
    """Makes a person without a screen, with the certified provider's password: `person("ada", deny=False)`."""
    from authflow.testing import ScriptedBrowser

    made: list[ScriptedBrowser] = []

    def make(user: str = "ada", **habits: Any) -> ScriptedBrowser:
        made.append(ScriptedBrowser(user, password=f"pw-{user}", **habits))
        return made[-1]

    yield make
    for one in made:
        one.close()
