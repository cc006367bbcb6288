"""The sockets that a redirect arrives at."""

from __future__ import annotations

import errno
import socket

import pytest

from authflow.agents import binding
from authflow.agents.binding import bind_loopback
from authflow.agents.redirect import LoopbackPlan
from authflow.errors import ConfigurationError


def test_localhost_without_ipv6_is_bound_on_ipv4(monkeypatch):
    def no_ipv6(address: str, port: int, *, reuse: bool) -> socket.socket:
        if address == "::1":
            raise OSError(errno.EADDRNOTAVAIL, "no such address")
        return real(address, port, reuse=reuse)

    real = binding._listen
    monkeypatch.setattr(binding, "_listen", no_ipv6)
    [only] = bind_loopback(LoopbackPlan("localhost", 0, "/"))
    assert only.getsockname()[0] == "127.0.0.1"
    only.close()


def test_a_free_port_that_is_taken_on_the_other_family_is_exchanged_for_another(monkeypatch):
    taken: list[int] = []

    def busy_twice(address: str, port: int, *, reuse: bool) -> socket.socket:
        if address == "::1":
            taken.append(port)
            if len(taken) < 3:
                raise OSError(errno.EADDRINUSE, "taken")
            raise OSError(errno.EAFNOSUPPORT, "no IPv6")
        return real(address, port, reuse=reuse)

    real = binding._listen
    monkeypatch.setattr(binding, "_listen", busy_twice)
    [only] = bind_loopback(LoopbackPlan("localhost", 0, "/"))
    assert only.getsockname()[1] == taken[2]
    only.close()


def test_a_port_that_needs_rights_is_named_with_its_remedy(monkeypatch):
    def forbidden(address: str, port: int, *, reuse: bool) -> socket.socket:
        raise PermissionError(errno.EACCES, "forbidden")

    monkeypatch.setattr(binding, "_listen", forbidden)
    with pytest.raises(ConfigurationError, match="above 1023"):
        bind_loopback(LoopbackPlan("127.0.0.1", 80, "/"))


def test_a028_every_socket_is_on_loopback():
    for host in ("127.0.0.1", "localhost"):
        sockets = bind_loopback(LoopbackPlan(host, 0, "/"))
        assert {sock.getsockname()[0] for sock in sockets} <= {"127.0.0.1", "::1"}
        for sock in sockets:
            sock.close()
