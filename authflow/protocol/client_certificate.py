"""`ClientCertificate`: what the client shows in the TLS handshake (RFC 8705), and the endpoints where it does.

A request that carries one (`extensions[CERTIFICATE]`) goes over a connection that was opened with it and serves no
request without. The TLS itself is `http/tls.py`'s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, NoReturn

import httpx
import msgspec

from ..errors import ConfigurationError
from .messages import ServerMetadata

CERTIFICATE: Final = "authflow.certificate"
_HINT: Final = "Look at ClientCertificate's files."

# RFC 8705 §5: the endpoints that a client calls itself. The authorization endpoint is the browser's.
_ALIASED: Final = frozenset(
    {
        "token_endpoint", "userinfo_endpoint", "revocation_endpoint", "introspection_endpoint", "registration_endpoint",
        "pushed_authorization_request_endpoint", "device_authorization_endpoint",
        "backchannel_authentication_endpoint",
    }
)  # fmt: skip


class ClientCertificate:
    """`ClientCertificate("client.crt", "client.key")`: PEM files, or one that holds both.

    The chain follows the certificate in its file. `password` opens an encrypted key. The files are read when a
    connection is opened, and again once they have changed: a certificate that is renewed needs no restart.
    """

    __slots__ = ("_password", "certfile", "keyfile")

    def __init__(
        self, certfile: str | os.PathLike[str], keyfile: str | os.PathLike[str] | None = None, *,
        password: str | bytes | None = None,
    ) -> None:  # fmt: skip
        self.certfile = os.fspath(certfile)
        self.keyfile = None if keyfile is None else os.fspath(keyfile)
        self._password = password

    @property
    def password(self) -> str | bytes | None:
        return self._password

    def version(self) -> tuple[int, ...]:
        """Differs when a file was written anew. Raises `ConfigurationError` for one that is not there."""
        try:
            return tuple(os.stat(path).st_mtime_ns for path in (self.certfile, self.keyfile) if path is not None)
        except OSError as error:
            missing = error.strerror or "unreadable"
        raise ConfigurationError(
            f"The client certificate could not be read: {missing}.", hint=_HINT
        )

    def thumbprint(self) -> str:
        """SHA-256 of the certificate, base64url: the `x5t#S256` of a token bound to it (RFC 8705 §3.1)."""
        from base64 import urlsafe_b64encode

        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            with open(self.certfile, "rb") as file:
                certificate = x509.load_pem_x509_certificate(file.read())
        except (OSError, ValueError):
            certificate = None
        if certificate is None:
            raise ConfigurationError("The client certificate is no PEM file.", hint=_HINT)
        return urlsafe_b64encode(certificate.fingerprint(SHA256())).rstrip(b"=").decode()

    def __repr__(self) -> str:
        return f"ClientCertificate({self.certfile!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("A ClientCertificate may hold a password and is not pickled.")

    def __deepcopy__(self, memo: dict[int, Any]) -> ClientCertificate:
        return self


def with_aliases(metadata: ServerMetadata) -> ServerMetadata:
    """The endpoints of a client that shows a certificate (RFC 8705 §5)."""
    aliases: Mapping[str, str] = metadata.mtls_endpoint_aliases or {}
    own = {name: url for name, url in aliases.items() if name in _ALIASED and hasattr(metadata, name)}
    return msgspec.structs.replace(metadata, **own)


def certificate_of(request: httpx.Request) -> ClientCertificate | None:
    """What a request is to be sent with."""
    found = request.extensions.get(CERTIFICATE)
    return found if isinstance(found, ClientCertificate) else None
