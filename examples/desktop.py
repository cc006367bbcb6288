"""A program on the user's machine: sign in with the browser, call the API, sign out.

It shows the loopback login (RFC 8252), a greeting by signal, `session.auth` on requests, and what a logout did.
The provider is authflow's own development provider; put `GitHub.from_env()` in its place for the real one.
"""

from __future__ import annotations

import os

import httpx

from authflow import LoginCancelled, LoginDenied, LoginFailed, Session, SessionManager
from authflow.events import AuthEvent
from authflow.testing import DevProvider, ScriptedBrowser

HEADLESS = bool(os.environ.get("AUTHFLOW_EXAMPLE_HEADLESS"))


def greet(session: Session, event: AuthEvent) -> None:
    name = session.user.name if session.user else "somebody"
    print(f"hello {name} from {session.provider.label}")


def main() -> None:
    with (
        DevProvider(label="Acme").serve() as provider,
        ScriptedBrowser(user="ada") as ada,
        SessionManager([provider.settings("acme")]) as manager,
    ):
        manager.on_login.connect(greet)
        acme = manager["acme"]
        try:
            acme.login(open_url=ada if HEADLESS else None, timeout=300)
        except (LoginDenied, LoginCancelled):
            print("as you like; nothing happened")
            return
        except LoginFailed as error:
            print(f"not signed in: {error}")
            return

        answer = httpx.get(f"{provider.url}/api/me", auth=acme.auth)
        print(f"the API answered {answer.status_code}; {acme.explain()}")

        result = acme.logout()
        print(f"signed out; revoked at the provider: {', '.join(result.revoked)}")


if __name__ == "__main__":
    main()
