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

from .misuse import (
    AlreadyAuthenticated,
    BindingRequired,
    BrowserUnavailable,
    ConfigurationError,
    InsecureURL,
    InvalidCall,
    InvalidTransition,
    LoginInProgress,
    ManagerClosed,
    MissingEndpoint,
    MissingExtra,
    Misuse,
    NotSupported,
    OriginNotAllowed,
    OwnerRequired,
    SealingKeyRequired,
    UnknownProvider,
)
from .outcome import (
    LoginCancelled,
    LoginDenied,
    LoginFailed,
    LoginTimedOut,
    SealedDataInvalid,
    SessionError,
    SignInRequired,
    StoreError,
    TemporarilyUnavailable,
    login_failed,
)
from .provider import (
    AccessDenied,
    AccountSelectionRequired,
    AuthorizationPending,
    CallbackAlreadyUsed,
    CallbackRejected,
    ConsentRequired,
    ExpiredToken,
    InteractionRequired,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    LoginRequired,
    OAuthError,
    ProviderError,
    ResponseInvalid,
    ServerError,
    ServiceUnavailable,
    SlowDown,
    UnauthorizedClient,
    UnknownUserId,
    UnsupportedGrantType,
    UnsupportedResponseType,
    ValidationFailed,
    oauth_error,
)
from .root import (
    LONGEST_PROVIDER_TEXT,
    AuthflowError,
    ErrorInfo,
    Phase,
    Recovery,
    Sent,
    printable,
    whereabouts,
)
from .wire import (
    ConnectFailed,
    DeadlineExceeded,
    RedirectRefused,
    ResponseTooLarge,
    WireError,
)

__all__ = [
    "LONGEST_PROVIDER_TEXT",
    "AccessDenied",
    "AccountSelectionRequired",
    "AlreadyAuthenticated",
    "AuthflowError",
    "AuthorizationPending",
    "BindingRequired",
    "BrowserUnavailable",
    "CallbackAlreadyUsed",
    "CallbackRejected",
    "ConfigurationError",
    "ConnectFailed",
    "ConsentRequired",
    "DeadlineExceeded",
    "ErrorInfo",
    "ExpiredToken",
    "InsecureURL",
    "InteractionRequired",
    "InvalidCall",
    "InvalidClient",
    "InvalidGrant",
    "InvalidRequest",
    "InvalidScope",
    "InvalidTarget",
    "InvalidTransition",
    "LoginCancelled",
    "LoginDenied",
    "LoginFailed",
    "LoginInProgress",
    "LoginRequired",
    "LoginTimedOut",
    "ManagerClosed",
    "MissingEndpoint",
    "MissingExtra",
    "Misuse",
    "NotSupported",
    "OAuthError",
    "OriginNotAllowed",
    "OwnerRequired",
    "Phase",
    "ProviderError",
    "Recovery",
    "RedirectRefused",
    "ResponseInvalid",
    "ResponseTooLarge",
    "SealedDataInvalid",
    "SealingKeyRequired",
    "Sent",
    "ServerError",
    "ServiceUnavailable",
    "SessionError",
    "SignInRequired",
    "SlowDown",
    "StoreError",
    "TemporarilyUnavailable",
    "UnauthorizedClient",
    "UnknownProvider",
    "UnknownUserId",
    "UnsupportedGrantType",
    "UnsupportedResponseType",
    "ValidationFailed",
    "WireError",
    "login_failed",
    "oauth_error",
    "printable",
    "whereabouts",
]
