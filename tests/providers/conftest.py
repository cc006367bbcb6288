"""A recorded provider per test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.providers.recorded import RecordedProvider


@pytest.fixture
def idp() -> Iterator[RecordedProvider]:
    with RecordedProvider() as running:
        yield running
