"""Every error that authflow raises, as one tree with three branches a caller can act on.

    AuthflowError
    ├── Misuse                      yours to fix
    │   ├── ConfigurationError      · UnknownProvider · MissingEndpoint · InsecureURL · MissingExtra
    │   │                             SealingKeyRequired · SealedDataInvalid · BrowserUnavailable
    │   └── InvalidCall             · InvalidTransition · OwnerRequired · BindingRequired · LoginInProgress
    │                                 AlreadyAuthenticated · OriginNotAllowed · ManagerClosed · NotSupported
    ├── ProviderError               the provider's answer
    │   ├── OAuthError              one class per RFC code: InvalidGrant, AccessDenied, InvalidClient, …
    │   ├── ResponseInvalid         it answered, but not what the specification says
    │   ├── ValidationFailed        a check failed: state, iss, nonce, aud, at_hash, … (`.check` names it)
    │   └── CallbackRejected        · CallbackAlreadyUsed
    ├── WireError                   · ConnectFailed · DeadlineExceeded · ResponseTooLarge · RedirectRefused
    ├── StoreError                  the store could not be read or written; nothing was changed
    │                               (SealedDataInvalid is one of these, too)
    ├── LoginFailed                 a login ended without a session; `__cause__` is one of the above
    │   └── LoginCancelled · LoginTimedOut · LoginDenied
    └── SessionError                a live token was asked for
        └── SignInRequired · TemporarilyUnavailable

Rule 1: no text here ever contains a token, code, verifier, state or secret.
Rule 2: what a provider wrote is passed through `printable`: control characters out, 512 characters at most.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, ClassVar

import msgspec

LONGEST_PROVIDER_TEXT = 512
NOBODY_WAS_ASKED = 'Sign in again without prompt="none": the human must be asked.'


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


# ── yours to fix ─────────────────────────────────────────────────────────────────────────────────────


class Misuse(AuthflowError):
    """The program or its configuration is wrong; trying again will not help."""

    code = "misuse"


class ConfigurationError(Misuse):
    """A provider, manager or store is set up in a way that cannot work."""

    code = "configuration_error"
    recovery = Recovery.FIX_CONFIGURATION


class UnknownProvider(ConfigurationError, KeyError):
    """`manager["name"]` for a name that no provider has."""

    code = "unknown_provider"
    __str__ = AuthflowError.__str__


class MissingEndpoint(ConfigurationError):
    """The provider's settings and metadata name no endpoint for what was asked."""

    code = "missing_endpoint"


class InsecureURL(ConfigurationError):
    """An endpoint or redirect URI that would carry secrets in clear, or that is no clean URL."""

    code = "insecure_url"


class MissingExtra(ConfigurationError, ImportError):
    """An optional part is not installed; the hint is the line that installs it."""

    code = "missing_extra"
    __str__ = AuthflowError.__str__


class SealingKeyRequired(ConfigurationError):
    """`dump()` and sealed stores need a key."""

    code = "sealing_key_required"


class BrowserUnavailable(ConfigurationError):
    """No browser can be shown to the human from here: no display, a remote shell, none installed."""

    code = "browser_unavailable"
    phase = Phase.AUTHORIZE


class InvalidCall(Misuse):
    """The call does not fit the session as it is now."""

    code = "invalid_call"


class InvalidTransition(InvalidCall):
    """A trigger that stands in no row of the chart for the present state. Nothing changed."""

    code = "invalid_transition"


class OwnerRequired(InvalidCall):
    """A web login was begun without saying whose it is."""

    code = "owner_required"


class BindingRequired(InvalidCall):
    """A web callback was completed without the browser's binding."""

    code = "binding_required"


class LoginInProgress(InvalidCall):
    """`login()` was called while another `login()` of this session waits."""

    code = "login_in_progress"


class AlreadyAuthenticated(InvalidCall):
    """`login()` on a live session, without a reason for a second one."""

    code = "already_authenticated"


class OriginNotAllowed(InvalidCall):
    """`session.auth` was used for a host that is not one of the provider's APIs."""

    code = "origin_not_allowed"


class ManagerClosed(InvalidCall):
    """The manager was closed, or belongs to another event loop."""

    code = "manager_closed"


class NotSupported(InvalidCall):
    """The provider, or this version of authflow, does not have what was asked."""

    code = "not_supported"


# ── the provider's answer ────────────────────────────────────────────────────────────────────────────


class ProviderError(AuthflowError):
    """The provider answered, and the answer is no, or is not acceptable."""

    code = "provider_error"
    sent = Sent.YES


