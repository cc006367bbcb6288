"""The `claims` parameter (OpenID Connect Core §5.5): single claims, asked for by name, and what the answer owes.

Rule: a provider may leave out what it cannot say, essential or not (§5.5.1), so only an answer that *contradicts* is
refused: an essential claim with none of the values asked for, a `sub` that is not the one asked for. `auth_time`
is owed when it is essential (§2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import ConfigurationError, Phase, Recovery, ValidationFailed

PLACES = ("id_token", "userinfo")


def build_claims_parameter(claims: Mapping[str, Any]) -> str:
    """The parameter's JSON: `{"id_token": {"acr": {"essential": True, "values": ["mfa"]}}, "userinfo": {…}}`.

    Raises `ConfigurationError` for what is no such request.
    """
    good = bool(claims) and all(
        isinstance(names, Mapping) and all(wish is None or isinstance(wish, Mapping) for wish in names.values())
        for place, names in claims.items()
        if place in PLACES
    )
    if not good or not set(claims) & set(PLACES):
        raise ConfigurationError(
            "claims must say for id_token, userinfo or both which claims are asked for.",
            hint='Write claims={"id_token": {"acr": {"essential": True}}}, or None for a claim without conditions.',
        )
    try:
        return msgspec.json.encode(claims).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise ConfigurationError("claims must be plain data that JSON can say.") from None


def with_hinted_subject(asked: Mapping[str, Any], id_token_hint: str | None) -> dict[str, Any]:
    """`asked`, and that the answer is about the human of `id_token_hint` (§3.1.2.1), where that can be read."""
    if not id_token_hint:
        return dict(asked)
    from .jwt import read_segments

    try:
        sub = read_segments(id_token_hint, "id_token_hint")[1].get("sub")
    except ValidationFailed:
        return dict(asked)
    return {**asked, "id_token": {**(asked.get("id_token") or {}), "sub": {"value": sub}}}


def check_asked_claims(asked: Mapping[str, Any], place: str, said: Mapping[str, Any]) -> None:
    """Holds the claims of an ID token (`place="id_token"`) or of userinfo against what was asked of it.

    Raises `ValidationFailed` whose check is the claim's name.
    """
    for name, wish in (asked.get(place) or {}).items():
        essential = isinstance(wish, Mapping) and wish.get("essential") is True
        if not isinstance(wish, Mapping) or not (essential or name == "sub"):
            continue
        wanted = [wish["value"]] if "value" in wish else wish.get("values")
        owed = name == "auth_time" and said.get(name) is None
        if owed or (isinstance(wanted, (list, tuple)) and said.get(name) not in wanted):
            raise ValidationFailed(
                f"The provider's answer has not the {name} that was essential.",
                check=name,
                hint="See claims=; the human may have to sign in another way.",
                recovery=Recovery.STEP_UP if name in ("acr", "auth_time") else Recovery.NONE,
                phase=Phase.VALIDATE,
            )
