"""What the charts are drawn from."""

from __future__ import annotations

from authflow.dashboard.tally import HOURS, MOST_LATENCIES, MOST_UNDER_WAY, Tally
from authflow.events import AuthEvent
from authflow.records import Key

ACME = Key("", "acme", "")
HOUR = 3600.0


def event(trigger: str, source: str, target: str, at: float, **more: object) -> AuthEvent:
    return AuthEvent(1, at, "", "acme", "", trigger, source, target, target == "authenticated", **more)  # type: ignore[arg-type]


def renewed(tally: Tally, at: float, took: float, how: str = "refreshed") -> None:
    tally.hear(ACME, event("refresh", "authenticated", "refreshing", at))
    tally.hear(ACME, event(how, "refreshing", "authenticated", at + took))


def test_a_renewal_took_as_long_as_it_was_refreshing() -> None:
    tally = Tally(0.0)
    renewed(tally, 10.0, 0.25)
    renewed(tally, 20.0, 1.5, "defer")

    assert tally.told(30.0)["latencies"] == [[10.25, 0.25, True], [21.5, 1.5, False]]


def test_a_renewal_by_another_process_has_no_latency_here_but_counts() -> None:
    tally = Tally(0.0)
    tally.hear(ACME, event("adopt", "authenticated", "authenticated", 5.0, origin="other_process"))

    told = tally.told(6.0)
    assert told["latencies"] == []
    assert told["hours"][-1] == [0, 1, 0]


def test_what_went_well_and_what_failed_is_counted_by_the_hour() -> None:
    tally = Tally(0.0)
    tally.hear(ACME, event("authenticate", "exchanging", "authenticated", 0.5 * HOUR))
    renewed(tally, 1.5 * HOUR, 1.0)
    renewed(tally, 1.6 * HOUR, 1.0, "defer")
    tally.hear(ACME, event("logout", "authenticated", "logged_out", 1.7 * HOUR))
    tally.hear(ACME, event("cancel", "authorizing", "idle", 1.8 * HOUR))

    hours = tally.told(1.9 * HOUR)["hours"]
    assert len(hours) == HOURS
    assert hours[-2:] == [[0, 1, 0], [3600, 1, 1]]


def test_the_time_in_a_state_is_counted_to_this_moment() -> None:
    tally = Tally(0.0)
    tally.see(ACME, "authenticated", 0.0)
    renewed(tally, 60.0, 2.0)

    states = tally.told(100.0)["states"]
    assert (states["authenticated"], states["refreshing"], states["idle"]) == (98.0, 2.0, 0.0)


def test_an_attempt_beside_the_session_moves_it_nowhere() -> None:
    tally = Tally(0.0)
    tally.see(ACME, "authenticated", 0.0)
    tally.hear(ACME, event("authorize", "idle", "authorizing", 10.0, attempt="a1"))

    assert tally.told(20.0)["states"]["authenticated"] == 20.0


def test_it_stays_small() -> None:
    tally = Tally(0.0)
    for number in range(3 * MOST_LATENCIES):
        renewed(tally, number * HOUR, 1.0)
    for number in range(MOST_UNDER_WAY + 10):
        tally.hear(Key("", "acme", str(number)), event("refresh", "authenticated", "refreshing", 0.0))

    assert len(tally.told(0.0)["latencies"]) == MOST_LATENCIES
    assert len(tally._hours) <= HOURS
    assert len(tally._begun) <= MOST_UNDER_WAY
    assert len(tally._present) <= MOST_UNDER_WAY
