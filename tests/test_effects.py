"""What an operation yields: how a thread reaches one that waits."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from authflow.clock import SystemClock
from authflow.effects import Flight, Mailbox

LONG = 30.0


def test_items_come_in_order_and_none_is_waited_for_by_taking() -> None:
    mailbox = Mailbox()
    mailbox.put("first")
    mailbox.put("second")
    assert [mailbox.take(), mailbox.take(), mailbox.take()] == ["first", "second", None]


def test_an_item_of_another_thread_ends_the_wait() -> None:
    mailbox = Mailbox()
    sender = threading.Thread(target=mailbox.put, args=("it",))
    sender.start()
    assert mailbox.wait(SystemClock(), LONG) == "it"
    sender.join(LONG)
    assert mailbox.wait(SystemClock(), 0.0) is None


async def test_an_item_of_another_thread_ends_the_wait_on_a_loop() -> None:
    mailbox = Mailbox()
    waiting = asyncio.ensure_future(mailbox.wait_async(SystemClock(), LONG))
    await asyncio.to_thread(mailbox.put, "it")
    assert await waiting == "it"
    assert await mailbox.wait_async(SystemClock(), 0.0) is None


def test_a_flight_is_done_when_its_work_is() -> None:
    work = Future[int]()
    flight = Flight(work)
    assert not flight.done
    work.set_result(1)
    assert flight.done
