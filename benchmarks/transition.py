"""A transition with its event, against the stock machine of `transitions` with none; and a signal nobody hears."""

from __future__ import annotations

import time
from typing import Any

from transitions import Machine

from authflow import engine
from authflow.chart import CHART, State, Trigger
from authflow.engine import Facts

from .live import make_live, manager, tokens
from .measure import Run, in_turn, show


class Model:
    state: str


def stock() -> Any:
    """The same chart as `transitions` runs it, with a model of its own."""
    model = Model()
    rows = [[row.trigger.value, [source.value for source in row.sources], row.target.value] for row in CHART]
    Machine(model, [state.value for state in State], transitions=rows, initial="authenticated", auto_transitions=False)
    return model


def main() -> None:
    model = stock()
    with manager() as sessions:
        session = sessions["op"]
        make_live(session)
        ledger, key, live = session._run.ledger, session.key, session._run.record
        now = time.time()
        begin, end = Facts(now=now, deadline=now + 30), Facts(now=now, tokens=tokens())
        refreshing = engine.step(key, live, Trigger.REFRESH, begin).record
        outbox = sessions._house.signals.outbox()
        event, names = session._current_event(), ("on_transition", "on_refresh")

        def stock_machine(times: int) -> None:
            for _ in range(times // 2):
                model.refresh()
                model.refreshed()

        def step(times: int) -> None:
            for _ in range(times // 2):
                engine.step(key, live, Trigger.REFRESH, begin)
                engine.step(key, refreshing, Trigger.REFRESHED, end)

        def commit(times: int) -> None:
            for _ in range(times // 2):
                ledger.commit(Trigger.REFRESH, begin)
                ledger.commit(Trigger.REFRESHED, end)

        def post(times: int) -> None:
            for _ in range(times):
                outbox.post(names, session, "op", event)
                outbox.drain()

        contestants: dict[str, Run] = {
            "transitions.Machine, no event": stock_machine,
            "engine.step: next record and event": step,
            "ledger.commit: stored, told, deadline set": commit,
            "a signal without a receiver": post,
        }
        show("a transition", in_turn(contestants, calls=4_000))


if __name__ == "__main__":
    main()
