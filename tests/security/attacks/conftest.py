"""The judge of each test here, in both colours; what it looks at stands in `tests/security/judge.py`."""

from __future__ import annotations

import pytest

from tests.security.conftest import Stage
from tests.security.judge import Judge


@pytest.fixture
def judge(stage: Stage) -> Judge:
    return Judge(stage)
