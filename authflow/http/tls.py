"""One verifying TLS context for all connections of the process, built when first needed, or ahead by `warm_tls`."""

from __future__ import annotations

import os
import ssl
import threading

import httpx

from ..errors import ConfigurationError

_tls_lock = threading.Lock()
tls_contexts: dict[tuple[str | None, str | None], ssl.SSLContext] = {}


def _renew_tls_lock() -> None:
    global _tls_lock
    _tls_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    # Another thread of the parent may hold the lock at the fork; the child has no such thread.
    os.register_at_fork(after_in_child=_renew_tls_lock)


def tls_key(trust_env: bool) -> tuple[str | None, str | None]:
    if not trust_env:
        return None, None
    return os.environ.get("SSL_CERT_FILE") or None, os.environ.get("SSL_CERT_DIR") or None


def tls_context(trust_env: bool) -> ssl.SSLContext:
    """The process's one verifying context (per `SSL_CERT_FILE` and `SSL_CERT_DIR`); 20 ms the first time."""
    key = tls_key(trust_env)
    found = tls_contexts.get(key)
    if found is not None:
        return found
    with _tls_lock:
        if key not in tls_contexts:
            try:
                context = httpx.create_ssl_context(trust_env=trust_env)
            except OSError as error:
                raise ConfigurationError(
                    "The trusted certificates could not be read.",
                    hint="Look at the environment variables SSL_CERT_FILE and SSL_CERT_DIR.",
                ) from error
            context.set_alpn_protocols(["http/1.1"])
            tls_contexts[key] = context
        return tls_contexts[key]


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
