"""The two cookies of a login on the web: whose session it is, and which browser began.

    __Host-owner          opaque, 256 bits; the owner of the sessions is its hash, so a store that is read opens nothing
    __Host-login-<hash>   one for each login under way, named by its state, so that tabs do not overwrite each other's

Rule 1: both are HttpOnly, Secure, Path=/, without a Domain and with a name that begins with `__Host-`: no script, no
        other host and no plain http reads or sets them. Lax, because the provider's redirect comes from another site.
Rule 2: a login begins under an owner that no cookie leads to, and is moved to the cookie's when it has succeeded. So
        whoever planted a cookie shares nothing, and no worker knows the new owner from before.
Rule 3: two tabs may sign in at once, and the browser keeps one of the two owner's cookies. The login's cookies are
        named apart, so each stays for a minute after its sign-in: whichever tab comes next brings both together.
Rule 4: a browser that keeps no cookies begins no login, since it could not finish one. And what begins none costs the
        store nothing: neither a crawler that follows links nor a page that is opened again and again.
Rule 5: on http://127.0.0.1, for development, browsers refuse prefix and Secure: they are left off, and it is said so.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

MOST_LOGINS = 5  # tabs in which one browser may be signing in at a time
LOGIN_SECONDS = 600
ARRIVED_SECONDS = 60  # as long as the same callback is answered, and the exchange of another tab's may take
_SECRET = re.compile(r"[A-Za-z0-9_\-]{43}")


class Cookies:
    """Names and attributes, for an application at `base_url`. `keep_seconds`: None keeps the owner's cookie until
    the browser is closed."""

    def __init__(self, base_url: str, keep_seconds: int | None = None) -> None:
        parts = urlsplit(base_url)
        self.secure = parts.scheme == "https"
        # Cookies of 127.0.0.1 go to every port of it: the port keeps two applications apart.
        self.prefix = "__Host-" if self.secure else f"dev-{parts.port or 80}-"
        self.owner_name = f"{self.prefix}owner"
        self._kept_name = f"{self.prefix}kept"
        self._keep_seconds = keep_seconds

    def login_name(self, state: str) -> str:
        return f"{self.prefix}login-{hashlib.sha256(state.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"

    def are_kept(self, cookies: Mapping[str, str]) -> bool:
        """Whether this browser has shown that it brings cookies of ours back."""
        return any(name.startswith((self.owner_name, f"{self.prefix}login-", self._kept_name)) for name in cookies)

    def is_secret(self, name: str) -> bool:
        """Whether the value of the cookie `name` must not be shown."""
        return name == self.owner_name or name.startswith(f"{self.prefix}login-")

    def set_kept(self) -> tuple[str, str]:
        """The one by which that is seen."""
        return self._set(self._kept_name, "1", LOGIN_SECONDS)

    def secret_of(self, cookies: Mapping[str, str]) -> str | None:
        """What the owner's cookie holds; None where there is none, or one that was not made here."""
        secret = cookies.get(self.owner_name, "")
        return secret if _SECRET.fullmatch(secret) else None

    def set_owner(self, secret: str) -> tuple[str, str]:
        return self._set(self.owner_name, secret, self._keep_seconds)

    def drop_owner(self) -> tuple[str, str]:
        return self._set(self.owner_name, "", 0)

    def set_login(self, name: str, kept: Login, *, cross_site: bool) -> tuple[str, str]:
        """For one login. `cross_site`: the provider's page posts the answer, so Lax would lose it."""
        same_site = "None" if cross_site and self.secure else "Lax"
        value = f"{kept.binding}.{kept.secret}{f'.{kept.mark}' if kept.mark else ''}"
        return self._set(name, value, ARRIVED_SECONDS if kept.mark == ARRIVED else LOGIN_SECONDS, same_site)

    def drop_login(self, name: str) -> tuple[str, str]:
        return self._set(name, "", 0)

    def logins(self, cookies: Mapping[str, str]) -> list[str]:
        """The names of the logins under way, oldest first (browsers send them so)."""
        return [name for name in cookies if name.startswith(f"{self.prefix}login-")]

    def arrived(self, cookies: Mapping[str, str]) -> list[str]:
        """The secrets of the sign-ins of the last minute."""
        found = [read_login(cookies[name]) for name in self.logins(cookies)]
        return [one.secret for one in found if one is not None and one.mark == ARRIVED]

    def eldest(self, cookies: Mapping[str, str]) -> list[str]:
        """The names of those that make room for one more login."""
        under_way = self.logins(cookies)
        return under_way[: max(0, len(under_way) + 1 - MOST_LOGINS)]

    def _set(self, name: str, value: str, max_age: int | None, same_site: str = "Lax") -> tuple[str, str]:
        parts = [f"{name}={value}", "Path=/", "HttpOnly", f"SameSite={same_site}"]
        if self.secure:
            parts.append("Secure")
        if max_age is not None:
            parts.append(f"Max-Age={max_age}")
        return "Set-Cookie", "; ".join(parts)


STEP_UP = "up"  # beside the live session that this secret leads to already
ARRIVED = "in"  # the sign-in succeeded: the browser was given this secret as the owner's cookie


class Login(NamedTuple):
    """What a login's cookie holds: its binding, and the secret that becomes the owner's cookie."""

    binding: str
    secret: str
    mark: str = ""

    def __repr__(self) -> str:
        return "Login(…)"

    @property
    def begun_under(self) -> str:
        """The owner of the session while it is pending."""
        return owner_of(self.secret) if self.mark == STEP_UP else _hash(f"login {self.secret}")


def read_login(value: str) -> Login | None:
    """None for what was not made here."""
    binding, _, rest = value.partition(".")
    secret, _, mark = rest.partition(".")
    return Login(binding, secret, mark) if binding and _SECRET.fullmatch(secret) else None


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def owner_of(secret: str) -> str:
    """Under which key the sessions of this cookie are kept: 128 bits of its hash."""
    return _hash(f"owner {secret}")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
