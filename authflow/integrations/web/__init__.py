"""What a login on the web is in every framework: request values in, answer values out.

    exchange.py   `Asked` and `Answer`: a request and a response as plain values; which requests are another site's
    cookies.py    the two cookies: whose session, which browser
    places.py     where the routes are, and where a browser may be sent
    pages.py      what the human is told when it did not go well
    desk.py       the routes: steps that a framework's file runs
    guards.py     which routes lead past their guard
    logs.py       what access logs say of a callback
    running.py    how steps are run, in both colours
    streams.py    session events, for whoever reads them
    proxy.py      an API behind a cookie: what goes up, what comes down
    forward.py    the wire between
    bridge.py     all of it, as a framework's file takes it

Rule: nothing here imports a framework. A framework's file turns its request into `Asked`, runs the steps, and turns
the `Answer` into its response; it decides nothing.
"""

from .bridge import Bridge, Passed
from .desk import Desk
from .exchange import Answer, Asked
from .proxy import Proxy
from .running import Steps, arun, run

__all__ = ["Answer", "Asked", "Bridge", "Desk", "Passed", "Proxy", "Steps", "arun", "run"]
