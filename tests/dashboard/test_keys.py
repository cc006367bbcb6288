"""The launch link's key and the tabs' keys."""

from __future__ import annotations

from authflow.dashboard.keys import LAUNCH_SECONDS, MOST_LAUNCHES, MOST_TABS, Keys


class Turned:
    """A clock that is turned by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_launch_key_is_good_for_one_tab() -> None:
    keys = Keys()
    launch = keys.issue()
    tab = keys.redeem(launch)

    assert tab is not None
    assert keys.knows(tab)
    assert keys.redeem(launch) is None
    assert not keys.knows(launch)


def test_a_launch_key_is_good_for_ten_minutes() -> None:
    clock = Turned()
    keys = Keys(clock)
    early, late = keys.issue(), keys.issue()

    clock.now = LAUNCH_SECONDS - 1
    assert keys.redeem(early) is not None
    clock.now = LAUNCH_SECONDS
    assert keys.redeem(late) is None


def test_what_nobody_issued_opens_nothing() -> None:
    keys = Keys()

    assert keys.redeem("") is None
    assert not keys.knows("")
    assert not keys.knows("\udcff")


def test_there_are_only_so_many_and_the_oldest_go() -> None:
    keys = Keys()
    launches = [keys.issue() for _ in range(MOST_LAUNCHES + 1)]
    assert keys.redeem(launches[0]) is None

    tabs = [str(keys.redeem(keys.issue())) for _ in range(MOST_TABS)]
    keys.knows(tabs[0])  # it was seen just now
    keys.redeem(keys.issue())
    assert [keys.knows(tab) for tab in tabs[:2]] == [True, False]


def test_the_keys_themselves_are_not_kept() -> None:
    keys = Keys()
    tab = str(keys.redeem(keys.issue()))

    assert tab not in repr(vars(keys))
