"""One process of several that share a session: obeys lines on standard input, prints what it hears as JSON."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from authflow import SessionManager
from authflow.providers import OpenIDConnect
from authflow.stores import FileStore

CALLBACK = "http://127.0.0.1:8000/callback/acme"
_printing = threading.Lock()


def say(**said: object) -> None:
    with _printing:
        print(json.dumps(said), flush=True)


def main(folder: str, issuer: str, secret: str) -> None:
    provider = OpenIDConnect(
        issuer, "dev-app", secret, name="acme", redirect_uri=CALLBACK, allow_insecure_loopback=True, rotation="strict"
    )
    store = FileStore(Path(folder) / "sessions", watch_every=0.05)
    with SessionManager([provider], store=store, sealing_key=bytes(range(32))) as manager:
        visitor = manager.owner("visitor")
        session = visitor["acme"]
        session.on_transition.connect(
            lambda session, event: say(heard=event.trigger, reason=event.reason, origin=event.origin, live=event.live)
        )
        say(ready=session.state)
        for line in sys.stdin:
            order = json.loads(line)
            match order["do"]:
                case "begin":
                    request = session.begin()
                    say(url=request.url, binding=request.binding)
                case "complete":
                    done = manager.complete(order["callback"], binding=order["binding"])
                    say(done=done.session.user.name)
                case "token":
                    say(token=session.token().access_token)
                case "logout":
                    say(signed_out=session.logout(end_session=False).signed_out)
                case "state":
                    say(state=session.state)


if __name__ == "__main__":
    main(*sys.argv[1:])
