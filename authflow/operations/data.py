"""What operations take and give: plain data."""

from __future__ import annotations

from typing import Any

import msgspec

from ..agents.polling import Instructions
from ..effects import Mailbox
from ..errors import (
    ErrorInfo,
)
from ..events import AuthEvent
from ..records import Key, Polled, Redacted, Token
from ..run import Run


class LoginOptions(msgspec.Struct, frozen=True):
    """What a caller may ask of one login. `timeout` is in seconds; `params` are further parameters of the
    authorization request."""

    scope: tuple[str, ...] = ()
    fetch_user: bool = True
    fetch_groups: bool = False
    timeout: float = 600.0
    redirect_uri: str | None = None
    request_uri: str | None = None
    app_data: Any = None
    agent: Any = None
    prompt: str | None = None
    max_age: float | None = None
    acr_values: tuple[str, ...] = ()
    claims: dict[str, Any] = {}
    authorization_details: tuple[dict[str, Any], ...] = ()
    resource: tuple[str, ...] = ()
    params: dict[str, str] = {}
    complete_page: str | None = None
    step_up: bool = False


class Begun(Redacted, msgspec.Struct, frozen=True):
    """A login on its way: everything that one side or the other needs to finish it."""

    url: str
    state: str
    binding: str | None
    expires_at: float
    attempt: str
    run: Run
    mailbox: Mailbox
    request_object: str | None = None
    told: Instructions | None = None
    polled: Polled | None = None

    def __repr__(self) -> str:
        return f"Begun(attempt={self.attempt!r})"


class Completion(Redacted, msgspec.Struct, frozen=True):
    """What a callback came to: the session, its event, and the application's own data from `begin`."""

    session: Any
    event: AuthEvent
    app_data: Any = None


class LogoutResult(Redacted, msgspec.Struct, frozen=True):
    """What a logout did. Locally it is done as soon as the call returns, whatever failed remotely.

    `revoked` maps `refresh_token` and `access_token` to True, or False when the provider refused or has no
    way. `end_session_url` signs out of the provider itself; the agent opened it when `end_session_opened`,
    otherwise send the browser there. `persisted` is False while the store could not be written.
    """

    signed_out: bool
    cancelled_login: bool = False
    persisted: bool = True
    revoked: dict[str, bool] = {}
    end_session_url: str | None = None
    end_session_opened: bool = False
    errors: tuple[ErrorInfo, ...] = ()


class LogoutReturn(Redacted, msgspec.Struct, frozen=True):
    """The browser came back from the provider's logout: whose session it was, and where it was sent to."""

    session: Any
    post_logout_redirect_uri: str


class ProviderLogout(msgspec.Struct, frozen=True):
    """What a logout by the provider did: the keys of the sessions that ended. None may have been left to end."""

    provider: str
    ended: tuple[Key, ...] = ()


class Saved(Redacted, msgspec.Struct, frozen=True, omit_defaults=True):
    """What `dump()` seals: the tokens of a session and whose they are."""

    token: Token
    issuer: str = ""
    subject: str = ""
    resource: tuple[str, ...] = ()
    dpop_key: bytes | None = None
    claims: bytes | None = None
    profile: bytes | None = None
    scope: tuple[str, ...] = ()
    signed_in_at: float | None = None

