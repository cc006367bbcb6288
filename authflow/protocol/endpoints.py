"""Where a conversation takes place: the provider's endpoint for it, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import MissingEndpoint, Phase
from .messages import ServerMetadata
from .urls import check_endpoint

if TYPE_CHECKING:
    from ..providers.base import Provider


def endpoint_of(
    provider: Provider,
    metadata: ServerMetadata,
    name: str,
    *,
    hint: str,
    said: str | None = None,
    phase: Phase | None = None,
) -> str:
    """The URL that the metadata has under `name`. Raises `MissingEndpoint`, which says what is `said` and the `hint`,
    and `InsecureURL`."""
    url: str | None = getattr(metadata, name)
    if not url:
        raise MissingEndpoint(said or f"{provider.name}: no {name} is known.", hint=hint, phase=phase)
    return check_endpoint(url, allow_insecure_loopback=provider.allow_insecure_loopback)
