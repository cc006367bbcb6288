"""The checker finds nothing on the real chart, and the right thing on every chart that is broken on purpose."""

from __future__ import annotations

import pytest

from authflow.chart import CHART, Actor, Row, State, Trigger, allowed
from authflow.verify import INVARIANTS, Finding, check_chart, edges_of, paths, verify

S, T, A = State, Trigger, Actor


def without(*triggers: Trigger) -> tuple[Row, ...]:
    return tuple(row for row in CHART if row.trigger not in triggers)


def changed(trigger: Trigger, **fields: object) -> tuple[Row, ...]:
    return tuple(row._replace(**fields) if row.trigger is trigger else row for row in CHART)


def with_row(
    trigger: Trigger, sources: tuple[State, ...], target: State, emits: str | None, *actors: Actor
) -> tuple[Row, ...]:
    return (*CHART, Row(trigger, sources, target, emits, actors, "broken on purpose"))


def finding(chart: tuple[Row, ...], invariant: str) -> Finding:
    found = [one for one in check_chart(chart) if one.invariant == invariant]
    assert found, f"nothing found for {invariant!r}"
    return found[0]


def triggers(one: Finding) -> list[str]:
    return [str(step.trigger) for step in one.path]


def test_the_chart_keeps_every_invariant() -> None:
    assert check_chart() == []


def test_the_report_counts_what_was_walked() -> None:
    report = verify()

    assert report.ok
    assert (report.states, report.triggers, report.rows, report.edges) == (6, 17, 17, 29)
    assert report.explored == len(State)  # one pair a state: the last word always fits the state


def test_the_report_of_a_good_chart_names_every_claim() -> None:
    text = str(verify())

    assert all(f"ok      {claim}" in text for claim in INVARIANTS.values())
    assert "BROKEN" not in text
    assert text.endswith(f"All {len(INVARIANTS)} invariants hold.")


def test_the_report_of_a_broken_chart_shows_the_claim_and_the_history() -> None:
    report = verify(changed(T.EXPIRE, emits=None))
    text = str(report)

    assert not report.ok
    assert "BROKEN  no session becomes live, or ends, without its signal" in text
    assert "idle –restore→ authenticated –expire→ logged_out" in text
    assert text.endswith(f"{len(report.findings)} findings.")


def test_one_finding_is_one_finding() -> None:
    assert str(verify(changed(T.FORGET, actors=()))).endswith("\n1 finding.")


def test_a_state_that_nothing_leads_to_is_found() -> None:
    one = finding(without(T.CALLBACK), "reachable")

    assert one.message == "exchanging cannot be reached: no row leads there."
    assert one.path == ()  # there is no history to show


def test_a_state_behind_an_unreachable_state_is_found() -> None:
    chart = tuple(row for row in CHART if row.trigger not in (T.RESTORE, T.CALLBACK))

    found = {one.message for one in check_chart(chart) if one.invariant == "reachable"}

    assert "authenticated cannot be reached: only from exchanging, refreshing, unreachable as well." in found


def test_a_dead_state_is_found_with_the_way_into_it() -> None:
    chart = tuple(
        row._replace(sources=tuple(source for source in row.sources if source is not S.LOGGED_OUT))
        for row in CHART
        if row.trigger is not T.FORGET
    )

    one = finding(chart, "not dead")

    assert one.message == "logged_out is dead: no row leads out of it."
    assert one.history == "idle –restore→ authenticated –logout→ logged_out"


def test_a_state_that_only_leads_to_itself_is_dead() -> None:
    chart = (
        *(row for row in CHART if S.AUTHORIZING not in row.sources),
        Row(T.AUTHORIZE, (S.IDLE, S.AUTHORIZING), S.AUTHORIZING, None, (A.USER,), "broken on purpose"),
    )

    assert triggers(finding(chart, "not dead")) == ["authorize"]


