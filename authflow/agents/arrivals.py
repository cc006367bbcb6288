"""What may be a provider's redirect among all that arrives at a port of this machine.

Rule: only a GET or a form POST on the registered path, with the exact Host, as a browser navigates. Whatever else comes
is told what it did wrong, in one line, and learns nothing about the login.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

import h11
import msgspec


class Limits(msgspec.Struct, frozen=True):
    """What one listener gives to strangers. Bytes, seconds, counts."""

    header_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    fields: int = 64  # parameters of one callback
    connections: int = 64
    request_seconds: float = 10.0  # from connecting to the whole request
    answer_seconds: float = 15.0  # from the whole request to the application's answer
    write_seconds: float = 5.0  # from the answer to its last byte
    linger_seconds: float = 1.0  # until the browser has closed its side
    flush_seconds: float = 0.5  # all of the above, once the listener is being closed
    close_seconds: float = 1.0  # how long close() waits for the thread


DEFAULT_LIMITS = Limits()


class Refused(Exception):
    """A request that is no callback: status, one line of text, and headers that go with it."""

    def __init__(self, status: int, text: str, *extra: tuple[str, str]) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.extra = extra


def check_head(request: h11.Request, authority: str, path: str, limits: Limits) -> None:
    """Everything that can be said before the body is read; raises `Refused`. `path` is the registered one."""
    found = {name: value.decode("latin-1").strip() for name, value in request.headers}
    method = request.method.decode("ascii", "replace")
    asked, _, _ = request.target.decode("ascii").partition("?")

    # DNS rebinding: a page of evil.test whose name now leads here still says so in the Host header.
    if found.get(b"host", "").lower() != authority:
        raise Refused(421, "This listener answers to its own address only.")
    if asked != (path or "/"):
        raise Refused(404, "There is nothing here.")
    if method not in ("GET", "POST"):
        raise Refused(405, "Only the provider's redirect is answered here.", ("Allow", "GET, POST"))
    # A prefetched page may never be shown, and a code can be used once.
    purposes = (b"sec-purpose", b"purpose", b"x-purpose", b"x-moz")
    if any(found.get(name, "").lower().startswith(("prefetch", "preview", "prerender")) for name in purposes):
        raise Refused(503, "Open this page to finish the sign-in.")
    # A redirect is a navigation. Scripts, pictures and frames of other sites are not.
    if found.get(b"sec-fetch-mode", "navigate") != "navigate":
        raise Refused(403, "Only the provider's redirect is answered here.")
    if method == "GET":
        if int(found.get(b"content-length", "0")) or b"transfer-encoding" in found:
            raise Refused(400, "A redirect has no body.")
        return

    media_type = found.get(b"content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise Refused(415, "Only a form is accepted here.")
    if int(found.get(b"content-length", "0")) > limits.body_bytes:
        raise Refused(413, "The form is too large.")


def parse_form(form: bytes, limits: Limits) -> list[tuple[str, str]]:
    """The parameters of a query or a form; raises `Refused`."""
    try:
        return parse_qsl(form.decode("ascii"), keep_blank_values=True, max_num_fields=limits.fields)
    except ValueError:  # too many fields, or bytes that no form encoding gives
        raise Refused(400, "This is no answer of a provider.") from None


def explain(parser: h11.Connection, error: h11.RemoteProtocolError) -> Refused:
    """What to answer to bytes that are no request."""
    if error.error_status_hint == 431:
        unread, _ = parser.trailing_data
        if b"\n" not in unread:
            return Refused(414, "The request line is too long.")
        return Refused(431, "The request headers are too large.")
    return Refused(error.error_status_hint if error.error_status_hint == 501 else 400, "This is no HTTP request.")
