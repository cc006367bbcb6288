"""Signed in once, remembered by the next start of the program.

It shows `dump()` and `login(saved_token=…)`: the session as sealed text, its key apart from it, and what to do when
the saved session is too old, changed, or somebody else's.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from authflow import AuthflowError, Session, SessionManager, generate_key
from authflow.providers import Provider
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def start(settings: Provider, key: bytes, file: Path, ada: ScriptedBrowser) -> None:
    """One start of the program: comes back by what was saved, or asks the human, and saves what is there at the end."""
    with SessionManager([settings], sealing_key=key) as manager:
        session = manager["acme"]
        session.on_restore.connect(lambda session, event: print(f"welcome back, {name_of(session)}"))
        session.on_login.connect(lambda session, event: print(f"hello {name_of(session)}"))

        if file.exists():
            try:
                session.login(saved_token=file.read_text(encoding="ascii"))
            except AuthflowError as error:
                print(f"sign in again: {error.message}")
                file.unlink()
        if not session.live:
            session.login(open_url=ada if HEADLESS else None)

        file.touch(mode=0o600)
        file.write_text(session.dump(), encoding="ascii")  # the newest: a renewed token replaces the old one


def name_of(session: Session) -> str:
    return (session.user.name if session.user else None) or "somebody"


def main() -> None:
    key = generate_key()  # a program keeps it in the system's keyring, not beside the file
    with (
        DevProvider(label="Acme").serve() as provider,
        ScriptedBrowser(user="ada") as ada,
        tempfile.TemporaryDirectory() as folder,
    ):
        settings, file = provider.settings("acme"), Path(folder, "session")
        start(settings, key, file, ada)
        start(settings, key, file, ada)
        start(settings, generate_key(), file, ada)  # the key was lost


if __name__ == "__main__":
    main()
