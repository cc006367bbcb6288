"""What is told to a page that Flet has let go of."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

from flet.messaging.session import Session
from flet.pubsub.pubsub_hub import PubSubHub

from authflow.integrations.flet.telling import Telling


async def test_what_arrives_after_a_page_is_gone_is_dropped_in_silence() -> None:
    loop = asyncio.get_running_loop()
    troubles: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, trouble: troubles.append(trouble))
    session = Session(SimpleNamespace(loop=loop, pubsubhub=PubSubHub(loop=loop), page_url="http://localhost"))
    page = session.page
    telling = Telling(page, shows_window=False)
    told: list[str] = []
    telling.post(lambda: told.append("while it is there"))
    await asyncio.sleep(0)
    del session
    gc.collect()
    telling.post(lambda: told.append("when it is gone"))
    await asyncio.sleep(0)
    assert told == ["while it is there"]
    assert troubles == []
