"""An async manager belongs to the loop that first used it, and says so on any other."""

from __future__ import annotations

import asyncio

import pytest

from authflow import AsyncSessionManager
from authflow.errors import ManagerClosed


def test_it_can_be_closed_on_its_own_loop_only(dev, browser) -> None:
    manager = AsyncSessionManager([dev.settings(name="acme")])

    with asyncio.Runner() as own:
        own.run(manager["acme"].login(open_url=browser))
        with asyncio.Runner() as other:
            with pytest.raises(ManagerClosed, match="belongs to another event loop"):
                other.run(manager.aclose())
            with pytest.raises(ManagerClosed, match="belongs to another event loop"):
                other.run(manager["acme"].refresh())
        own.run(manager.aclose())


def test_one_that_was_never_used_closes_anywhere(dev) -> None:
    manager = AsyncSessionManager([dev.settings(name="acme")])

    asyncio.run(manager.aclose())
