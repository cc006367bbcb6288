"""A dashboard in the terminal: one row for each session, whatever its state.

It shows `manager.snapshot()`: plain data, made to be shown or sent as JSON. There is no token in it, only a
fingerprint; `explanation` says in a sentence what a human wants to know.
"""

from __future__ import annotations

import json
import os
import time

from authflow import SessionManager
from authflow.testing import DevProvider, ScriptedBrowser, expire, signed_in

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))
COLUMNS = {"provider": 10, "account": 9, "state": 15, "user": 14, "fingerprint": 12, "left": 7, "error": 0}


def rows(manager: SessionManager) -> list[str]:
    """The table, a line for each session."""
    lines = ["".join(name.ljust(width) for name, width in COLUMNS.items()).rstrip()]
    for row in manager.snapshot():
        left = None if row["expires_at"] is None else f"{max(0.0, row['expires_at'] - time.time()):.0f} s"
        error = None if row["error"] is None else row["error"]["code"]
        cells = {**row, "left": left, "error": error or row["reason"]}
        lines.append("".join(str(cells[name] or "-").ljust(width) for name, width in COLUMNS.items()).rstrip())
    return lines


def main() -> None:
    with (
        DevProvider(label="Acme").serve() as acme,
        DevProvider(label="Globex").serve() as globex,
        ScriptedBrowser(user="ada") as ada,
        SessionManager([acme.settings("acme"), globex.settings("globex"), globex.settings("spare")]) as manager,
    ):
        manager.login("acme", open_url=ada if HEADLESS else None)
        signed_in(manager, "globex", user={"sub": "1", "name": "Grace Hopper"})
        expire(manager["globex"])
        manager["acme", "work"]  # a second account of the same provider has a row of its own

        print(*rows(manager), sep="\n")
        print(*(row["explanation"] for row in manager.snapshot()), sep="\n")
        json.dumps(manager.snapshot())  # every value is one that JSON has


if __name__ == "__main__":
    main()
