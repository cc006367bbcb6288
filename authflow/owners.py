"""Whose sessions: a mapping from provider name to session, for one owner. A manager is one; `owner()` gives others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar, cast

from .errors import UnknownProvider
from .house import House
from .reading import ReadableSession
from .records import Key

S = TypeVar("S", bound=ReadableSession)


class Sessions(Mapping[str, S], Generic[S]):
    """A mapping from provider name to session, for one owner."""

    _house: House
    _owner = ""

    def __getitem__(self, name: str | tuple[str, str]) -> S:
        provider, account = (name, "") if isinstance(name, str) else _two_names(name)
        return cast(S, self._house.find(Key(self._owner, provider, account)))

    def __iter__(self) -> Iterator[str]:
        return iter(self._house.providers)

    def __len__(self) -> int:
        return len(self._house.providers)

    def __contains__(self, name: object) -> bool:
        return (name if isinstance(name, str) else name[0] if isinstance(name, tuple) else "") in self._house.providers

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def account(self, name: str, label: str) -> S:
        """A further account of one provider; the same as `[name, label]`."""
        return self[name, label]

    def sessions(self) -> list[S]:
        """The sessions of this owner that are in memory, and one for each provider."""
        found = dict.fromkeys([Key(self._owner, name, "") for name in self._house.providers])
        found.update({key: None for key in self._house.sessions.all_keys() if key.owner == self._owner})
        return [cast(S, self._house.find(key)) for key in found]


class Owner(Sessions[S]):
    """The sessions of one user of a web application, with their signals only."""

    def __init__(self, house: House, owner: str) -> None:
        self._house = house
        self._owner = owner
        self._view = house.signals.view(str(Key(owner, "", "")).split("/", 1)[0] + "/")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("on_"):
            return getattr(self._view, name)
        raise AttributeError(f"'Owner' object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Owner of {len(self)} providers>"


def _two_names(name: object) -> tuple[str, str]:
    """(provider, account). Raises `UnknownProvider`, a `KeyError`, for what no session is found by."""
    if isinstance(name, tuple) and len(name) == 2 and all(isinstance(one, str) for one in name):
        return name
    raise UnknownProvider(
        f"{name!r} is no name of a session.",
        hint='Use manager["name"], or manager["name", "account"] for a further account.',
    )
