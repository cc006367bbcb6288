"""authflow: logins as explicit state machines, sessions you can watch and never lose.

    from authflow import SessionManager
    from authflow.providers import GitHub

    manager = SessionManager([GitHub.from_env()])
    manager["github"].login()

Importing this module imports nothing else: each name is loaded when it is first asked for (PEP 562).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chart import CHART, State, Trigger
    from .clock import Clock, SystemClock
    from .errors import (
        AuthflowError,
        ErrorInfo,
        LoginCancelled,
        LoginDenied,
        LoginFailed,
        LoginTimedOut,
        SignInRequired,
        TemporarilyUnavailable,
    )
    from .events import AuthEvent, Origin, StepUp
    from .manager import AsyncSessionManager, SessionManager
    from .operations import Completion, LogoutResult, LogoutReturn, ProviderLogout
    from .records import Group, Key, Token, User
    from .sealing import generate_key
    from .session import AsyncSession, AuthorizationRequest, Session

__version__ = "0.1.0"

_HOME = {
    "CHART": "chart",
    "State": "chart",
    "Trigger": "chart",
    "Clock": "clock",
    "SystemClock": "clock",
    "AuthflowError": "errors",
    "ErrorInfo": "errors",
    "LoginCancelled": "errors",
    "LoginDenied": "errors",
    "LoginFailed": "errors",
    "LoginTimedOut": "errors",
    "SignInRequired": "errors",
    "TemporarilyUnavailable": "errors",
    "AuthEvent": "events",
    "Origin": "events",
    "AsyncSessionManager": "manager",
    "SessionManager": "manager",
    "AuthorizationRequest": "session",
    "Completion": "operations",
    "LogoutResult": "operations",
    "LogoutReturn": "operations",
    "ProviderLogout": "operations",
    "StepUp": "events",
    "Group": "records",
    "Key": "records",
    "Token": "records",
    "User": "records",
    "generate_key": "sealing",
    "AsyncSession": "session",
    "Session": "session",
}

__all__ = [
    "CHART",
    "AsyncSession",
    "AsyncSessionManager",
    "AuthEvent",
    "AuthflowError",
    "AuthorizationRequest",
    "Clock",
    "Completion",
    "ErrorInfo",
    "Group",
    "Key",
    "LoginCancelled",
    "LoginDenied",
    "LoginFailed",
    "LoginTimedOut",
    "LogoutResult",
    "LogoutReturn",
    "Origin",
    "ProviderLogout",
    "Session",
    "SessionManager",
    "SignInRequired",
    "State",
    "StepUp",
    "SystemClock",
    "TemporarilyUnavailable",
    "Token",
    "Trigger",
    "User",
    "__version__",
    "generate_key",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'authflow' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"authflow.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
