"""A login that another site asks for (OpenID Connect Core §4).

Rule: whoever sends a browser here chooses nothing but among what is configured: the issuer is one of this manager's
providers, the page to go to afterwards one that the application has listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ..errors import CallbackRejected, Phase, printable
from ..house import House
from ..protocol.callback import read_parameters
from ..protocol.urls import check_target

LONGEST_HINT: Final = 512


class Invitation(msgspec.Struct, frozen=True):
    """What is left of the request after its checks: the provider's name, and what goes along."""

    provider: str
    login_hint: str | None
    target_link_uri: str | None


def read_invitation(
    house: House, request: str | Mapping[str, Any], allowed_targets: Sequence[str]
) -> Invitation:
    """Raises `CallbackRejected`, with `check="iss"`, `"login_hint"` or `"target_link_uri"`."""
    said = read_parameters(request, ("iss", "login_hint", "target_link_uri"))
    iss, hint, target = said.get("iss"), said.get("login_hint"), said.get("target_link_uri")
    provider = next((one for one in house.providers.values() if iss is not None and one.issuer == iss), None)
    if provider is None:
        raise _rejected("iss", "names no issuer that is configured here", f"It says {printable(iss, 200)!r}.")
    if hint is not None and len(hint) > LONGEST_HINT:
        raise _rejected("login_hint", f"has a login_hint of more than {LONGEST_HINT} characters")
    if target is not None and not check_target(target, allowed_targets):
        raise _rejected(
            "target_link_uri",
            "wants to go on to a page that is not listed",
            "List it in allowed_targets; an entry that ends in '/' stands for all beneath it.",
        )
    return Invitation(provider=provider.name, login_hint=hint, target_link_uri=target)


def _rejected(check: str, why: str, hint: str = "") -> CallbackRejected:
    return CallbackRejected(
        f"A login that another site asked for {why}.", hint=hint, check=check, phase=Phase.AUTHORIZE
    )