def test_a_trigger_in_no_row_is_found() -> None:
    assert finding(without(T.ADOPT), "triggers").message == "adopt stands in no row."


def test_a_trigger_whose_states_cannot_be_reached_is_found() -> None:
    one = finding(without(T.REFRESH), "triggers")
    messages = {found.message for found in check_chart(without(T.REFRESH)) if found.invariant == "triggers"}

    assert one.path == ()
    assert "refreshed can never happen: refreshing cannot be reached." in messages


def test_two_rows_for_one_state_and_trigger_are_found() -> None:
    chart = with_row(T.FAIL, (S.EXCHANGING,), S.LOGGED_OUT, None, A.PROVIDER)

    one = finding(chart, "unique")

    assert one.message == "fail from exchanging stands twice: to idle and to logged_out."
    assert triggers(one) == ["authorize", "callback", "fail"]


def test_a_row_that_nobody_fires_is_found() -> None:
    assert finding(changed(T.FORGET, actors=()), "fired").message.startswith("forget to idle has no actor")


def test_a_row_without_a_source_is_found() -> None:
    assert "no source state" in finding(changed(T.FORGET, sources=()), "fired").message


def test_two_logins_without_a_logout_are_found() -> None:
    chart = changed(T.REAUTHENTICATE, emits="on_login")

    one = finding(chart, "alternate")

    assert "although a session was announced and has not ended" in one.message
    assert triggers(one) == ["restore", "reauthenticate"]


def test_a_restore_on_a_live_session_is_found() -> None:
    chart = changed(T.RESTORE, sources=(S.IDLE, S.AUTHORIZING, S.LOGGED_OUT, S.AUTHENTICATED))

    assert triggers(finding(chart, "alternate")) == ["restore", "restore"]


def test_a_logout_of_a_session_that_was_never_announced_is_found() -> None:
    chart = changed(T.CANCEL, target=S.LOGGED_OUT, emits="on_logout")

    one = finding(chart, "alternate")

    assert "although no session was announced" in one.message
    assert one.history == "idle –authorize→ authorizing –cancel→ logged_out"


def test_two_logouts_in_a_row_are_found() -> None:
    chart = changed(T.FORGET, emits="on_logout")

    assert triggers(finding(chart, "alternate")) == ["restore", "logout", "forget"]


def test_a_live_session_that_was_announced_as_ended_is_found() -> None:
    chart = changed(T.DEFER, emits="on_logout")

    one = finding(chart, "live")

    assert "the session is live, the last signal said otherwise" in one.message
    assert triggers(one) == ["restore", "refresh", "defer"]


def test_a_login_announced_before_there_is_a_session_is_found() -> None:
    chart = changed(T.CALLBACK, emits="on_login")

    one = finding(chart, "live")

    assert "the session is not live" in one.message
    assert triggers(one) == ["authorize", "callback"]


def test_what_follows_a_broken_step_is_not_blamed_for_it() -> None:
    broken = {one.message.split(":")[0] for one in check_chart(changed(T.EXPIRE, emits=None))}

    assert all("expire" in message for message in broken)


@pytest.mark.parametrize("trigger", [T.LOGOUT, T.REVOKE, T.EXPIRE])
def test_a_session_that_ends_in_silence_is_found(trigger: Trigger) -> None:
    one = finding(changed(trigger, emits=None), "heard")

    assert one.message == f"{trigger} from authenticated to logged_out ends a session and tells nobody."
    assert triggers(one) == ["restore", str(trigger)]


@pytest.mark.parametrize("trigger", [T.AUTHENTICATE, T.RESTORE])
def test_a_session_that_starts_in_silence_is_found(trigger: Trigger) -> None:
    one = finding(changed(trigger, emits=None), "heard")

    assert one.message.endswith("starts a session and tells nobody.")
    assert one.path[-1].trigger is trigger


