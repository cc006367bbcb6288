"""What Gradio and Streamlit look at each second, and Panel at each page: who comes with this cookie. It is not kept."""

from __future__ import annotations

from typing import Any

import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.integrations.markup import card_html
from authflow.integrations.web import Desk
from authflow.integrations.web.cookies import new_secret, owner_of
from authflow.integrations.web.visit import visit_by
from authflow.providers import GitHub
from authflow.testing import signed_in

from .memory import left_behind


@pytest.mark.parametrize("kind", [SessionManager, AsyncSessionManager])
async def test_ten_thousand_visits_of_ada_and_of_ten_thousand_strangers_leave_nothing_behind(kind: Any) -> None:
    manager = kind([GitHub("id", "secret", name="acme")])
    desk, hers = Desk(manager, base_url="http://127.0.0.1:8000"), new_secret()
    made = signed_in(manager.owner(owner_of(hers)), "acme", user={"id": 1, "name": "Ada"})
    if kind is AsyncSessionManager:
        await made

    def look(secret: str) -> str:
        visit = visit_by(desk, f"{desk.cookies.owner_name}={secret}", "acme")
        card = visit.look()
        return card_html(card) + visit.button(card)

    def come_and_go(times: int) -> None:
        for _ in range(times):
            assert "Ada" in look(hers)
            assert "Not signed in" in look(new_secret())

    left = left_behind(come_and_go)
    assert len(manager.on_transition) == 0
    assert left < 25_000  # not three bytes for each
    closed = manager.close()
    if kind is AsyncSessionManager:
        await closed
