"""The engine held against the table, against the stock machine, and against itself."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from transitions import Machine, MachineError

from authflow import engine
from authflow.chart import CHART, LIVE, PENDING, State, Trigger
from authflow.engine import Facts, Scratch, StaleTrigger, Tokens, build_machine, next_deadline, step
from authflow.errors import InvalidTransition
from authflow.records import BLANK, Key, PendingRef, SessionRecord, Token

KEY = Key("", "acme", "")
NOW = 1_800_000_000.0
TOKENS = Tokens(
    token=Token(access_token="at", refresh_token="rt", expires_in=3600.0, expires_at=NOW + 3600),
    issuer="https://acme.example",
    subject="ada",
)


def record_in(state: State) -> SessionRecord:
    """A record as a session in `state` has it."""
    pending = (PendingRef(attempt="a1", state_hash="h1", deadline=NOW + 600),)
    return {
        State.IDLE: BLANK,
        State.AUTHORIZING: SessionRecord(state=State.AUTHORIZING, pending=pending),
        State.EXCHANGING: SessionRecord(state=State.EXCHANGING, attempt="a1", deadline=NOW + 60),
        State.AUTHENTICATED: SessionRecord(state=State.AUTHENTICATED, epoch=1, generation=1, token=TOKENS.token),
        State.REFRESHING: SessionRecord(
            state=State.REFRESHING, epoch=1, generation=1, token=TOKENS.token, deadline=NOW + 25
        ),
        State.LOGGED_OUT: SessionRecord(state=State.LOGGED_OUT, epoch=2, reason="user"),
    }[state]


CELLS = [(state, trigger) for state in State for trigger in Trigger]
ROWS = {row.trigger: row for row in CHART}


@pytest.mark.parametrize(("state", "trigger"), CELLS, ids=lambda part: str(part))
def test_every_state_answers_every_trigger_as_the_table_says(state: State, trigger: Trigger) -> None:
    record, row = record_in(state), ROWS[trigger]
    if state not in row.sources:
        with pytest.raises(InvalidTransition) as refused:
            step(KEY, record, trigger, Facts(now=NOW))
        assert str(state) in str(refused.value)
        assert str(trigger) in str(refused.value)
        assert "Allowed now" in refused.value.hint
        return

    done = step(KEY, record, trigger, Facts(now=NOW, tokens=TOKENS))

    assert done.record.state is row.target
    assert (done.event.source, done.event.target) == (state.value, row.target.value)
    assert done.event.live is row.target.live
    assert done.signals[0] == "on_transition"
    assert (row.emits in done.signals) if row.emits else ("on_login" not in done.signals)
    assert ("on_live_changed" in done.signals) is (state.live is not row.target.live)


def test_a_refused_trigger_changes_nothing() -> None:
    record = record_in(State.IDLE)
    with pytest.raises(InvalidTransition):
        step(KEY, record, Trigger.CALLBACK, Facts(now=NOW))
    assert record == BLANK


def test_the_machine_holds_no_session() -> None:
    assert engine.MACHINE.models == []
    step(KEY, BLANK, Trigger.AUTHORIZE, Facts(now=NOW))
    assert engine.MACHINE.models == []


def test_the_machine_agrees_with_the_stock_machine_on_random_walks() -> None:
    class Model:
        state: str

    model = Model()
    stock = Machine(
        model,
        states=[state.value for state in State],
        initial=State.IDLE.value,
        transitions=[
            {"trigger": row.trigger.value, "source": source.value, "dest": row.target.value}
            for row in CHART
            for source in row.sources
        ],
        auto_transitions=False,
        send_event=True,
    )
    ours, scratch = build_machine(), Scratch(State.IDLE.value)
    dice = random.Random(20261122)
    triggers = [trigger.value for trigger in Trigger]
    taken = 0
    for _ in range(20_000):
        trigger = dice.choice(triggers)
        try:
            theirs = bool(stock.events[trigger].trigger(model))
        except MachineError:
            theirs = False
        assert ours.events[trigger].trigger(scratch) is theirs
        assert scratch.state == model.state
        taken += theirs
    assert taken > 4_000


# ── what the triggers do ─────────────────────────────────────────────────────────────────────────────


def test_a_session_holds_at_most_five_pending_attempts_and_drops_the_oldest() -> None:
    record = BLANK
    for number in range(7):
        ref = PendingRef(attempt=f"a{number}", state_hash=f"h{number}", deadline=NOW + 600)
        record = step(KEY, record, Trigger.AUTHORIZE, Facts(now=NOW, pending=ref)).record
    assert [ref.attempt for ref in record.pending] == ["a2", "a3", "a4", "a5", "a6"]


def test_expired_attempts_are_forgotten_when_a_new_one_begins() -> None:
    record = record_in(State.AUTHORIZING)
    late = PendingRef(attempt="a9", state_hash="h9", deadline=NOW + 1600)
    record = step(KEY, record, Trigger.AUTHORIZE, Facts(now=NOW + 1000, pending=late)).record
    assert [ref.attempt for ref in record.pending] == ["a9"]


def test_a_callback_drops_the_other_attempts() -> None:
    record = record_in(State.AUTHORIZING)
    done = step(KEY, record, Trigger.CALLBACK, Facts(now=NOW, attempt="a1", deadline=NOW + 60))
    assert (done.record.pending, done.record.attempt) == ((), "a1")


def test_a_callback_of_an_unknown_attempt_is_stale() -> None:
    with pytest.raises(StaleTrigger):
        step(KEY, record_in(State.AUTHORIZING), Trigger.CALLBACK, Facts(now=NOW, attempt="other"))


def test_tokens_of_an_attempt_that_ended_are_stale() -> None:
    with pytest.raises(StaleTrigger):
        step(KEY, record_in(State.EXCHANGING), Trigger.AUTHENTICATE, Facts(now=NOW, attempt="other", tokens=TOKENS))


def test_a_late_refresh_of_an_earlier_login_is_stale() -> None:
    with pytest.raises(StaleTrigger):
        step(KEY, record_in(State.REFRESHING), Trigger.REFRESHED, Facts(now=NOW, epoch=0, tokens=TOKENS))


def test_a_login_raises_epoch_and_generation() -> None:
    done = step(KEY, record_in(State.EXCHANGING), Trigger.AUTHENTICATE, Facts(now=NOW, attempt="a1", tokens=TOKENS))
    assert (done.record.epoch, done.record.generation, done.record.signed_in_at) == (1, 1, NOW)


def test_a_logout_leaves_a_tombstone_without_tokens_or_profile() -> None:
    live = record_in(State.AUTHENTICATED)
    done = step(KEY, live, Trigger.LOGOUT, Facts(now=NOW, reason="user"))
    assert done.record == SessionRecord(
        state=State.LOGGED_OUT, since=NOW, epoch=live.epoch + 1, generation=live.generation, reason="user"
    )


def test_a_failed_renewal_keeps_the_token_and_counts() -> None:
    done = step(KEY, record_in(State.REFRESHING), Trigger.DEFER, Facts(now=NOW, retry_at=NOW + 4))
    assert (done.record.token, done.record.failures, done.record.retry_at) == (TOKENS.token, 1, NOW + 4)


# ── the clock ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [state for state in State if state.waiting])
def test_every_waiting_state_has_a_deadline_and_leaves_it_by_the_clock(state: State) -> None:
    record = record_in(state)
    deadline = next_deadline(record)
    assert deadline is not None
    assert engine.due(record, deadline - 0.001) is None
    acts = engine.due(record, deadline)
    assert acts is not None
    assert step(KEY, record, *acts).record.state not in (State.AUTHORIZING, State.EXCHANGING, State.REFRESHING)


def test_a_session_with_a_refresh_token_is_never_expired_by_the_clock() -> None:
    assert next_deadline(record_in(State.AUTHENTICATED)) is None


class Histories(RuleBasedStateMachine):
    """Any history of triggers: logins and logouts alternate, live means a token, generations only grow."""

    @initialize()
    def start(self) -> None:
        self.record = BLANK
        self.now = NOW
        self.signed_in = False
        self.generation = self.epoch = 0
        self.numbers = 0

    @rule(
        trigger=st.sampled_from(list(Trigger)),
        later=st.sampled_from([0.0, 1.0, 30.0, 4000.0]),
        stale=st.booleans(),
        dead=st.booleans(),
    )
    def fire(self, trigger: Trigger, later: float, stale: bool, dead: bool) -> None:
        self.now += later
        self.numbers += 1
        attempt = self.record.attempt or (self.record.pending[0].attempt if self.record.pending else None)
        facts = Facts(
            now=self.now,
            epoch=self.record.epoch - 1 if stale else self.record.epoch,
            attempt=attempt if trigger in (Trigger.CALLBACK, Trigger.AUTHENTICATE) else None,
            pending=PendingRef(attempt=f"a{self.numbers}", state_hash="h", deadline=self.now + 600)
            if trigger is Trigger.AUTHORIZE
            else None,
            deadline=self.now + 60,
            tokens=TOKENS if trigger in _WITH_TOKENS else None,
            reauth_required=dead,
        )
        try:
            done = step(KEY, self.record, trigger, facts)
        except InvalidTransition:
            return
        if {"on_login", "on_restore"} & set(done.signals):
            assert not self.signed_in
            self.signed_in = True
        if "on_logout" in done.signals:
            assert self.signed_in
            self.signed_in = False
        self.record = done.record

    @rule()
    def let_the_clock_act(self) -> None:
        acts = engine.due(self.record, self.now)
        if acts is not None:
            done = step(KEY, self.record, *acts)
            if "on_logout" in done.signals:
                assert self.signed_in
                self.signed_in = False
            self.record = done.record

    @invariant()
    def live_means_signed_in_and_holds_a_token(self) -> None:
        assert (self.record.state in LIVE) is self.signed_in
        if self.record.state in LIVE:
            assert self.record.token is not None
        else:
            assert self.record.token is None

    @invariant()
    def epoch_and_generation_never_fall(self) -> None:
        assert self.record.epoch >= self.epoch
        assert self.record.generation >= self.generation
        self.epoch, self.generation = self.record.epoch, self.record.generation

    @invariant()
    def whoever_waits_has_a_deadline(self) -> None:
        if self.record.state.waiting:
            assert next_deadline(self.record) is not None

    @invariant()
    def only_pending_states_hold_attempts(self) -> None:
        if self.record.state not in PENDING:
            assert not self.record.pending


_WITH_TOKENS = (Trigger.AUTHENTICATE, Trigger.RESTORE, Trigger.REFRESHED, Trigger.REAUTHENTICATE)
TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
