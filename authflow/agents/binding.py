"""The sockets that a redirect arrives at: bound to the loopback interface, and to nothing else.

Rule: whoever is told that a port is theirs has it alone, on each address that the host's name has.
"""

from __future__ import annotations

import errno
import socket
import sys

from ..errors import ConfigurationError
from .redirect import LoopbackPlan

_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
_TRIES = 16


def bind_loopback(plan: LoopbackPlan) -> list[socket.socket]:
    """Listening sockets for the plan: one address for an IP literal, both families for `localhost`.

    Raises `ConfigurationError` when the port is taken or may not be used, on either family.
    """
    addresses = {"localhost": ("127.0.0.1", "::1")}.get(plan.host, (plan.host,))
    for left in reversed(range(_TRIES)):
        opened: list[socket.socket] = []
        port = plan.port
        try:
            for address in addresses:
                try:
                    opened.append(_listen(address, port, reuse=plan.port != 0))
                except OSError as error:
                    if opened and error.errno in _NO_IPV6:
                        break
                    raise
                port = opened[0].getsockname()[1]
            return opened
        except OSError as error:
            for sock in opened:
                sock.close()
            # A free port on 127.0.0.1 may be somebody else's on ::1: another one is as good.
            if plan.port == 0 and opened and left:
                continue
            raise _port_error(plan, error) from error
    raise ConfigurationError("No free loopback port was found.", hint="Set loopback_port on the provider.")


def _listen(address: str, port: int, *, reuse: bool) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        exclusive = getattr(socket, "SO_EXCLUSIVEADDRUSE", None)
        if exclusive is not None:
            # On Windows another program could otherwise bind the very same port and take the redirect.
            sock.setsockopt(socket.SOL_SOCKET, exclusive, 1)
        elif reuse and sys.platform != "win32":
            # A fixed port must be usable again right after a login: this passes over connections in
            # TIME_WAIT. It never shares the port of a socket that listens; SO_REUSEPORT would.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(128)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _port_error(plan: LoopbackPlan, error: OSError) -> ConfigurationError:
    if plan.port and error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"Port {plan.port} on {plan.host} is used by another program, so the redirect cannot be received.",
            hint="End that program, or register another port with the provider and set it as loopback_port.",
        )
    if plan.port and error.errno in (errno.EACCES, errno.EPERM):
        return ConfigurationError(
            f"Port {plan.port} on {plan.host} may not be used by this program.",
            hint="Register a port above 1023 with the provider and set it as loopback_port.",
        )
    return ConfigurationError(
        f"No loopback socket could be opened on {plan.host}: {error.strerror or type(error).__name__}.",
        hint="Use the Paste agent where the loopback interface is not available.",
    )
