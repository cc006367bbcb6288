"""A session on a screen, in both colours: what is shown is the truth, and what nobody shows any more costs nothing."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import ConfigurationError
from authflow.integrations.live import Card, Live, look
from authflow.integrations.web import streams
from authflow.testing import DevProvider, ScriptedBrowser, VirtualClock, expire, fail_next_refresh, revoke, signed_in
from tests.session.support import FaultyStore, go, on_thread

from .memory import left_behind
from .screens import Screen

MANAGERS: dict[str, Any] = {"sync": SessionManager, "async": AsyncSessionManager}


@pytest.fixture(params=MANAGERS)
def colour(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def provider() -> Iterator[DevProvider]:
    with DevProvider(label="Acme").serve() as served:
        yield served


@pytest.fixture
async def manager(colour: str, provider: DevProvider) -> Any:
    made = MANAGERS[colour]([provider.settings("acme")])
    yield made
    await go(made.close())


@pytest.fixture
def screen() -> Iterator[Screen]:
    with Screen() as made:
        yield made


async def until(screen: Screen, **facts: object) -> Card:
    """The newest card, as soon as it says so."""
    return await on_thread(screen.until, lambda card: all(getattr(card, name) == is_ for name, is_ in facts.items()))


def card_of(**facts: Any) -> Card:
    return Card(**{"provider": "acme", "label": "Acme", "state": "idle", **facts})


# ── what is shown ────────────────────────────────────────────────────────────────────────────────────


async def test_no_name_moves_a_terminals_cursor_or_turns_a_line(manager: Any) -> None:
    user = {"sub": "1", "name": "Ada\x1b]0;owned\x07\u202eada\x9b2J", "email": "a\x1b[2J@acme.test"}
    card = look(await go(signed_in(manager, "acme", user=user)))
    assert card.status.isprintable()
    assert (card.name, card.email) == ("Ada ]0;owned ada 2J", "a [2J@acme.test")


@pytest.mark.parametrize(
    ("written", "shown"),
    [("https://acme.test/ada.png", "https://acme.test/ada.png"), ("javascript:alert(1)", None), ("data:,x", None)],
)
async def test_no_page_is_given_a_picture_that_is_a_script(manager: Any, written: str, shown: str | None) -> None:
    session = await go(signed_in(manager, "acme", user={"sub": "1", "picture": written}))
    assert look(session).picture == (shown or "")
    assert streams.card_of(session)["user"]["picture"] == shown


async def test_the_present_is_shown_at_once_and_every_change_after_it(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    assert (await until(screen, state="idle")).button == "Sign in with Acme"

    session = await go(signed_in(manager, "acme", user={"sub": "1", "name": "Ada Lovelace", "email": "ada@acme.test"}))
    card = await until(screen, live=True)
    assert (card.status, card.button, card.initials) == ("Signed in as Ada Lovelace", "Sign out", "AL")
    assert card.email == "ada@acme.test"

    await go(session.refresh())
    assert (await until(screen, seq=5)).state == "authenticated"
    await go(session.logout())
    card = await until(screen, state="logged_out")
    assert (card.status, card.note, card.button) == ("Not signed in", "", "Sign in with Acme")
    live.close()


async def test_it_is_painted_where_the_framework_paints(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    await go(signed_in(manager, "acme"))
    await until(screen, live=True)
    assert screen.painted_on == {screen.thread}
    live.close()


@pytest.mark.parametrize("end", [expire, revoke])
async def test_a_session_that_ended_by_itself_says_so(manager: Any, screen: Screen, end: Any) -> None:
    session = await go(signed_in(manager, "acme"))
    live = Live(session, screen.paint, post=screen.post)
    await go(end(session))
    card = await until(screen, state="logged_out")
    assert (card.live, card.note) == (False, "Your session has ended. Sign in again.")
    live.close()


async def test_a_renewal_that_failed_leaves_the_user_signed_in_and_is_told(manager: Any, screen: Screen) -> None:
    session = await go(signed_in(manager, "acme"))
    live = Live(session, screen.paint, post=screen.post)
    fail_next_refresh(session)
    with pytest.raises(Exception, match="temporarily_unavailable"):
        await go(session.refresh())
    card = await on_thread(screen.until, lambda card: card.note)
    assert card.live
    assert "temporarily_unavailable" in card.note
    live.close()


# ── signing in and out from it ───────────────────────────────────────────────────────────────────────


async def test_pressing_signs_in_and_then_out_and_returns_at_once(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    await until(screen, state="idle")
    with ScriptedBrowser(user="ada") as ada:
        live.press(open_url=ada)
        await until(screen, name="Ada Lovelace")
        live.press()
        await until(screen, state="logged_out")
        live.press(open_url=ada)
        await until(screen, name="Ada Lovelace")
    live.close()


async def test_who_says_no_is_told_so_calmly(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    with ScriptedBrowser(deny=True) as nobody:
        live.sign_in(open_url=nobody)
        card = await on_thread(screen.until, lambda card: card.note)
    assert (card.state, card.calm) == ("idle", True)
    assert "access_denied" in card.note
    live.close()


async def test_the_button_cancels_while_the_human_is_away(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    with ScriptedBrowser(never=True) as away:
        live.press(open_url=away)
        card = await until(screen, pending=True)
        assert (card.button, card.status) == ("Cancel", "Waiting for you in the browser")
        live.press()
        card = await until(screen, state="idle", pending=False)
    assert (card.note, card.calm) == ("The sign-in was cancelled. Sign in again when you are ready.", True)
    live.close()


async def test_a_deadline_that_passed_is_told(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    with ScriptedBrowser(never=True) as away:
        live.sign_in(open_url=away, timeout=0.2)
        card = await on_thread(screen.until, lambda card: card.note)
    assert (card.state, card.note, card.calm) == (
        "idle",
        "Nobody came back from the provider in time. Sign in again.",
        False,
    )
    live.close()


async def test_a_provider_that_is_down_is_told(colour: str, screen: Screen) -> None:
    with DevProvider(label="Acme").serve() as gone:
        settings = gone.settings("acme")
    made = MANAGERS[colour]([settings])
    live = Live(made["acme"], screen.paint, post=screen.post)
    live.sign_in()
    card = await on_thread(screen.until, lambda card: card.note)
    assert card.state == "idle"
    assert "127.0.0.1" in card.note
    live.close()
    await go(made.close())


async def test_what_no_event_tells_is_shown_all_the_same(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    live.sign_in(scope="one string")
    card = await on_thread(screen.until, lambda card: card.note)
    assert card.note.startswith("scope must be a list of strings")
    live.close()


async def test_a_second_press_needs_no_words(manager: Any, screen: Screen) -> None:
    live = Live(manager["acme"], screen.paint, post=screen.post)
    with ScriptedBrowser(never=True) as away:
        live.sign_in(open_url=away)
        await until(screen, pending=True)
        live.sign_in(saved_token="none")  # refused: one is under way, or it is none; the screen stays what it is
        live.cancel()
        await until(screen, state="idle")
    live.close()


def test_an_async_session_without_a_loop_is_refused_with_the_remedy(provider: DevProvider) -> None:
    made = AsyncSessionManager([provider.settings("acme")])
    with pytest.raises(ConfigurationError, match="Pass loop="):
        Live(made["acme"], print, post=print)
    asyncio.run(made.aclose())


# ── a store that cannot be read ──────────────────────────────────────────────────────────────────────


async def test_an_unreadable_store_is_not_shown_as_signed_out(colour: str, provider: DevProvider) -> None:
    store = FaultyStore(VirtualClock())
    made = MANAGERS[colour]([provider.settings("acme")], store=store)
    store.break_down("load")
    card = look(made["acme"])
    assert (card.state, card.live) == ("", False)
    assert card.status == "It cannot be read whether you are signed in"
    assert card.note == "The disk is gone. Plug it in."
    await go(made.close())


# ── old events, stalled screens, screens that are gone ───────────────────────────────────────────────


async def test_a_screen_that_stands_still_holds_one_paint_and_then_shows_the_newest(manager: Any) -> None:
    jobs: list[Any] = []
    shown: list[Card] = []
    live = Live(manager["acme"], shown.append, post=jobs.append)
    session = await go(signed_in(manager, "acme"))
    await go(session.logout())
    assert len(jobs) == 1

    jobs.pop()()
    assert [card.state for card in shown] == ["logged_out"]
    live.close()


async def test_an_event_that_comes_late_is_dropped(manager: Any) -> None:
    shown: list[Card] = []
    live = Live(manager["acme"], shown.append, post=lambda paint: paint())
    events: list[Any] = []
    manager["acme"].on_transition.connect(lambda session, event: events.append(event))
    session = await go(signed_in(manager, "acme"))
    before = len(shown)

    live._receive(session, events[0])  # as from a thread that dawdled

    assert len(shown) == before
    assert shown[-1].live
    live.close()


async def test_a_post_that_fails_loses_one_paint_and_no_more(manager: Any) -> None:
    shown: list[Card] = []
    broken = True

    def post(paint: Any) -> None:
        if broken:
            raise RuntimeError("not now")
        paint()

    errors: list[Any] = []
    manager.on_receiver_error.connect(lambda session, **facts: errors.append(facts["error"]))
    broken = False
    live = Live(manager["acme"], shown.append, post=post)
    broken = True
    session = await go(signed_in(manager, "acme"))
    broken = False
    await go(session.logout())
    assert errors
    assert shown[-1].state == "logged_out"
    live.close()


async def test_after_close_nothing_is_shown_not_even_what_was_posted(manager: Any) -> None:
    jobs: list[Any] = []
    shown: list[Card] = []
    live = Live(manager["acme"], shown.append, post=jobs.append)
    live.close()
    live.close()
    await go(signed_in(manager, "acme"))
    for job in jobs:
        job()
    assert shown == []
    assert len(manager.on_transition) == 0


class Widget:
    def __init__(self, session: Any, screen: Any) -> None:
        self.live = Live(session, self.paint, post=screen)

    def paint(self, card: Card) -> None:
        self.card = card


async def test_the_subscription_dies_with_the_widget(manager: Any) -> None:
    widget = Widget(manager["acme"], lambda paint: paint())
    gone = weakref.ref(widget)
    del widget
    assert gone() is None  # at once: no cycle holds it
    assert len(manager.on_transition) == 0


async def test_an_owner_that_is_gone_ends_a_plain_function_too(manager: Any) -> None:
    class Page: ...

    page = Page()
    live = Live(manager["acme"], lambda card: None, post=lambda paint: paint(), owner=page)
    del page
    assert live.closed
    assert len(manager.on_transition) == 0


async def test_ten_thousand_widgets_leave_no_memory(manager: Any) -> None:
    session = await go(signed_in(manager, "acme"))

    def come_and_go(times: int) -> None:
        for number in range(times):
            widget = Widget(session, lambda paint: paint())
            if number % 2:
                widget.live.close()

    left = left_behind(come_and_go)
    assert len(manager.on_transition) == 0
    assert left < 100_000  # ten bytes for each would be more


async def test_ten_thousand_at_once_leave_no_memory_either(manager: Any) -> None:
    session = manager["acme"]
    few = [Widget(session, lambda paint: paint()) for _ in range(100)]
    assert len(manager.on_transition) == 100
    few.clear()
    assert len(manager.on_transition) == 0


# ── threads ──────────────────────────────────────────────────────────────────────────────────────────


def test_two_threads_that_change_and_show_leave_the_newest_on_the_screen(provider: DevProvider) -> None:
    with SessionManager([provider.settings("acme")]) as manager, Screen() as screen:
        session = signed_in(manager, "acme")
        stop = threading.Event()

        def look_all_the_time() -> None:
            while not stop.is_set():
                Live(session, screen.paint, post=screen.post).close()

        watcher = threading.Thread(target=look_all_the_time)
        watcher.start()
        live = Live(session, screen.paint, post=screen.post)
        for _ in range(50):
            session.refresh()
        session.logout()
        stop.set()
        watcher.join()
        screen.until(lambda card: card.state == "logged_out")
        assert live.card.seq == 3 + 2 * 50 + 1


@pytest.mark.parametrize(
    ("card", "initials"),
    [
        (card_of(name="Ada Lovelace"), "AL"),
        (card_of(name="grace@acme.test"), "GA"),
        (card_of(name="Prince"), "P"),
        (card_of(name="Augusta Ada King (Lovelace)"), "AK"),
        (card_of(), ""),
    ],
)
def test_a_face_without_a_picture_has_initials(card: Card, initials: str) -> None:
    assert card.initials == initials
