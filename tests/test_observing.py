"""What another process wrote is told in rows of the chart."""

from __future__ import annotations

import pytest

from authflow.chart import State
from authflow.events import Origin
from authflow.observing import observe
from authflow.records import BLANK, PendingRef, SessionRecord, Token

NOW = 1_800_000_000.0
AUTHORIZING = SessionRecord(
    state=State.AUTHORIZING, pending=(PendingRef(attempt="a1", state_hash="h1", deadline=NOW + 600),)
)
EXCHANGING = SessionRecord(state=State.EXCHANGING, attempt="a1", deadline=NOW + 60)


def told(known: SessionRecord, stored: SessionRecord) -> list[str]:
    return [f"{seen.trigger}:{seen.facts.reason or ''}" for seen in observe(known, stored, NOW)]


LIVE_RECORD = SessionRecord(
    state=State.AUTHENTICATED, epoch=3, generation=5, issuer="i", subject="ada", token=Token(access_token="at")
)


@pytest.mark.parametrize(
    ("known", "stored", "expected"),
    [
        pytest.param(BLANK, LIVE_RECORD, ["restore:"], id="somebody signed in elsewhere"),
        pytest.param(LIVE_RECORD, LIVE_RECORD, [], id="nothing happened"),
        pytest.param(
            LIVE_RECORD,
            SessionRecord(state=State.AUTHENTICATED, epoch=3, generation=6, issuer="i", subject="ada"),
            ["adopt:"],
            id="another process renewed",
        ),
        pytest.param(
            LIVE_RECORD,
            SessionRecord(state=State.LOGGED_OUT, epoch=4, reason="user"),
            ["revoke:user"],
            id="the user signed out elsewhere",
        ),
        pytest.param(
            LIVE_RECORD,
            SessionRecord(state=State.AUTHENTICATED, epoch=5, generation=6, issuer="i", subject="bob"),
            ["revoke:replaced", "restore:"],
            id="somebody else signed in",
        ),
        pytest.param(
            LIVE_RECORD,
            SessionRecord(state=State.REFRESHING, epoch=3, generation=5, issuer="i", subject="ada"),
            ["refresh:"],
            id="another process is renewing",
        ),
        pytest.param(AUTHORIZING, BLANK, ["cancel:"], id="a pending login was cancelled elsewhere"),
        pytest.param(EXCHANGING, LIVE_RECORD, [], id="an exchange goes on beside another login"),
    ],
)
def test_what_another_process_stored_is_told_in_rows_of_the_chart(
    known: SessionRecord, stored: SessionRecord, expected: list[str]
) -> None:
    assert told(known, stored) == expected
    assert all(seen.facts.origin is Origin.OTHER_PROCESS for seen in observe(known, stored, NOW))
