"""What a provider can do, read from its data, and the chart of a login there: what cannot happen is left out.

It asks for fields; it knows no provider by name.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from ..chart import CHART, Row, State, Trigger
from ..providers.base import Provider


class Ability(NamedTuple):
    """`has` is None where only the provider's metadata can tell."""

    name: str
    has: bool | None


def abilities(provider: Provider) -> tuple[Ability, ...]:
    """What there is to know about `provider` before anybody asked it."""
    unknown = None if provider.discovery else False
    return (
        Ability("code verifier", not provider.refuses_code_verifier),
        Ability("ID token", provider.openid),
        Ability("refresh token", provider.refresh_tokens),
        Ability("revocation", provider.revocation_endpoint is not None or unknown),
        Ability("sign-out page", provider.end_session_endpoint is not None or unknown),
        Ability("device code", provider.device_authorization_endpoint is not None or unknown),
    )


def chart_of(provider: Provider, chart: tuple[Row, ...] = CHART) -> tuple[Row, ...]:
    """The rows of `chart` that can happen with `provider`."""
    return chart if provider.refresh_tokens else without(chart, {Trigger.REFRESH})


def without(chart: tuple[Row, ...], triggers: Collection[Trigger]) -> tuple[Row, ...]:
    """`chart` without these triggers, and without the states and the ways that nobody reaches then."""
    left = [row for row in chart if row.trigger not in triggers]
    reached = {State.IDLE}
    while found := {row.target for row in left if reached & set(row.sources)} - reached:
        reached |= found
    kept = (row._replace(sources=tuple(state for state in row.sources if state in reached)) for row in left)
    return tuple(row for row in kept if row.sources)
