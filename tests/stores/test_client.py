"""The store on the client: over any key-value storage, sync or async."""

from __future__ import annotations

import asyncio
import base64
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import ConfigurationError, StoreError
from authflow.stores import Conflict
from authflow.stores.client import ClientStore
from authflow.testing import DevProvider
from tests.session.support import KEY, REDIRECT_URI, go
from tests.test_readme import ROOT

from .contract import Heard, LockContract, Opener, in_threads, made


class Preferences:
    """What a framework gives: text by name, on the client. It counts, and can be made to fail."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.writes: list[str] = []
        self.broken = False

    def get(self, name: str) -> str | None:
        self._check()
        return self.kept.get(name)

    def set(self, name: str, text: str) -> None:
        self._check()
        assert isinstance(text, str)
        self.writes.append(name)
        self.kept[name] = text

    def remove(self, name: str) -> None:
        self._check()
        del self.kept[name]  # some raise for a name that is not there

    def _check(self) -> None:
        if self.broken:
            raise RuntimeError("s3cret: no client")

    def store(self, **given: Any) -> ClientStore:
        return ClientStore(self.get, self.set, self.remove, **given)


class AsyncPreferences(Preferences):
    """The same, answered by the client over a connection that lives on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = asyncio.Event()

    async def _ask(self) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.asked.set()
        await self.answers.wait()
        await asyncio.sleep(0)

    async def get(self, name: str) -> str | None:  # type: ignore[override]
        await self._ask()
        return super().get(name)

    async def set(self, name: str, text: str) -> None:  # type: ignore[override]
        await self._ask()
        super().set(name, text)

    async def remove(self, name: str) -> None:  # type: ignore[override]
        await self._ask()
        super().remove(name)

    def store(self, **given: Any) -> ClientStore:
        return super().store(**{"loop": self.loop, **given})


@pytest.fixture
def preferences() -> Preferences:
    return Preferences()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A framework's event loop, on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def on(loop: asyncio.AbstractEventLoop) -> AsyncPreferences:
    async def make() -> AsyncPreferences:
        return AsyncPreferences(loop)

    return asyncio.run_coroutine_threadsafe(make(), loop).result(10)


class TestOverSyncFunctions(LockContract):
    @pytest.fixture
    def opener(self, preferences: Preferences) -> Opener:
        return preferences.store


class TestOverAsyncFunctions(LockContract):
    @pytest.fixture
    def opener(self, loop: asyncio.AbstractEventLoop) -> Opener:
        return on(loop).store


# ── what lies on the client ──


def test_only_names_with_the_prefix_are_touched(preferences: Preferences) -> None:
    preferences.kept = {"theme": "dark"}
    store = preferences.store(prefix="auth.")
    version = made(store, "a", b"x")
    assert all(name == "theme" or name.startswith("auth.") for name in preferences.kept)
    store.swap("a", version, None)
    assert "auth.=a" not in preferences.kept
    assert preferences.kept["theme"] == "dark"


def test_a_key_named_as_the_list_of_keys_does_not_meet_it(preferences: Preferences) -> None:
    store = preferences.store()
    made(store, "keys", b"x")
    assert list(store.keys("")) == ["keys"]


def test_what_was_stored_is_there_after_a_restart(preferences: Preferences) -> None:
    version = made(preferences.store(), "a", b"x")
    again = preferences.store()
    assert again.load("a") == (b"x", version)
    assert list(again.keys("")) == ["a"]


def test_a_change_costs_one_write(preferences: Preferences) -> None:
    store = preferences.store()
    version = made(store, "a", b"x")
    preferences.writes.clear()
    store.swap("a", version, b"y")
    assert preferences.writes == ["authflow.=a"]


def test_what_has_expired_is_cleared_away_when_something_new_comes(preferences: Preferences) -> None:
    now = [1_800_000_000.0]
    store = preferences.store(time=lambda: now[0])
    made(store, "pending/1", b"x", ttl=60)
    now[0] += 61
    made(store, "pending/2", b"x", ttl=60)
    assert "authflow.=pending/1" not in preferences.kept


