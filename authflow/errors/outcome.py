"""What comes of it for the caller: no store, no login, no token."""

from __future__ import annotations

from .misuse import ConfigurationError
from .provider import AccessDenied, ExpiredToken
from .root import AuthflowError, Phase, Recovery


class StoreError(AuthflowError):
    """The store could not be read or written. What was stored before is as it was."""

    code = "store_error"
    phase = Phase.STORE


class SealedDataInvalid(ConfigurationError, StoreError):
    """Sealed bytes do not open: another key, another session's, cut or changed. They were left as they are."""

    code = "sealed_data_invalid"


class LoginFailed(AuthflowError):
    """The login ended without a session. `code` and the rest are those of the cause (`__cause__`)."""

    code = "login_failed"


class LoginCancelled(LoginFailed):
    """Cancelled: by the user, a newer login (`superseded`), `logout()` or `close()`."""

    code = "cancelled"
    recovery = Recovery.USER_CANCELLED


class LoginTimedOut(LoginFailed):
    """Nobody came back from the provider within the deadline."""

    code = "timed_out"
    recovery = Recovery.SIGN_IN_AGAIN


class LoginDenied(LoginFailed):
    """The human, or the provider's policy, said no (`access_denied`)."""

    code = "access_denied"
    recovery = Recovery.USER_CANCELLED


class SessionError(AuthflowError):
    """A live token was asked for and there is none at present."""

    code = "session_error"


class SignInRequired(SessionError):
    """The session is not live: sign in."""

    code = "sign_in_required"
    recovery = Recovery.SIGN_IN_AGAIN


class TemporarilyUnavailable(SessionError):
    """The session is live, but its token could not be renewed now. `retry_at` says when to ask again."""

    code = "token_unavailable"
    recovery = Recovery.RETRY_AT


def login_failed(cause: AuthflowError) -> LoginFailed:
    """The `LoginFailed` that a caller of `login` or `complete` sees for `cause`; raise it `from cause`."""
    kind: type[LoginFailed] = LoginFailed
    if isinstance(cause, (AccessDenied, ExpiredToken)):
        kind = LoginDenied if isinstance(cause, AccessDenied) else LoginTimedOut
    return kind(
        cause.message,
        code=cause.code,
        phase=cause.phase,
        recovery=cause.recovery,
        sent=cause.sent,
        hint=cause.hint,
        error=cause.error,
        error_description=cause.error_description,
        retry_at=cause.retry_at,
        check=cause.check,
    )
