"""What an ID token has to fit: what the request asked for, and what came beside the token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..records import Redacted


class Expected(Redacted, msgspec.Struct, frozen=True, kw_only=True):
    """Each field that is set becomes an obligation of the ID token (OpenID Connect Core §3.1.3.7).

    `nonce` has no default, so that nobody forgets it. `max_age` is in seconds; `asked_claims` is the `claims`
    parameter of the request. `access_token` and `code` came beside the token. `front_state`: the response's `state`,
    for a token that came through the browser; a `code` beside it must then be the token's own (§3.3.2.11).
    `previous_claims` are those of the login, when the token came with a refresh (§12.2). `since`, where there is no
    nonce: when this login began; an older token is another one's.
    """

    nonce: str | None
    access_token: str | None = None
    code: str | None = None
    max_age: float | None = None
    acr_values: Sequence[str] = ()
    previous_claims: Mapping[str, Any] | None = None
    asked_claims: Mapping[str, Any] | None = None
    front_state: str | None = None
    since: float | None = None
