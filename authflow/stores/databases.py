"""A database as SQLAlchemy reaches it: an engine whose calls end, the table of the records, and what its errors mean.

Rule: nothing of a driver's own text is passed on, for it repeats statements and values.
"""

from __future__ import annotations

from typing import Any, Final

from ..errors import ConfigurationError, MissingExtra
from .base import key_bytes

try:
    import sqlalchemy as sa
    from sqlalchemy import exc
except ImportError:
    raise MissingExtra(
        "An SQLStore needs the package sqlalchemy.",
        hint="Install it and your database's driver: pip install 'authflow-sessions[sql]' 'psycopg[binary]'",
    ) from None

SECONDS: Final = 5.0  # that one statement, and one connection, may take


def driver_errors(connection: sa.Connection) -> type[Exception]:
    """The root of the errors that the driver of this connection raises."""
    found: type[Exception] = connection.dialect.loaded_dbapi.Error
    return found


def open_engine(database: str | sa.URL) -> sa.Engine:
    """An engine whose statements and connections have a deadline. Raises `ConfigurationError`, `MissingExtra`."""
    try:
        url = sa.make_url(database)
        settings: dict[str, Any] = {}
        name = url.get_backend_name()
        if name == "postgresql":
            settings["connect_args"] = _postgresql_deadlines(url)
        elif name == "sqlite":
            settings["connect_args"] = {"timeout": SECONDS}
        if name != "sqlite":
            settings.update(pool_size=10, max_overflow=10, pool_timeout=SECONDS, pool_pre_ping=True)
        return sa.create_engine(url, **settings)
    except ImportError as missing:
        raise MissingExtra(
            f"The database's driver {missing.name or ''} is not installed.",
            hint="Install it, for PostgreSQL: pip install 'psycopg[binary]' (and write postgresql+psycopg://…)",
        ) from None
    except (exc.ArgumentError, TypeError, ValueError):
        raise ConfigurationError(
            "This is no database URL.", hint="Write postgresql+psycopg://user@host/name, as SQLAlchemy reads it."
        ) from None


def _postgresql_deadlines(url: sa.URL) -> dict[str, Any]:
    """What libpq and the server keep, so that no call waits for ever, not even for a peer that has vanished."""
    milliseconds = int(SECONDS * 1000)
    given = url.query.get("options", "")
    options = " ".join([given] if isinstance(given, str) else given)
    if url.get_driver_name() not in ("psycopg", "psycopg2"):
        return {}
    return {
        "connect_timeout": int(SECONDS),
        "tcp_user_timeout": milliseconds,
        "keepalives_idle": int(SECONDS),
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": f"-c statement_timeout={milliseconds} {options}".strip(),
    }


def pool_size(engine: sa.Engine) -> int:
    """How many connections the engine keeps."""
    size = getattr(engine.pool, "size", None)
    return int(size()) if callable(size) else 16


def records_table(name: str) -> sa.Table:
    """The table of the records; one without `data` is of a key that was removed."""
    # "C" is bytewise: no two keys are the same to it, and it can serve a prefix from the index.
    key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Table(
        name,
        sa.MetaData(),
        sa.Column("key", key, primary_key=True),
        sa.Column("version", sa.BigInteger, nullable=False, index=True),
        sa.Column("data", sa.LargeBinary),
        sa.Column("until", sa.Double),
    )


def name_of(key: str) -> str:
    """What a key is called in the table: no database text holds a NUL."""
    key_bytes(key)
    return key.replace("%", "%25").replace("\x00", "%00")


def key_named(name: str) -> str:
    """The key of a name in the table."""
    return name.replace("%00", "\x00").replace("%25", "%")


def explain(error: Exception) -> tuple[str, str]:
    """Why, and the remedy; nothing of the driver's own text, which repeats statements and values."""
    match error:
        case exc.TimeoutError():
            return "all its connections are in use", "Give the engine a larger pool."
        case exc.OperationalError() | exc.InterfaceError() | OSError():
            return "there is no connection, or no answer in time", "Check that it runs, its address and its load."
        case exc.ProgrammingError():
            return "it refuses the statement", "Let this user create the table, or read and write it."
        case exc.InternalError() | exc.NotSupportedError():
            return "it cannot be written", "Connect to the primary, as a user who may write."
        case _:
            name = type(getattr(error, "orig", None) or error).__name__
            return f"it answered with an error ({name})", "Check its log."
