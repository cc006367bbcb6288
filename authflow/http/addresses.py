"""Which addresses a request may reach. A request that says `extensions[PRIVATE] = False` reaches public ones only.

Rule 1: what was checked is what is connected to. A name is resolved once, and each address it has is looked at
        (`checked_addresses`), so a name that answers differently the second time gains nothing.
Rule 2: a proxy, or a user's client, resolves where nobody can check. There the host as it is written decides
        (`may_be_private`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

import httpx

from ..protocol.urls import is_private_host
from .faults import private_refused

PRIVATE = "authflow.private"


def is_private(address: str) -> bool:
    """True for an IP address that the public internet does not reach: private, loopback, link-local, shared,
    multicast, and IPv6 forms that carry such an IPv4 address. Raises `ValueError` for a name."""
    ip = ipaddress.ip_address(address)
    return is_private_host(address) or (ip.version == 6 and ip.is_site_local)


def may_be_private(request: httpx.Request) -> bool:
    """What the request says of private addresses; raises `ConnectFailed` when its own host is one it may not
    reach (a proxy or a user's client would resolve the name where nobody can check)."""
    if request.extensions.get(PRIVATE) is not False:
        return True
    if is_private_host(request.url.host):
        raise private_refused(request.url.host)
    return False


def checked_addresses(host: str, found: Iterable[Any], private: bool) -> list[str]:
    """The distinct addresses of a `getaddrinfo` answer, in its order, if all may be connected to."""
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not private and any(is_private(address) for address in addresses):
        raise private_refused(host)
    return addresses