def test_a_key_whose_making_was_cut_off_is_not_there(preferences: Preferences) -> None:
    store = preferences.store()
    made(store, "a", b"x")
    del preferences.kept["authflow.=a"]  # listed, but never written
    assert list(store.keys("")) == []
    assert store.load("a") is None
    made(store, "a", b"y")


def test_two_stores_on_one_client_see_each_other(preferences: Preferences) -> None:
    first, second = preferences.store(), preferences.store()
    version = made(first, "a", b"x")
    newer = second.swap("a", version, b"y")
    assert isinstance(first.swap("a", version, b"z"), Conflict)
    assert first.load("a") == (b"y", newer)


@pytest.mark.parametrize(
    "text",
    ["", "x", "2 1 - AAAA", "1 0 - AAAA", "1 x - AAAA", "1 1 x AAAA", "1 1 - !!!!", "1 1 - A", "{}", 7, b"1 1 - "],
)
def test_what_is_not_the_stores_is_refused_and_left_as_it_is(preferences: Preferences, text: Any) -> None:
    preferences.kept["authflow.=a"] = text
    store = preferences.store()
    with pytest.raises(StoreError, match="not this store's"):
        store.load("a")
    with pytest.raises(StoreError):
        store.swap("a", 0, b"x")
    assert preferences.kept["authflow.=a"] == text


@pytest.mark.parametrize("text", ["", "[]", "7", '{"a": "x"}', "[" * 100_000])
def test_a_damaged_list_of_keys_is_refused_and_left_as_it_is(preferences: Preferences, text: str) -> None:
    preferences.kept["authflow.keys"] = text
    with pytest.raises(StoreError):
        list(preferences.store().keys(""))
    with pytest.raises(StoreError):
        preferences.store().swap("a", 0, b"x")
    assert preferences.kept == {"authflow.keys": text}


def test_a_client_that_fails_is_a_store_error_without_its_words(preferences: Preferences) -> None:
    store = preferences.store()
    version = made(store, "a", b"x")
    preferences.broken = True
    for call in (lambda: store.load("a"), lambda: store.swap("a", version, b"y"), lambda: list(store.keys(""))):
        with pytest.raises(StoreError) as caught:
            call()
        assert "s3cret" not in str(caught.value)
        assert caught.value.hint
    preferences.broken = False
    assert store.load("a") == (b"x", version)


# ── async storages ──


def test_async_functions_without_their_loop_are_refused(loop: asyncio.AbstractEventLoop) -> None:
    with pytest.raises(ConfigurationError, match="loop is not known"):
        on(loop).store(loop=None).load("a")


def test_a_client_that_does_not_answer_is_given_up(loop: asyncio.AbstractEventLoop) -> None:
    preferences = on(loop)
    store = preferences.store(timeout=0.05)
    loop.call_soon_threadsafe(preferences.answers.clear)
    with pytest.raises(StoreError, match="did not answer within"):
        store.load("a")
    loop.call_soon_threadsafe(preferences.answers.set)
    assert preferences.store().load("a") is None


def test_a_loop_that_has_ended_is_a_store_error() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    store = Preferences().store(loop=loop)
    with pytest.raises(StoreError, match="does not run"):
        store.load("a")


def test_sync_functions_that_belong_to_a_loop_are_called_there(loop: asyncio.AbstractEventLoop) -> None:
    threads = set[int]()

    class Here(Preferences):
        def _check(self) -> None:
            threads.add(threading.get_ident())

    store = Here().store(loop=loop)
    made(store, "a", b"x")
    assert threads == {asyncio.run_coroutine_threadsafe(_thread(), loop).result(10)}
    assert asyncio.run_coroutine_threadsafe(_load(store), loop).result(10) is not None


async def _thread() -> int:
    return threading.get_ident()


async def _load(store: ClientStore) -> Any:
    return store.load("a")


@pytest.fixture
async def here() -> AsyncPreferences:
    """A storage on the loop of the test itself."""
    return AsyncPreferences(asyncio.get_running_loop())


