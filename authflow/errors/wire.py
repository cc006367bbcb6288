"""The wire: no complete answer arrived, or none that may be read."""

from __future__ import annotations

from .root import AuthflowError, Recovery, Sent


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
