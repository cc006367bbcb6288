"""One verifying TLS context for all connections of the process, built when first needed, or ahead by `warm_tls`."""

from __future__ import annotations

import os
import ssl
import threading

import httpx

from ..errors import ConfigurationError
from ..protocol.client_certificate import ClientCertificate

Key = tuple[str | None, str | None, ClientCertificate | None, tuple[int, ...]]

_tls_lock = threading.Lock()
tls_contexts: dict[Key, ssl.SSLContext] = {}


def _renew_tls_lock() -> None:
    global _tls_lock
    _tls_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # Another thread of the parent may hold the lock at the fork; the child has no such thread.
    os.register_at_fork(after_in_child=_renew_tls_lock)


def tls_key(trust_env: bool, certificate: ClientCertificate | None = None) -> Key:
    """Which context serves. Raises `ConfigurationError` for a client certificate whose files are not there."""
    version = () if certificate is None else certificate.version()
    if not trust_env:
        return None, None, certificate, version
    return os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None, certificate, version


def tls_context(trust_env: bool, certificate: ClientCertificate | None = None) -> ssl.SSLContext:
    """The process's one verifying context (per `SSL_CERT_FILE`, `SSL_CERT_DIR` and client certificate); 20 ms the
    first time."""
    key = tls_key(trust_env, certificate)
    found = tls_contexts.get(key)
    if found is not None:
        return found
    with _tls_lock:
        if key not in tls_contexts:
            context = _build(trust_env)
            if certificate is not None:
                _load(context, certificate)
                for old in [one for one in tls_contexts if one[2] is certificate and one[:2] == key[:2]]:
                    del tls_contexts[old]  # its files were written anew
            tls_contexts[key] = context
        return tls_contexts[key]


def _build(trust_env: bool) -> ssl.SSLContext:
    try:
        context = httpx.create_ssl_context(trust_env=trust_env)
    except OSError as error:
        raise ConfigurationError(
            "The trusted certificates could not be read.",
            hint="Look at the environment variables SSL_CERT_FILE and SSL_CERT_DIR.",
        ) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


def _load(context: ssl.SSLContext, certificate: ClientCertificate) -> None:
    # Without a password OpenSSL would ask for one at the terminal, and wait.
    password = certificate.password or (lambda: b"")
    try:
        context.load_cert_chain(certificate.certfile, certificate.keyfile, password)
    except (OSError, ValueError) as error:
        reason = type(error).__name__
    else:
        return
    raise ConfigurationError(
        f"The client certificate could not be used: {reason}.",
        hint="ClientCertificate wants PEM files whose key fits the certificate, and the password of an encrypted key.",
    )


def warm_tls(*, trust_env: bool = True) -> None:
    """Builds the TLS context in a thread that ends with it. Call it while the human is in the browser."""
    if tls_key(trust_env) in tls_contexts:
        return

    def build() -> None:
        try:
            tls_context(trust_env)
        except ConfigurationError:
            pass  # told to whoever connects

    threading.Thread(target=build, name="authflow-tls").start()
