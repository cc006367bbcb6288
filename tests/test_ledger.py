"""The ledger: saved before it is seen, one row of the chart at a time, and nothing of another process overwritten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from authflow.chart import State, Trigger
from authflow.engine import Facts, StaleTrigger, Tokens
from authflow.errors import InvalidTransition, StoreError
from authflow.events import AuthEvent, Origin
from authflow.ledger import Ledger, decode_record
from authflow.records import RECORD_FORMAT, Key, PendingRef, SessionRecord, Token
from authflow.sealing import KeyRing, PlaintextVault, SealedVault, Vault
from authflow.testing import VirtualClock

from .session.support import FaultyStore

KEY = Key("", "acme", "")
STORED = f"session/{KEY}"


class Book:
    """A ledger, what it told, and the store it stands on; `other()` is another process's."""

    def __init__(
        self, store: FaultyStore | None = None, clock: VirtualClock | None = None, vault: Vault | None = None
    ) -> None:
        self.clock = clock or VirtualClock()
        self.store = store or FaultyStore(self.clock)
        self.told: list[AuthEvent] = []
        self.dropped: list[tuple[Trigger, State]] = []
        self.seen_in_store: list[State | None] = []
        self.vault = vault or PlaintextVault()
        self.ledger = Ledger(KEY, "session/", self.store, self.clock, self, self.vault)

    def _publish(self, event: AuthEvent, signals: tuple[str, ...], planned: Any = None) -> AuthEvent:
        self.told.append(event)
        fails, self.store.fails = self.store.fails, lambda call, key: False
        found = self.store.load(STORED)
        self.store.fails = fails
        data = None if found is None else self.vault.unpack(STORED, found[0])[0]
        self.seen_in_store.append(None if data is None else decode_record(data, KEY).state)
        return event

    _publish_beside = _publish

    def _found(self) -> None:
        return

    def _dropped(self, trigger: Trigger, facts: Facts, record: SessionRecord) -> None:
        self.dropped.append((trigger, record.state))

    def other(self) -> Book:
        return Book(self.store, self.clock, self.vault)

    @property
    def triggers(self) -> list[str]:
        return [event.trigger for event in self.told]

    def facts(self, **facts: object) -> Facts:
        return Facts(now=self.ledger.now(), **facts)  # type: ignore[arg-type]

    def commit(self, trigger: Trigger, **facts: object) -> AuthEvent:
        return self.ledger.commit(trigger, self.facts(**facts))

    def sign_in(self, subject: str = "ada", attempt: str = "a") -> Book:
        self.authorize(attempt)
        self.exchange(attempt)
        self.commit(Trigger.AUTHENTICATE, attempt=attempt, tokens=self.tokens(subject))
        return self

    def authorize(self, attempt: str = "a") -> None:
        ref = PendingRef(attempt=attempt, state_hash=attempt, deadline=self.ledger.now() + 600)
        self.commit(Trigger.AUTHORIZE, pending=ref)

    def exchange(self, attempt: str = "a") -> None:
        self.commit(Trigger.CALLBACK, attempt=attempt, deadline=self.ledger.now() + 60)

    def tokens(self, subject: str = "ada", access_token: str = "at") -> Tokens:
        token = Token(access_token, expires_in=3600.0, expires_at=self.ledger.now() + 3600, refresh_token="rt")
        return Tokens(token=token, issuer="https://op.example", subject=subject)

    def renew(self, access_token: str = "at-2") -> None:
        self.commit(Trigger.REFRESH, deadline=self.ledger.now() + 25)
        self.commit(Trigger.REFRESHED, tokens=self.tokens(access_token=access_token))


@pytest.fixture
def book() -> Book:
    return Book()


# ── plan, save, publish ──────────────────────────────────────────────────────────────────────────────


def test_what_is_told_is_in_the_store_already(book: Book) -> None:
    book.sign_in()
    assert book.triggers == ["authorize", "callback", "authenticate"]
    assert book.seen_in_store == [State.AUTHORIZING, State.EXCHANGING, State.AUTHENTICATED]


def test_an_event_carries_the_stores_version(book: Book) -> None:
    book.sign_in()
    revisions = [event.revision for event in book.told]
    assert revisions == sorted(set(revisions))
    assert revisions[-1] == book.ledger.version