async def test_on_its_own_loop_a_store_that_was_not_opened_says_what_to_do(here: AsyncPreferences) -> None:
    store = here.store()
    for call in (lambda: store.load("a"), lambda: list(store.keys("")), lambda: store.swap("a", 0, b"x")):
        with pytest.raises(StoreError) as caught:
            call()
        assert "await store.open()" in caught.value.hint
    assert here.kept == {}


async def test_on_its_own_loop_an_opened_store_gives_what_it_read_last(here: AsyncPreferences) -> None:
    version = await asyncio.to_thread(made, here.store(), "a", b"x")
    store = await here.store().open()
    assert store.load("a") == (b"x", version)
    assert store.load("b") is None
    assert list(store.keys("")) == ["a"]
    newer = await asyncio.to_thread(store.swap, "a", version, b"y")
    assert store.load("a") == (b"y", newer)


async def test_the_loop_never_waits_for_a_thread_that_waits_for_it(here: AsyncPreferences) -> None:
    store = await here.store(timeout=30).open()
    here.answers.clear()
    here.asked.clear()
    writing = asyncio.create_task(asyncio.to_thread(store.swap, "a", 0, b"x"))
    await here.asked.wait()
    assert store.load("a") is None
    here.answers.set()
    assert isinstance(await writing, int)
    assert store.load("a") is not None


def test_threads_of_one_client_lose_no_update(loop: asyncio.AbstractEventLoop) -> None:
    store = on(loop).store()
    heard = Heard()
    store.watch(heard)
    names = iter("abcd")
    in_threads(4, lambda: made(store, next(names), b"x") and None)
    assert sorted(store.keys("")) == sorted(heard.keys) == ["a", "b", "c", "d"]


# ── under a manager ──


@pytest.fixture
def provider() -> Iterator[DevProvider]:
    provider = DevProvider(auto="ada", algorithm="ES256", rotation="strict")
    with provider.serve():
        yield provider


async def sign_in(session: Any) -> None:
    request = await go(session.begin())
    with httpx.Client() as browser:
        back = (await asyncio.to_thread(browser.get, request.url)).headers["location"]
    await go(session.complete(back, binding=request.binding))


async def test_a_saved_token_is_never_a_spent_one(preferences: Preferences, provider: DevProvider) -> None:
    settings = provider.settings("acme", redirect_uri=REDIRECT_URI)
    for visit in range(4):
        with SessionManager([settings], store=preferences.store(), sealing_key=KEY, single_user=True) as manager:
            if visit == 0:
                await sign_in(manager["acme"])
            manager["acme"].refresh()  # a strict provider: a spent token would end the family
            assert manager["acme"].live


async def test_nothing_on_the_client_can_be_read_there(preferences: Preferences, provider: DevProvider) -> None:
    settings = provider.settings("acme", redirect_uri=REDIRECT_URI)
    with SessionManager([settings], store=preferences.store(), sealing_key=KEY, single_user=True) as manager:
        await sign_in(manager["acme"])
        token = manager["acme"].token().access_token
    entries = [text for name, text in preferences.kept.items() if "=" in name]
    kept = b"".join(base64.urlsafe_b64decode(text.split(" ")[3]) for text in entries)
    assert kept
    assert token.encode() not in kept


async def test_an_async_manager_on_the_clients_own_loop(here: AsyncPreferences, provider: DevProvider) -> None:
    settings = provider.settings("acme", redirect_uri=REDIRECT_URI)
    for visit in range(3):
        store = await here.store().open()
        async with AsyncSessionManager([settings], store=store, sealing_key=KEY, single_user=True) as manager:
            if visit == 0:
                await sign_in(manager["acme"])
            else:
                (report,) = await manager.restore()
                assert report.restored
            await manager["acme"].refresh()
            assert manager["acme"].live


def test_the_code_of_the_documentation_runs() -> None:
    page = (ROOT / "docs" / "stores.md").read_text(encoding="utf-8")
    (block,) = [one for one in re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S) if "ClientStore" in one]
    names: dict[str, Any] = {}
    exec(block, names)
    made(names["store"], "a", b"x")
    assert "authflow.=a" in names["kept"]
