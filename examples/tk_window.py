"""A window (tkinter) with a sign-in: a button, who is signed in, and letters for the signed-in only.

The provider is authflow's own development provider; put `GitHub.from_env()` in its place for the real one. Without a
display (`DISPLAY`) there is no window, and the example says so.
"""

from __future__ import annotations

import os
import sys
import tkinter
from tkinter import ttk
from typing import Any

from authflow import SessionManager
from authflow.integrations.tk import Protected, SignInButton, UserCard
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def main() -> None:
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        print("there is no display")
        return
    with (
        DevProvider(label="Acme").serve() as acme,
        ScriptedBrowser(user="ada") as ada,
        SessionManager([acme.settings("acme")], single_user=True) as manager,
    ):
        session = manager["acme"]
        opener: dict[str, Any] = {"open_url": ada} if HEADLESS else {}
        window = tkinter.Tk()
        inside = Protected(window, session, **opener)
        UserCard(inside.content, session).pack(anchor="w")
        ttk.Label(inside.content, text="3 new letters").pack(anchor="w", padx=8, pady=8)
        button = SignInButton(inside.content, session, **opener)
        button.pack(anchor="w", padx=8)
        inside.pack(fill="both", expand=True)

        def changed(event: object) -> None:
            window.title(button.card.status)
            if HEADLESS and button.card.live:
                print(button.card.status)
                window.after_idle(window.destroy)

        button.bind("<<SessionChanged>>", changed)
        if HEADLESS:
            button.invoke()
        window.mainloop()


if __name__ == "__main__":
    main()
