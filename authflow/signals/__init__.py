"""What happens to sessions, told to whoever listens. Built on blinker.

    @manager.on_login.connect
    def greet(session, event): ...

blinker as it is stops at the first receiver that raises, calls in no order, drops closures, and tells senders
apart by their address. Here every event of a session reaches every receiver, in order, whatever the others do:

Rule 1: the login never depends on a receiver. It raises, hangs, logs out, connects, disconnects: the outcome and
        the order of events are the same, and all others are called.
Rule 2: receivers run where the event was made, after it was saved, outside all locks (`outbox.py`); one session's
        events one at a time. What dawdles belongs to `background=True` or `loop=` (`mailbox.py`).
Rule 3: who listens to what is in `signal.py`; what a receiver is, in `receivers.py`; all of one manager, and its
        end, in `hub.py`.
"""

from .hub import SIGNALS, Signals
from .outbox import Outbox
from .signal import AuthSignal, SignalsView, SignalView

__all__ = ["SIGNALS", "AuthSignal", "Outbox", "SignalView", "Signals", "SignalsView"]
