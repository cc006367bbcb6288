"""The addresses that lead on to a provider's page."""

from __future__ import annotations

import pytest

from authflow.dashboard.departures import MOST, SECONDS, Departures
from authflow.errors import InsecureURL

from .test_keys import Turned

URL = "https://idp.example.com/authorize?state=x"


def test_an_address_leads_on_once() -> None:
    departures = Departures()
    name = departures.add(URL)

    assert [departures.take(name), departures.take(name), departures.take("")] == [URL, None, None]


def test_it_leads_on_for_a_minute() -> None:
    clock = Turned()
    departures = Departures(clock)
    name = departures.add(URL)
    clock.now = SECONDS

    assert departures.take(name) is None


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://idp.example.com/", "file:///a", "https://a b/"])
def test_what_no_browser_should_get_is_refused(url: str) -> None:
    with pytest.raises(InsecureURL):
        Departures().add(url)


def test_there_are_only_so_many() -> None:
    departures = Departures()
    names = [departures.add(URL) for _ in range(MOST + 1)]

    assert departures.take(names[0]) is None
    assert departures.take(names[1]) == URL
