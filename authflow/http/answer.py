"""A response as it streams in: no redirect, no encoding that was not asked for, not one byte past the cap.

The cap (`Limits.most_bytes`) holds for what comes over the wire and for what gzip makes of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any

import httpx

from ..errors import RedirectRefused, ResponseTooLarge, Sent, WireError
from ..protocol.step import Limits
from .faults import endpoint, place

SECONDS = "authflow.seconds"


class Answer:
    """Status, headers and a body that is decoded as it streams in, never past the cap."""

    __slots__ = ("_limits", "_most", "_parts", "_raw", "_size", "_unzip", "_url", "headers", "status")

    def __init__(self, request: httpx.Request, limits: Limits, status: int, headers: Iterable[tuple[bytes, bytes]]):
        self.status = status
        self.headers = list(headers)
        self._url = request.url
        self._limits = limits
        self._most = limits.most_bytes
        self._parts: list[bytes] = []
        self._raw = self._size = 0
        self._unzip: Any = None

        if 300 <= status < 400:
            raise self._redirected()
        length = self._header(b"content-length")
        if length and length.isdigit() and (len(length) > 18 or int(length) > self._most):
            raise self._too_large()
        encoding = self._header(b"content-encoding").lower()
        if encoding in (b"gzip", b"x-gzip"):
            self._unzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
        elif encoding not in (b"", b"identity"):
            raise WireError(
                f"{endpoint(self._url)} answered in an encoding that was not asked for.",
                sent=Sent.YES,
                hint="authflow accepts gzip and plain answers.",
            )

    def _header(self, name: bytes) -> bytes:
        return b",".join(value.strip() for key, value in self.headers if key.lower() == name)

    def _redirected(self) -> RedirectRefused:
        hint = "Put the final address of that endpoint in the provider's settings."
        try:
            target = self._url.join(self._header(b"location").decode("ascii"))
        except (httpx.InvalidURL, ValueError):
            target = None
        if target is not None and target.scheme == self._url.scheme and target.host != self._url.host:
            hint = f"It points to {place(target.host, target.port)}. " + hint
        return RedirectRefused(
            f"{endpoint(self._url)} answered with a redirect ({self.status}), which authflow does not follow.",
            hint=hint,
        )

    def _too_large(self) -> ResponseTooLarge:
        return ResponseTooLarge(
            f"The answer of {endpoint(self._url)} is larger than {self._most} bytes.",
            hint="Is that the right address? No answer of this kind is that large.",
        )

    def feed(self, part: bytes) -> None:
        self._raw += len(part)
        if self._raw > self._most:
            raise self._too_large()
        if self._unzip is not None:
            try:
                part = self._unzip.decompress(part, self._most - self._size + 1)
            except zlib.error:
                raise self._broken_gzip() from None
        self._size += len(part)
        if self._size > self._most:
            raise self._too_large()
        self._parts.append(part)

    def _broken_gzip(self) -> WireError:
        return WireError(
            f"The gzip answer of {endpoint(self._url)} is damaged.",
            hint="Try again; if it stays so, a proxy on the way may have done it.",
            sent=Sent.YES,
        )

    def response(self, request: httpx.Request, seconds: float) -> httpx.Response:
        headers = self.headers
        if self._unzip is not None:
            if not self._unzip.eof and self._raw:
                raise self._broken_gzip()
            told = (b"content-encoding", b"content-length", b"transfer-encoding")
            headers = [(name, value) for name, value in headers if name.lower() not in told]
        return httpx.Response(
            self.status,
            headers=headers,
            content=b"".join(self._parts),
            request=request,
            extensions={SECONDS: seconds},
        )
