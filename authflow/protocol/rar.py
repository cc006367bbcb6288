"""Rich authorization requests (RFC 9396): what is asked for in detail, and what was granted of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..errors import ConfigurationError, Phase, ResponseInvalid


def build_authorization_details(details: Sequence[Mapping[str, Any]]) -> str:
    """The parameter's JSON (§2). Raises `ConfigurationError` for what is no list of objects with a `type`."""
    if not _are_details(details):
        raise ConfigurationError(
            "authorization_details must be a list of objects, each with its type.",
            hint='Write authorization_details=[{"type": "payment_initiation", …}] (RFC 9396 §2).',
        )
    try:
        return msgspec.json.encode(list(details)).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise ConfigurationError("authorization_details must be plain data that JSON can say.") from None


def check_granted_details(members: Mapping[str, Any]) -> None:
    """§7: a token answer that has `authorization_details` has a list of objects with a type. Raises
    `ResponseInvalid`."""
    details = members.get("authorization_details")
    if details is not None and not _are_details(details):
        raise ResponseInvalid(
            "The token response has authorization_details that are no list of typed objects.", phase=Phase.EXCHANGE
        )


def _are_details(details: object) -> bool:
    return (
        isinstance(details, Sequence)
        and not isinstance(details, (str, bytes))
        and all(isinstance(one, Mapping) and isinstance(one.get("type"), str) and one["type"] for one in details)
    )
