"""The browser's way back from the provider's logout (OpenID Connect RP-Initiated Logout 1.0 §2, §3).

Rule: a return is believed once, and only with the state that this application sent along. By then the session has
long ended; what an unknown state is refused for is the page that would be shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import msgspec

from ..effects import Do, Op
from ..errors import CallbackRejected, Phase, StoreError
from ..house import House
from ..protocol.callback import read_parameters
from ..records import Key, unpack
from ..stores import Conflict
from .data import LogoutReturn
from .pending import fits_redirect, hash_of

_LOGOUT: Final = "logout/"
RETURN_SECONDS: Final = 3600.0  # so long may the human look at the provider's pages


class Parting(msgspec.Struct, frozen=True):
    """A logout whose browser is at the provider."""

    key: str
    post_logout_redirect_uri: str


def remember_parting(house: House, state: str, key: Key, post_logout_redirect_uri: str) -> None:
    """Keeps a logout under the hash of its state until the browser comes back."""
    name = _LOGOUT + hash_of(state)
    data = msgspec.msgpack.encode(Parting(str(key), post_logout_redirect_uri))
    house.store.swap(name, 0, house.vault.pack(name, data, 1), RETURN_SECONDS)


def complete_logout(house: House, request: str | Mapping[str, Any]) -> Op[LogoutReturn]:
    """The return of one logout. Raises `CallbackRejected` (`check="state"`, `check="post_logout_redirect_uri"`) for
    one without a state, with an unknown or used one, or at another address than it was sent to."""
    state = read_parameters(request, ("state",)).get("state")
    if state is None:
        raise _rejected("has no state")
    parting: Parting | None = yield Do(partial(_take, house, state, request), house.store.blocking)
    if parting is None or Key.parse(parting.key).provider not in house.providers:
        raise _rejected("belongs to no logout of this application, or was used before")
    return LogoutReturn(
        session=house.find(Key.parse(parting.key)), post_logout_redirect_uri=parting.post_logout_redirect_uri
    )


def _take(house: House, state: str, request: str | Mapping[str, Any]) -> Parting | None:
    name = _LOGOUT + hash_of(state)
    found = house.store.load(name)
    if found is None:
        return None
    parting = unpack(house.vault.unpack(name, found[0])[0], Parting)
    if parting is None:
        raise StoreError("A pending logout in the store cannot be read.", hint="The session has ended anyway.")
    if isinstance(request, str) and not fits_redirect(request, parting.post_logout_redirect_uri):
        raise _rejected("arrived at another address than it was sent to", "post_logout_redirect_uri")
    return None if isinstance(house.store.swap(name, found[1], None), Conflict) else parting


def _rejected(why: str, check: str = "state") -> CallbackRejected:
    return CallbackRejected(
        f"The return from the provider's logout {why}.",
        hint="The session here has ended in any case. Show a page of your own.",
        check=check,
        phase=Phase.LOGOUT,
    )
