"""Which URLs may carry a login, and how parameters are put into one.

Rule 1: a URL is judged as written, before it is parsed. Parsers drop tabs and newlines, read backslashes
        as they please and disagree about `@`; a URL that has any of these is refused, not repaired.
Rule 2: https, or http on the loopback interface where the caller said so. There is no third way.

Whether a *name* resolves to a private address is the transport's matter; here only literals are judged.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from ..errors import InsecureURL, printable

LONGEST_URL = 8192

# RFC 3986 §2: all characters that a URL may have. What is not here (space, controls, \ " < > ^ ` { | } and
# all beyond ASCII) is a reason to refuse.
_URL_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
# A reverse domain name, and then a path: `app.example:8443/x` is a host and a port without their scheme.
_PRIVATE_USE = re.compile(r"[A-Za-z][A-Za-z0-9+\-]*(\.[A-Za-z0-9+\-]+)+:/")
_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_\-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_\-]*[A-Za-z0-9_])?)*\.?")
_HIDDEN = re.compile(r"(?<!:)//|/\.{1,2}(?:/|\Z)|%2[eEfF]|%5[cC]|%00")
_UNRESERVED = re.compile(r"[A-Za-z0-9\-._~]*")
_IPV4_PART = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def check_endpoint(url: str, *, allow_insecure_loopback: bool = False) -> str:
    """`url`, if a secret may be sent there: clean, https; http on loopback only with the flag.

    Raises `InsecureURL` otherwise.
    """
    if not isinstance(url, str):
        _clean_text(url, "endpoint")
    return _checked_endpoint(url, allow_insecure_loopback)


@lru_cache(maxsize=256)  # a login asks the same few times over; a refusal is not kept
def _checked_endpoint(url: str, allow_insecure_loopback: bool) -> str:
    scheme, host = _clean(url, "endpoint")
    if scheme == "https":
        return url
    if scheme == "http" and is_loopback(host):
        if allow_insecure_loopback:
            return url
        raise _refused(url, "endpoint", "is not https", "For development only: allow_insecure_loopback=True.")
    raise _refused(url, "endpoint", "is not https", "Use the provider's https:// URL.")


def check_redirect_uri(uri: str) -> str:
    """`uri`, if a code may arrive there: https, http on loopback (RFC 8252 §7.3), or a private-use scheme
    that is a reverse domain name (RFC 8252 §7.1).

    Raises `InsecureURL` otherwise.
    """
    if isinstance(uri, str) and _PRIVATE_USE.match(uri):
        _clean_text(uri, "redirect URI")
        if "@" in uri.partition("?")[0]:
            raise _refused(uri, "redirect URI", "names a user", "Leave out what stands before '@'.")
        return uri

    scheme, host = _clean(uri, "redirect URI")
    if scheme == "https" or (scheme == "http" and is_loopback(host)):
        return uri
    if scheme == "http":
        raise _refused(uri, "redirect URI", "is not https", "Use https, or http://127.0.0.1 for a local program.")
    raise _refused(
        uri,
        "redirect URI",
        "has a scheme that anybody could register",
        "Use https, or a reverse domain name as scheme: com.example.app:/callback.",
    )


def is_loopback(host: str) -> bool:
    """Whether `host` is `localhost` or a loopback address in its plain form (RFC 8252 §7.3)."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_private_host(host: str) -> bool:
    """Whether `host` is a literal of an address that the public cannot reach, in any form a resolver takes.

    Decimal (`2130706433`), hexadecimal (`0x7f.1`), octal, short and IPv4-in-IPv6 forms count. A name
    counts only if it is `localhost`.
    """
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = read_address(name)
    return address is not None and not _is_public(address)


