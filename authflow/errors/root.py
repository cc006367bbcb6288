"""The root of the error tree, and an error as plain data. A text that others wrote is made harmless here."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

LONGEST_PROVIDER_TEXT = 512


class Phase(StrEnum):
    """Where in a login's life the error arose."""

    PREPARE = "prepare"
    AUTHORIZE = "authorize"
    CALLBACK = "callback"
    EXCHANGE = "exchange"
    VALIDATE = "validate"
    STORE = "store"
    REFRESH = "refresh"
    REVOKE = "revoke"
    LOGOUT = "logout"


class Recovery(StrEnum):
    """What the caller, or the human, can do next."""

    RETRY_AT = "retry_at"
    WAIT_ONLINE = "wait_online"
    SIGN_IN_AGAIN = "sign_in_again"
    STEP_UP = "step_up"
    FIX_CONFIGURATION = "fix_configuration"
    USER_CANCELLED = "user_cancelled"
    NONE = "none"


class Sent(StrEnum):
    """Whether bytes of the failed request may have reached the provider."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class ErrorInfo(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An error as plain data: what events carry, records keep and screens show. It holds no secret."""

    code: str
    message: str
    hint: str = ""
    phase: str | None = None
    recovery: str = Recovery.NONE.value
    error: str | None = None
    error_description: str | None = None
    retry_at: float | None = None
    check: str | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


def printable(text: object, limit: int = LONGEST_PROVIDER_TEXT) -> str:
    """What a provider wrote, safe for a log or a terminal: control characters become spaces, length is cut."""
    said = str(text)[: limit * 2]
    if not said.isprintable():
        said = "".join(ch if ch.isprintable() else " " for ch in said)
    return " ".join(said.split())[:limit]


def whereabouts(error: BaseException) -> str:
    """An exception for a log: its type and the line that raised it. Never its text, which may hold a secret."""
    place = error.__traceback__
    if place is None:
        return type(error).__name__
    while place.tb_next is not None:
        place = place.tb_next
    return f"{type(error).__name__} at {place.tb_frame.f_code.co_filename}:{place.tb_lineno}"


class AuthflowError(Exception):
    """The root. `str(error)` is one line: cause, then remedy."""

    code: str = "authflow_error"
    phase: Phase | None = None
    recovery: Recovery = Recovery.NONE
    sent: Sent = Sent.NO
    hint: str = ""
    error: str | None = None
    error_description: str | None = None
    retry_at: float | None = None
    retry_after: float | None = None  # seconds, as the provider asked; retry_at is made from it with a clock
    check: str | None = None
    trace: Any = None

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self._facts: dict[str, Any] = {}
        self.add_facts(**facts)

    def add_facts(self, **facts: Any) -> None:
        """What is learnt about the error on its way up: its phase, when to try again. Survives pickling."""
        for name, value in facts.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)
        self._facts.update(facts)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r}, code={self.code!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self._facts))

    @property
    def info(self) -> ErrorInfo:
        """The same as plain data, fit for an event or a record."""
        return ErrorInfo(
            code=self.code,
            message=self.message,
            hint=self.hint,
            phase=None if self.phase is None else self.phase.value,
            recovery=self.recovery.value,
            error=self.error,
            error_description=self.error_description,
            retry_at=self.retry_at,
            check=self.check,
        )


def _rebuild(kind: type[AuthflowError], message: str, facts: dict[str, Any]) -> AuthflowError:
    return kind(message, **facts)
