"""Signals of both colours, a session of each, and an event loop of a sync manager's user."""

from __future__ import annotations

import asyncio
import threading

import pytest

from authflow.signals import Signals

from .support import LONG, Seen, Session


@pytest.fixture
def seen():
    return Seen()


@pytest.fixture
def signals():
    signals = Signals()
    yield signals
    signals.close()


@pytest.fixture
def session(signals):
    return Session(signals)


@pytest.fixture
async def asignals():
    signals = Signals(asynchronous=True)
    yield signals
    await signals.aclose()


@pytest.fixture
def asession(asignals):
    return Session(asignals)


@pytest.fixture
def loop():
    """An event loop on a thread of its own, as a sync manager's user may have it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(LONG)
    loop.close()
