"""A database as SQLAlchemy reaches it."""

from __future__ import annotations

import pytest

sa = pytest.importorskip("sqlalchemy", reason="pip install 'authflow-sessions[sql]'")

from authflow.errors import ConfigurationError  # noqa: E402
from authflow.stores.databases import explain, key_named, name_of, open_engine, records_table  # noqa: E402


@pytest.mark.parametrize("key", ["session/a/b/", "50%", "%00", "a\x00b%25", ""])
def test_a_name_has_no_nul_and_leads_back_to_its_key(key: str) -> None:
    assert "\x00" not in name_of(key)
    assert key_named(name_of(key)) == key


def test_what_is_no_url_is_refused_without_being_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_engine("no url with-a-password")
    assert "with-a-password" not in f"{caught.value!r}{caught.value}"


def test_an_error_is_explained_without_the_drivers_own_words() -> None:
    engine = open_engine("sqlite://")
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError) as caught:
        connection.execute(sa.select(records_table("missing").c.key).where(sa.literal("a-secret") == "x"))
    engine.dispose()
    said = " ".join(explain(caught.value))
    assert "Check" in said
    assert "a-secret" not in said