def test_a_trigger_that_stands_in_no_row_writes_nothing(book: Book) -> None:
    with pytest.raises(InvalidTransition):
        book.commit(Trigger.REFRESH)
    assert ("swap", STORED) not in book.store.calls
    assert book.told == []


def test_a_rejected_callback_is_told_and_not_written(book: Book) -> None:
    book.authorize()
    book.store.calls.clear()
    book.commit(Trigger.REJECT)
    assert ("swap", STORED) not in book.store.calls
    assert book.triggers == ["authorize", "reject"]


def test_what_cannot_be_saved_did_not_happen(book: Book) -> None:
    book.store.break_down("swap")
    with pytest.raises(StoreError):
        book.authorize()
    assert book.ledger.record.state is State.IDLE
    assert book.told == []


@pytest.mark.parametrize("trigger", [Trigger.FAIL, Trigger.CANCEL, Trigger.TIME_OUT])
def test_a_way_out_holds_although_it_cannot_be_saved(book: Book, trigger: Trigger) -> None:
    book.authorize()
    book.store.break_down("swap")
    book.commit(trigger)
    assert book.ledger.record.state is State.IDLE
    assert book.ledger.unsaved is not None
    book.store.mend()
    assert book.ledger.persist()
    assert book.ledger.unsaved is None
    assert book.other().ledger.load() is False


def test_a_way_out_holds_although_the_winner_of_a_race_cannot_be_read(book: Book) -> None:
    book.authorize()
    other = book.other()
    other.ledger.load()
    other.authorize("b")
    book.store.break_down("load")
    book.commit(Trigger.CANCEL)
    assert book.ledger.record.state is State.IDLE
    assert book.ledger.unsaved is not None


@pytest.mark.parametrize(
    "facts", [{"epoch": 7}, {"generation": 7}, {"attempt": "other"}], ids=lambda facts: next(iter(facts))
)
def test_a_late_event_of_another_login_is_dropped(book: Book, facts: dict[str, object]) -> None:
    book.sign_in()
    with pytest.raises(StaleTrigger):
        book.commit(Trigger.REFRESH, **facts)
    assert book.ledger.record.state is State.AUTHENTICATED
    assert book.dropped == [(Trigger.REFRESH, State.AUTHENTICATED)]


# ── races ────────────────────────────────────────────────────────────────────────────────────────────


def test_who_loses_a_race_learns_what_the_winner_did_and_plans_again(book: Book) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load()
    other.renew("theirs")
    book.commit(Trigger.REFRESH, deadline=book.ledger.now() + 25)
    assert book.triggers[-2:] == ["adopt", "refresh"]
    assert book.ledger.record.token is not None
    assert book.ledger.record.token.access_token == "theirs"


def test_a_renewal_meant_for_older_tokens_is_dropped_when_the_race_is_lost(book: Book) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load()
    other.renew("theirs")
    with pytest.raises(StaleTrigger):
        book.commit(Trigger.REFRESH, generation=book.ledger.record.generation, deadline=0.0)
    assert book.triggers[-1] == "adopt"


def test_who_is_signed_out_elsewhere_cannot_renew_here(book: Book) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load()
    other.commit(Trigger.LOGOUT, reason="user")
    with pytest.raises(InvalidTransition):
        book.commit(Trigger.REFRESH)
    assert book.told[-1].trigger == "revoke"
    assert (book.told[-1].reason, book.told[-1].origin) == ("user", Origin.OTHER_PROCESS.value)


