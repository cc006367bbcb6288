"""What is done when the process forks: threads, locks and connections do not survive in the child.

Rule: nothing that other threads hold for long is waited for before a fork; it is begun anew in the child.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final, Protocol


class MindsForks(Protocol):
    """Called on the thread that forks, before and after. None of them may raise."""

    def before_fork(self) -> None: ...

    def after_fork_in_parent(self) -> None: ...

    def after_fork_in_child(self) -> None: ...


_minding: Final[weakref.WeakSet[MindsForks]] = weakref.WeakSet()
_mutex = threading.Lock()
_told: list[MindsForks] = []  # who heard of the fork that is under way; written with `_mutex` held


class Renewed:
    """What needs nothing before a fork. It is begun anew in the child: what threads of the parent held there was given
    back by nobody, and what they were at is theirs to end."""

    __slots__ = ()

    def before_fork(self) -> None:
        return

    def after_fork_in_parent(self) -> None:
        return


def mind_forks(one: MindsForks) -> None:
    """From now on `one` hears of forks, for as long as it lives."""
    with _mutex:
        _minding.add(one)


def _before() -> None:
    _mutex.acquire()
    _told[:] = _minding
    for store in _told:
        store.before_fork()


def _in_parent() -> None:
    for store in reversed(_told):
        store.after_fork_in_parent()
    _told.clear()
    _mutex.release()


def _in_child() -> None:
    for store in reversed(_told):
        store.after_fork_in_child()
    _told.clear()
    _mutex.release()


if hasattr(os, "register_at_fork"):  # Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
