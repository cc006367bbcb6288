"""What a WSGI server says of a request's path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit


def raw_path(environ: Mapping[str, Any]) -> str:
    """The path as it came over the wire, without where the application is mounted, where the server tells it
    (Werkzeug, Gunicorn, uWSGI, mod_wsgi). Elsewhere the decoded one, encoded anew: then an encoded slash is a slash."""
    wire = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if not isinstance(wire, str):
        return quote(str(environ.get("PATH_INFO", "")).encode("latin-1"))
    path = urlsplit(wire).path if "://" in wire.partition("?")[0] else wire.partition("?")[0]
    return path.removeprefix(quote(str(environ.get("SCRIPT_NAME", "")).encode("latin-1")))
