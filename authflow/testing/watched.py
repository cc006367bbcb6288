"""What a test sees of the development provider, and what it breaks there: the gate's words, on the provider itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ..errors import ConfigurationError
from .lies import Lie
from .observed import Gate, Hold, Request, Tamper

if TYPE_CHECKING:
    from .dev_provider import DevProvider


class WatchedProvider:
    """The part of the development provider that stands at its gate."""

    _gate: Gate

    # ── what a test sees ─────────────────────────────────────────────────────────────────────────────

    @property
    def requests(self) -> list[Request]:
        """Every request so far as (method, path, status); 0 while it is unanswered."""
        return self._gate.requests()

    def count(self, endpoint: str) -> int:
        """How many requests came to `token`, `userinfo`, `metadata`, `jwks`, `authorize`, `revoke`, …"""
        return len(self._gate.requests(self._gate.known(endpoint)))

    def token_requests(self, grant_type: str | None = None) -> list[Request]:
        """The requests to the token endpoint; with `grant_type`, those of one kind."""
        return self._gate.requests("token", grant_type)

    def forget_requests(self) -> None:
        """Starts counting anew. `secrets` are kept."""
        self._gate.clear()

    @property
    def secrets(self) -> set[str]:
        """Every secret it issued or received: codes, tokens, verifiers, nonces, states, client secrets, cookies,
        assertions, proofs."""
        return self._gate.secrets

    def note(self, *values: object) -> None:
        """Adds to `secrets`."""
        self._gate.note(*values)

    def note_tokens(self, answer: Mapping[str, Any]) -> None:
        """Adds the tokens of an answer to `secrets`, those that `tamper` made included."""
        self.note(*(answer.get(name) for name in ("access_token", "refresh_token", "id_token")))

    # ── what a test breaks ───────────────────────────────────────────────────────────────────────────

    @property
    def tamper(self) -> Tamper:
        """`provider.tamper["userinfo"] = lambda claims: {**claims, "sub": "other"}`; see `Tamper` for the names."""
        return self._gate.tamper

    @contextmanager
    def lie(self, about: Lie | str, lie: Callable[[Any], Any] | None = None) -> Iterator[None]:
        """It tells this `Lie`, until the block ends; or `tamper`, given its name and function."""
        if isinstance(about, Lie):
            name, lie = about.about, partial(about.tell, cast("DevProvider", self))
        elif lie is not None:
            name = about
        else:
            raise ConfigurationError(
                f"Nothing is told about {about!r}.", hint="Give a Lie, or the name of what is sent and a function."
            )
        before = self.tamper.get(name)
        self.tamper[name] = lie
        try:
            yield
        finally:
            if before is None:
                del self.tamper[name]
            else:
                self.tamper[name] = before

    def fail_next(
        self,
        endpoint: str,
        status: int = 503,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        *,
        times: int = 1,
        after: bool = False,
        cut: bool = False,
    ) -> None:
        """The next `times` requests to an endpoint get this answer instead; a body that is no text is sent as JSON.

        `after`: the request is carried out, and only its answer is lost. `cut`: the connection breaks off in the
        middle of the body (when served).
        """
        self._gate.fail_next(endpoint, status, body, headers, times, after, cut)

    def delay(self, endpoint: str, seconds: float) -> None:
        """From now on an endpoint takes this many real seconds longer; 0 ends it."""
        self._gate.delay(endpoint, seconds)

    def hold(self, endpoint: str, *, after: bool = False) -> Hold:
        """Requests to an endpoint stand still until `.release()`; `.wait()` returns when one does.

        `after`: they are carried out, and their answers stand still.
        """
        return self._gate.hold(endpoint, after)