def test_a_refresh_that_starts_outside_a_session_is_found() -> None:
    one = finding(changed(T.REFRESH, sources=(S.AUTHENTICATED, S.LOGGED_OUT)), "refreshing")

    assert one.message.startswith("refresh from logged_out to refreshing")
    assert triggers(one) == ["restore", "logout", "refresh"]


@pytest.mark.parametrize(
    ("trigger", "emits"),
    [
        (T.AUTHENTICATE, "on_restore_"),
        (T.CALLBACK, "on_login_failed"),
        (T.FAIL, "on_refresh_failed"),
        (T.REFRESHED, "on_login_failed"),
        (T.ADOPT, "on_refresh_failed"),
        (T.RESTORE, "on_login"),
        (T.REFRESHED, None),
    ],
)
def test_a_signal_told_where_it_is_not_true_is_found(trigger: Trigger, emits: str | None) -> None:
    one = finding(changed(trigger, emits=emits), "signals")

    assert one.path[-1].trigger is trigger


@pytest.mark.parametrize(
    ("removed", "state"),
    [(T.TIME_OUT, S.AUTHORIZING), (T.TIME_OUT, S.EXCHANGING)],
)
def test_a_state_that_only_a_human_can_end_is_found(removed: Trigger, state: State) -> None:
    found = {one.path[-1].target for one in check_chart(without(removed)) if one.invariant == "clock exit"}

    assert state in found


def test_a_refresh_that_could_hang_for_ever_is_found() -> None:
    chart = tuple(
        row._replace(actors=tuple(actor for actor in row.actors if actor is not A.CLOCK))
        if S.REFRESHING in row.sources
        else row
        for row in CHART
    )

    one = finding(chart, "clock exit")

    assert one.message == "refreshing has no way to rest by the clock alone: a login could hang there."
    assert triggers(one) == ["restore", "refresh"]


def test_a_login_that_the_user_cannot_give_up_is_found() -> None:
    one = finding(changed(T.CANCEL, sources=(S.AUTHORIZING,)), "user exit")

    assert one.message.startswith("exchanging has no way to rest by the user alone")
    assert one.history == "idle –authorize→ authorizing –callback→ exchanging"


def test_an_exit_in_two_steps_of_the_same_actor_is_an_exit() -> None:
    back = changed(T.CANCEL, sources=(S.AUTHORIZING,))
    chart = (*back, Row(T.LOGOUT, (S.EXCHANGING,), S.AUTHORIZING, None, (A.USER,), "a step back, then cancel"))

    assert not [one for one in check_chart(chart) if one.invariant == "user exit"]


def test_an_exit_that_needs_two_actors_is_no_exit() -> None:
    back = changed(T.CANCEL, sources=(S.AUTHORIZING,))
    chart = (*back, Row(T.LOGOUT, (S.EXCHANGING,), S.AUTHORIZING, None, (A.CLOCK,), "not the user's"))

    assert finding(chart, "user exit").path[-1].target is S.EXCHANGING


def test_every_invariant_can_be_broken() -> None:
    broken = [
        with_row(T.FAIL, (S.EXCHANGING,), S.LOGGED_OUT, None, A.PROVIDER),
        changed(T.FORGET, actors=()),
        without(T.CALLBACK),
        tuple(row for row in CHART if S.LOGGED_OUT not in row.sources),
        changed(T.REAUTHENTICATE, emits="on_login"),
        changed(T.DEFER, emits="on_logout"),
        changed(T.EXPIRE, emits=None),
        changed(T.REFRESH, sources=(S.IDLE,)),
        without(T.TIME_OUT),
        without(T.CANCEL),
    ]

    assert {one.invariant for chart in broken for one in check_chart(chart)} == set(INVARIANTS)


def test_a_path_is_a_history_that_the_chart_allows() -> None:
    for state, path in paths(edges_of(CHART)).items():
        here = S.IDLE
        for step in path:
            assert step.source is here
            assert step.trigger in allowed(here)
            here = step.target
        assert here is state
