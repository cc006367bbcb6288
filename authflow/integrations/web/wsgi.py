"""What a WSGI server says of a request's path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit


def raw_path(environ: Mapping[str, Any]) -> str:
    """`wire_path`, without where the application is mounted."""
    return wire_path(environ).removeprefix(_quoted(environ, "SCRIPT_NAME"))


def wire_path(environ: Mapping[str, Any]) -> str:
    """The path as it came over the wire, where the server tells it (Werkzeug, Gunicorn, uWSGI, mod_wsgi). Elsewhere
    the decoded one, encoded anew: then an encoded slash is a slash."""
    wire = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not isinstance(wire, str):
        return _quoted(environ, "SCRIPT_NAME") + _quoted(environ, "PATH_INFO")
    return urlsplit(wire).path if "://" in wire.partition("?")[0] else wire.partition("?")[0]


def _quoted(environ: Mapping[str, Any], name: str) -> str:
    return quote(str(environ.get(name, "")).encode("latin-1"))
