"""Where the threads of one process queue, by name."""

from __future__ import annotations

import threading

from authflow.stores.queues import Queues


def test_one_of_a_name_is_inside_at_a_time_and_another_name_does_not_wait() -> None:
    queues = Queues()

    with queues.hold("a", 1.0) as first, queues.hold("a", 0.0) as second, queues.hold("b", 0.0) as other:
        assert (first, second, other) == (True, False, True)


def test_a_turn_is_given_back_when_its_block_fails() -> None:
    queues = Queues()
    try:
        with queues.hold("a", 0.0):
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass

    with queues.hold("a", 0.0) as again:
        assert again


def test_a_turn_that_began_on_one_thread_may_end_on_another() -> None:
    queues = Queues()
    held = queues.hold("a", 0.0)
    begun = threading.Thread(target=held.__enter__)
    begun.start()
    begun.join(30)
    held.__exit__(None, None, None)

    with queues.hold("a", 0.0) as again:
        assert again


def test_a_queue_that_nobody_is_in_is_forgotten() -> None:
    queues = Queues()
    for number in range(100):
        with queues.hold(str(number), 0.0), queues.hold(str(number), 0.0):
            assert len(queues) == 1

    assert len(queues) == 0
