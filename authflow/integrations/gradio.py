"""Gradio: a session beside an interface, looked at again every second.

    auth = Auth(AsyncSessionManager([GitHub.from_env()]), base_url="http://127.0.0.1:7860")
    with gr.Blocks() as demo:
        auth.user_card()                                  # who is signed in, and what went wrong
        auth.button()                                     # Sign in with GitHub · Sign out
        answer = gr.Markdown()
        ask = gr.Button("Ask")
        ask.click(auth.protected(lambda session: f"hello {session.user.name}"), None, answer)
    app = FastAPI()
    app.include_router(auth.router)
    app = gr.mount_gradio_app(app, demo, path="/")        # uvicorn serves app; demo.launch() has no routes

An interface of Gradio is the same for everybody, so nothing that is protected stands in it: it comes from functions
that `protected` guards, which are given the session of the browser that asks. Signing in and out are the routes of
`web`; a timer looks at the session (`every`, in seconds) while a page is open, and there is nothing to forget.

`pip install 'authflow-sessions[gradio]'`
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import MissingExtra
from .markup import card_html

try:
    import gradio as gr
except ImportError as missing:
    raise MissingExtra(
        "This bridge needs gradio, which is not installed.",
        hint="Install it: pip install 'authflow-sessions[gradio]'",
    ) from missing

from . import fastapi
from .web import Asked
from .web.exchange import is_from_here
from .web.visit import Visit, visit_by

__all__ = ["Auth"]


class Auth(fastapi.Auth):
    """See `starlette.Auth`; and what stands in an interface. `provider`: one of several, by name."""

    def user_card(self, provider: str | None = None, *, every: float = 1.0) -> gr.HTML:
        """Who is signed in, or that nobody is, and what went wrong."""
        return self._watched(provider, every, lambda visit: card_html(visit.look()))

    def button(self, provider: str | None = None, *, every: float = 1.0) -> gr.HTML:
        """A link that signs in, or a form that signs out."""
        return self._watched(provider, every, lambda visit: visit.button(visit.look()))

    def protected(self, act: Callable[..., Any], provider: str | None = None) -> Callable[..., Any]:
        """`act(session, …)` as a function for Gradio's events; who is not signed in is told to do that first."""

        async def guarded(request: gr.Request, *inputs: Any) -> Any:
            session = self._visit(request, provider).session
            if session is None:
                raise gr.Error("Sign in first.", print_exception=False)
            found = act(session, *inputs)
            return await found if inspect.isawaitable(found) else found

        return guarded

    def _visit(self, request: gr.Request, provider: str | None) -> Visit:
        """Who asks; nobody, if it is another site's page: Gradio lets any page read its answers, cookies or not."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        own = is_from_here(Asked("POST", headers=headers), self.desk.places.origin)
        return visit_by(self.desk, headers.get("cookie", "") if own else "", provider)

    def _watched(self, provider: str | None, every: float, show: Callable[[Visit], str]) -> gr.HTML:
        def first(request: gr.Request) -> str:
            return show(self._visit(request, provider))

        def again(shown: str, request: gr.Request) -> Any:
            html = first(request)
            return gr.skip() if html == shown else html

        element = gr.HTML()
        options: dict[str, Any] = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
        gr.on(None, first, None, element, **options)  # when the page is opened
        gr.Timer(every).tick(again, element, element, **options)
        return element