def read_address(host: str) -> IPAddress | None:
    """The address that `host` is a literal of, read as `inet_aton` and RFC 4291 read it; None for a name."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass

    parts = host.split(".")
    if not 1 <= len(parts) <= 4 or not all(_IPV4_PART.fullmatch(part) for part in parts):
        return None
    try:
        numbers = [_number(part) for part in parts]
    except ValueError:
        return None
    if any(number > 255 for number in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    value = numbers[-1]
    for place, number in enumerate(numbers[:-1]):
        value += number << (8 * (3 - place))
    return ipaddress.IPv4Address(value)


def check_target(target: str, allowed: Sequence[str]) -> bool:
    """Whether a browser may be sent to `target` after a login or logout: a path of this site, or an https URL, that
    the application has listed. An entry of `allowed` that ends in `/` stands for all beneath it.

    Judged as written, like every URL: what browsers read in another way than it looks (`//host`, backslashes, tabs,
    dot segments, encoded slashes) is no target.
    """
    if not isinstance(target, str) or len(target) > LONGEST_URL or not _URL_CHARACTERS.fullmatch(target):
        return False
    path = target.partition("?")[0]
    if "#" in target or _HIDDEN.search(path) or target.startswith("//"):
        return False
    if not target.startswith("/"):
        try:
            check_redirect_uri(target)
        except InsecureURL:
            return False
    return any(path == one or (one.endswith("/") and path.startswith(one)) for one in allowed)


def add_query(url: str, params: Mapping[str, str | tuple[str, ...]]) -> str:
    """`url` with `params` in its query. What stands there already is kept, save what `params` names anew:
    a parameter may be there once only (RFC 6749 §3.1), save one whose value is a tuple (RFC 8707 §2)."""
    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in params]
    query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in (*kept, *each_pair(params)))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def each_pair(params: Mapping[str, str | tuple[str, ...]]) -> Iterable[tuple[str, str]]:
    """Name and value of every parameter, a repeated one as often as it has values."""
    for name, value in params.items():
        if isinstance(value, tuple):
            yield from ((name, one) for one in value)
        else:
            yield name, value


def _quoted(text: object) -> str:
    text = str(text)
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


def origin_of(url: str) -> str:
    """`scheme://host[:port]` of a checked URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def host_of(url: str) -> str:
    """The host of a checked URL, in lower case, without brackets; empty when there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _clean(url: str, what: str) -> tuple[str, str]:
    """Scheme and host of a URL without tricks."""
    _clean_text(url, what)
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        raise _refused(url, what, "is no absolute URL", "Write it whole: https://host/path.")
    authority = re.split(r"[/?]", rest, maxsplit=1)[0]
    if "@" in authority:
        raise _refused(url, what, "names a user", "Leave out what stands before '@'.")
    if "%" in authority:
        raise _refused(url, what, "hides its host behind '%'", "Write the host as it is.")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused(url, what, "has no readable host and port", "Write https://host[:port]/path.") from None
    if port == 0 or not host or not _is_host(host, authority):
        raise _refused(url, what, "has no readable host and port", "Write https://host[:port]/path.")
    return scheme.lower(), host


def _clean_text(url: str, what: str) -> None:
    """Refuses before any parser sees it."""
    if not isinstance(url, str) or not url:
        raise InsecureURL(f"The {what} is empty or no string.", hint="Write it whole: https://host/path.")
    if len(url) > LONGEST_URL:
        raise InsecureURL(f"The {what} is longer than {LONGEST_URL} characters.", hint="Write the plain URL.")
    if not _URL_CHARACTERS.fullmatch(url):
        raise _refused(
            url,
            what,
            "has characters that no URL has (space, control, backslash, quote or beyond ASCII)",
            "Percent-encode them; write an international host in its xn-- form.",
        )
    if "#" in url:
        raise _refused(url, what, "has a fragment", "Leave out '#' and what follows (RFC 6749 §3.1).")


def _is_host(host: str, authority: str) -> bool:
    if authority.startswith("["):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return False
        return True
    return bool(_HOST_NAME.fullmatch(host)) and len(host) <= 253


def _refused(url: str, what: str, why: str, hint: str) -> InsecureURL:
    # Without its query: that is where a secret would stand.
    return InsecureURL(f"The {what} {printable(url.partition('?')[0], 200)!r} {why}.", hint=hint)


def _number(part: str) -> int:
    if part[:2].lower() == "0x":
        return int(part[2:] or "0", 16)
    if len(part) > 32:
        raise ValueError("longer than any address")
    return int(part, 8) if part.startswith("0") and part != "0" else int(part)


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


def _is_public(address: IPAddress) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and (address in _NAT64 or address in _COMPATIBLE):
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
    return address.is_global and not address.is_multicast