class OAuthError(ProviderError):
    """An OAuth error response (RFC 6749 §4.1.2.1, §5.2) whose code has no class of its own."""

    code = "oauth_error"
    by_code: ClassVar[dict[str, type[OAuthError]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        OAuthError.by_code[cls.code] = cls


class InvalidRequest(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    code = "invalid_request"
    recovery = Recovery.FIX_CONFIGURATION


class InvalidClient(OAuthError):
    """RFC 6749 §5.2: the client id or secret is wrong."""

    code = "invalid_client"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Compare client_id and its secret or key with what is registered at the provider."


class InvalidGrant(OAuthError):
    """RFC 6749 §5.2: the code or refresh token is expired, used or revoked."""

    code = "invalid_grant"
    recovery = Recovery.SIGN_IN_AGAIN


class UnauthorizedClient(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    code = "unauthorized_client"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Allow this kind of login for the application, where it is registered at the provider."


class UnsupportedGrantType(OAuthError):
    """RFC 6749 §5.2."""

    code = "unsupported_grant_type"
    recovery = Recovery.FIX_CONFIGURATION


class UnsupportedResponseType(OAuthError):
    """RFC 6749 §4.1.2.1."""

    code = "unsupported_response_type"
    recovery = Recovery.FIX_CONFIGURATION


class InvalidTarget(OAuthError):
    """RFC 8707 §2: the provider issues no token for that API to this login."""

    code = "invalid_target"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Ask for that API when signing in: login(resource=[…])."


class InvalidScope(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    code = "invalid_scope"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Ask only for scopes that the provider has, and that this application may ask for."


class AccessDenied(OAuthError):
    """RFC 6749 §4.1.2.1: the human, or the provider's policy, said no."""

    code = "access_denied"
    recovery = Recovery.USER_CANCELLED
    hint = "Sign in again and allow it; if nobody was asked, the provider's administrator does not allow it."


class ServerError(OAuthError):
    """RFC 6749 §4.1.2.1, or a 5xx answer."""

    code = "server_error"
    recovery = Recovery.RETRY_AT


class ServiceUnavailable(OAuthError):
    """RFC 6749 §4.1.2.1 `temporarily_unavailable`, or a 429 or 503 answer."""

    code = "temporarily_unavailable"
    recovery = Recovery.RETRY_AT


class InteractionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "interaction_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "login_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class ConsentRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "consent_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class AccountSelectionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "account_selection_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5: the human has not answered yet. The session goes on asking."""

    code = "authorization_pending"
    recovery = Recovery.RETRY_AT


class SlowDown(OAuthError):
    """RFC 8628 §3.5: as `AuthorizationPending`, and asked too often. The session waits 5 s more between two polls."""

    code = "slow_down"
    recovery = Recovery.RETRY_AT


class ExpiredToken(OAuthError):
    """RFC 8628 §3.5: the human did not answer while the device code was good."""

    code = "expired_token"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = "Sign in again: a new code is shown."


class UnknownUserId(OAuthError):
    """CIBA Core §13: nobody is known by the hint."""

    code = "unknown_user_id"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = "Ask the human who they are at this provider."


def oauth_error(error: object, description: object = None, **facts: Any) -> OAuthError:
    """The error class that belongs to an RFC code, its text made printable."""
    code = printable(error, 128)
    kind = OAuthError.by_code.get(code, OAuthError)
    text = None if description is None else printable(description)
    said = f"The provider answered {code}" + (f": {text}" if text else ".")
    facts = {name: value for name, value in facts.items() if name != "hint" or value}
    return kind(said, error=code, error_description=text, **facts)


class ResponseInvalid(ProviderError):
    """The answer is not what the specification says: not JSON, no token in it, a wrong type, too deep."""

    code = "response_invalid"


class ValidationFailed(ProviderError):
    """A check on the provider's answer failed. `check` is its name: `iss`, `nonce`, `aud`, `at_hash`, …"""

    code = "validation_failed"


class CallbackRejected(ProviderError):
    """A callback that belongs to no pending login: unknown state, another browser, doubled parameters.
    No login was ended by it."""

    code = "callback_rejected"
    phase = Phase.CALLBACK


class CallbackAlreadyUsed(CallbackRejected):
    """This callback was completed more than 60 seconds ago."""

    code = "callback_already_used"
    recovery = Recovery.SIGN_IN_AGAIN


# ── the wire ─────────────────────────────────────────────────────────────────────────────────────────


class WireError(AuthflowError):
    """No complete answer arrived."""

    code = "wire_error"
    recovery = Recovery.WAIT_ONLINE
    sent = Sent.UNKNOWN


class ConnectFailed(WireError):
    """No connection: name not found, refused, TLS not accepted. Nothing was sent."""

    code = "connect_failed"
    sent = Sent.NO


class DeadlineExceeded(WireError):
    """The total deadline of one call passed."""

    code = "deadline_exceeded"


class ResponseTooLarge(WireError):
    """The decoded body is larger than this kind of answer may be."""

    code = "response_too_large"
    recovery = Recovery.NONE
    sent = Sent.YES


class RedirectRefused(WireError):
    """A token, metadata, key or userinfo endpoint answered with a redirect. authflow follows none."""

    code = "redirect_refused"
    recovery = Recovery.FIX_CONFIGURATION
    sent = Sent.YES


# ── store, login, session ────────────────────────────────────────────────────────────────────────────


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
