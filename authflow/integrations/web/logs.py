"""What servers write down of a request: its address, without what a provider's answer holds.

A callback's query has a code and a state; access logs keep whole addresses, for long, and many may read them.

Rule: of a line only such a query is left out, whatever server writes it; all other lines stay as they are.
"""

from __future__ import annotations

import logging
import re
from typing import Final

SERVERS: Final = (
    "uvicorn.access", "hypercorn.access", "gunicorn.access", "tornado.access", "werkzeug", "django.server"
)  # fmt: skip
_ANSWER: Final = re.compile(r"\?(?=[^\s\"']*\b(?:state|response)=)[^\s\"']*")


def hide_answers() -> None:
    """From now on, in this process. To say it again changes nothing."""
    for name in SERVERS:
        logging.getLogger(name).addFilter(without_answer)


def without_answer(record: logging.LogRecord) -> bool:
    """A filter of such a logger. They give the request's line among the arguments."""
    if isinstance(record.args, tuple):
        record.args = tuple(map(_cut, record.args))
    elif isinstance(record.args, dict):
        record.args.update({name: _cut(value) for name, value in record.args.items()})
    return True


def _cut(value: object) -> object:
    return _ANSWER.sub("", value) if isinstance(value, str) else value