def test_two_threads_commit_one_after_the_other(book: Book) -> None:
    start = threading.Barrier(8)

    def click(number: int) -> None:
        start.wait(5)
        book.authorize(str(number))

    threads = [threading.Thread(target=click, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert book.triggers == ["authorize"] * 8
    assert len({event.revision for event in book.told}) == 8


# ── what other processes did ─────────────────────────────────────────────────────────────────────────


def _logout(other: Book) -> None:
    other.commit(Trigger.LOGOUT, reason="user")


def _somebody_else(other: Book) -> None:
    _logout(other)
    other.sign_in("grace")


def _forgotten(other: Book) -> None:
    _logout(other)
    other.commit(Trigger.FORGET)


@pytest.mark.parametrize(
    ("act", "triggers"),
    [
        (Book.renew, ["adopt"]),
        (_logout, ["revoke"]),
        (_somebody_else, ["revoke", "restore"]),
        (_forgotten, ["revoke"]),
        (lambda other: other.commit(Trigger.REFRESH, deadline=0.0), ["refresh"]),
    ],
    ids=["renewed", "signed out", "somebody else", "forgotten", "renewing"],
)
def test_what_another_process_did_to_a_live_session_is_told_in_rows_of_the_chart(
    book: Book, act: Callable[[Book], None], triggers: list[str]
) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load()
    act(other)
    told = len(book.told)
    book.store.calls.clear()
    book.ledger.catch_up()
    assert book.triggers[told:] == triggers
    assert book.ledger.record == other.ledger.record
    assert ("swap", STORED) not in book.store.calls


def test_catching_up_with_nothing_new_tells_nothing(book: Book) -> None:
    book.sign_in()
    told = len(book.told)
    book.ledger.catch_up()
    book.ledger.catch_up()
    assert len(book.told) == told


def test_a_session_found_at_first_look_is_taken_without_a_word(book: Book) -> None:
    book.sign_in()
    other = book.other()
    assert other.ledger.load()
    assert other.told == []
    assert other.ledger.record == book.ledger.record


def test_a_session_found_at_first_look_is_told_when_asked_for(book: Book) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load(announce=True)
    assert other.triggers == ["restore"]


def test_an_exchange_elsewhere_is_waited_for_in_authorizing(book: Book) -> None:
    book.authorize()
    other = book.other()
    other.ledger.load()
    other.exchange()
    book.ledger.catch_up()
    assert book.ledger.record.state is State.AUTHORIZING
    other.commit(Trigger.AUTHENTICATE, attempt="a", tokens=other.tokens())
    book.ledger.catch_up()
    assert book.triggers == ["authorize", "restore"]


def test_an_exchange_elsewhere_found_at_first_look_ends_in_a_restore(book: Book) -> None:
    book.authorize()
    book.exchange()
    other = book.other()
    other.ledger.load()
    book.commit(Trigger.AUTHENTICATE, attempt="a", tokens=book.tokens())
    other.ledger.catch_up()
    assert other.triggers == ["restore"]
    assert other.ledger.record.state is State.AUTHENTICATED


def test_ones_own_exchange_goes_on_beside_another_processs_login_and_is_the_newer_one(book: Book) -> None:
    book.authorize()
    other = book.other()
    other.ledger.load()
    book.exchange()
    other.ledger.catch_up()
    other.commit(Trigger.CANCEL)
    other.sign_in("grace")
    book.ledger.catch_up()
    assert book.ledger.record.state is State.EXCHANGING
    theirs = other.ledger.record.epoch
    book.commit(Trigger.AUTHENTICATE, attempt="a", tokens=book.tokens("ada"))
    assert book.ledger.record.epoch > theirs
    assert [token.access_token for token in book.ledger.orphans] == ["at"]
    other.ledger.catch_up()
    assert other.triggers[-2:] == ["revoke", "restore"]


def test_ones_own_exchange_that_fails_leaves_the_other_processs_login(book: Book) -> None:
    book.authorize()
    other = book.other()
    other.ledger.load()
    book.exchange()
    other.ledger.catch_up()
    other.commit(Trigger.CANCEL)
    other.sign_in("grace")
    book.ledger.catch_up()
    book.commit(Trigger.FAIL, attempt="a")
    assert book.triggers[-2:] == ["fail", "restore"]
    assert book.ledger.record.subject == "grace"


# ── logout ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_fence_holds_before_anything_is_written(book: Book) -> None:
    book.sign_in()
    book.store.calls.clear()
    ended = book.ledger.fence(Trigger.LOGOUT, book.facts(reason="user"))
    assert ended.token is not None
    assert book.ledger.record.state is State.LOGGED_OUT
    assert ("swap", STORED) not in book.store.calls
    assert book.ledger.persist()
    assert book.other().ledger.load() is False


def test_nothing_to_end_raises_and_changes_nothing(book: Book) -> None:
    with pytest.raises(InvalidTransition):
        book.ledger.fence(Trigger.LOGOUT, book.facts())
    assert book.ledger.unsaved is None


def test_a_tombstone_replaces_what_another_process_renewed_meanwhile_and_keeps_its_tokens_for_revocation(
    book: Book,
) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load()
    book.ledger.fence(Trigger.LOGOUT, book.facts(reason="user"))
    other.renew("theirs")
    assert book.ledger.persist()
    assert "theirs" in [token.access_token for token in book.ledger.orphans]
    other.ledger.catch_up()
    assert other.triggers[-1] == "revoke"


def test_a_tombstone_that_comes_late_does_not_end_a_newer_login(book: Book) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load()
    book.ledger.fence(Trigger.LOGOUT, book.facts(reason="user"))
    _somebody_else(other)
    assert book.ledger.persist()
    assert book.ledger.record.subject == "grace"
    assert book.triggers[-1] == "restore"


# ── time ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("turn", "passed"), [("advance", 60), ("suspend", 60), ("jump", 60)])
def test_time_passes_by_whichever_clock_is_ahead(book: Book, turn: str, passed: float) -> None:
    book.sign_in()
    before = book.ledger.now()
    getattr(book.clock, turn)(60)
    assert book.ledger.now() == before + passed


def test_a_clock_set_back_does_not_turn_back_time(book: Book) -> None:
    book.sign_in()
    before = book.ledger.now()
    book.clock.jump(-3600)
    book.clock.advance(10)
    assert book.ledger.now() == before + 10


# ── what is stored ───────────────────────────────────────────────────────────────────────────────────


def test_a_move_takes_the_record_along_and_leaves_nothing(book: Book) -> None:
    book.sign_in()
    record = book.ledger.record
    book.ledger.move(KEY, Key("new", "acme", ""), "session/")
    assert list(book.store.keys("session/")) == ["session/new/acme/"]
    assert book.ledger.record == record
    book.renew()


def test_a_move_onto_another_session_is_refused(book: Book) -> None:
    book.sign_in()
    book.store.swap("session/new/acme/", 0, b"taken")
    with pytest.raises(StoreError, match="already"):
        book.ledger.move(KEY, Key("new", "acme", ""), "session/")
    book.renew()


def test_a_move_from_where_it_is_no_longer_is_refused(book: Book) -> None:
    """Two callbacks of one browser take its other sessions along, each to its own place."""
    book.sign_in()
    book.ledger.move(KEY, Key("new", "acme", ""), "session/")
    with pytest.raises(StoreError, match="elsewhere"):
        book.ledger.move(KEY, Key("newer", "acme", ""), "session/")
    assert list(book.store.keys("session/")) == ["session/new/acme/"]
    book.renew()


def test_a_move_of_what_another_process_has_changed_is_undone(book: Book) -> None:
    book.sign_in()
    other = book.other()
    other.ledger.load()
    other.renew("theirs")
    with pytest.raises(StoreError, match="meanwhile"):
        book.ledger.move(KEY, Key("new", "acme", ""), "session/")
    assert list(book.store.keys("session/")) == [STORED]
    assert book.ledger.key == KEY


@pytest.mark.parametrize(
    "data",
    [b"", b"\xc1", b"not msgpack", msgspec.msgpack.encode([1, 2]), b"\x91" * 100_000],
    ids=lambda data: repr(data[:8]),
)
def test_bytes_that_are_no_record_raise_without_being_quoted(data: bytes) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        decode_record(data, KEY)


def test_a_record_of_a_newer_version_is_left_alone() -> None:
    data = msgspec.msgpack.encode(replace(SessionRecord(), format=RECORD_FORMAT + 1))
    with pytest.raises(StoreError, match="newer version"):
        decode_record(data, KEY)


def test_a_sealed_record_shows_nothing_and_comes_back() -> None:
    book = Book(vault=SealedVault(KeyRing(bytes(32))))
    book.sign_in()
    found = book.store.load(STORED)
    assert found is not None
    assert b"at" not in found[0]
    other = book.other()
    assert other.ledger.load()
    assert other.ledger.record == book.ledger.record
