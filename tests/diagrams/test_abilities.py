"""The chart of a login at a provider leaves out what cannot happen there, and nothing else."""

from __future__ import annotations

import pytest

from authflow import providers
from authflow.chart import CHART, State, Trigger
from authflow.diagrams.abilities import abilities, chart_of, without
from authflow.diagrams.arrows import states
from authflow.diagrams.presets import presets
from authflow.providers import Auth0, GitHub, Google, LinkedIn, OpenIDConnect, Provider
from authflow.verify import check_chart

PRESETS = presets()


def test_every_provider_class_has_its_chart() -> None:
    classes = {one for name in providers.__all__ if isinstance(one := getattr(providers, name), type)}

    assert {type(one) for one in PRESETS} == {one for one in classes if issubclass(one, Provider)} - {Provider}
    assert len({one.name for one in PRESETS}) == len(PRESETS)


def test_who_gives_no_refresh_token_has_no_renewal() -> None:
    chart = chart_of(LinkedIn("id", "secret"))

    assert State.REFRESHING not in states(chart)
    assert {row.trigger for row in CHART} - {row.trigger for row in chart} == {
        Trigger.REFRESH, Trigger.REFRESHED, Trigger.DEFER,
    }  # fmt: skip


def test_it_is_the_data_that_decides_and_not_the_name() -> None:
    assert chart_of(LinkedIn("id", "secret", refresh_tokens=True)) == CHART
    assert chart_of(Google("id", "secret")) == CHART
    assert chart_of(Google("id", "secret", offline=False)) == chart_of(LinkedIn("id", "secret"))
    assert chart_of(Auth0("id.example.com", "id", offline=False)) != CHART
    assert chart_of(OpenIDConnect("https://id.example.com", "id", refresh_tokens=False)) != CHART


@pytest.mark.parametrize("provider", PRESETS, ids=lambda one: one.name)
def test_what_is_left_still_holds_what_a_chart_must(provider) -> None:
    chart = chart_of(provider)
    gone = {state.value for state in State} - set(states(chart))
    gone |= {trigger.value for trigger in Trigger} - {row.trigger for row in chart}

    assert [found for found in check_chart(chart) if found.message.split(" ", 1)[0] not in gone] == []


def test_a_state_that_nobody_reaches_goes_with_its_ways() -> None:
    chart = without(CHART, {Trigger.AUTHORIZE})

    assert State.AUTHORIZING not in states(chart)
    assert not any(State.EXCHANGING in row.sources for row in chart)
    assert without(CHART, ()) == CHART


def test_abilities_are_read_from_the_data() -> None:
    github = dict(abilities(GitHub("id", "secret")))
    linkedin = dict(abilities(LinkedIn("id", "secret")))

    assert github == {
        "code verifier": True, "ID token": False, "refresh token": True, "revocation": True, "sign-out page": False,
        "device code": True,
    }  # fmt: skip
    assert (linkedin["code verifier"], linkedin["refresh token"], linkedin["revocation"]) == (False, False, None)
    assert dict(abilities(LinkedIn("id")))["code verifier"] is True
