"""The Mermaid text of a sequence says what the sequence says; what a provider sent stays text."""

from __future__ import annotations

import re
from html import unescape

import pytest

from authflow.diagrams.sequence import Check, Lane, Message, Sequence, bands, mermaid, tell

LANES = (Lane("browser", "Browser"), Lane("app", "App"), Lane("provider", "Provider"))


def one(message: Message, title: str = "One") -> str:
    return mermaid(Sequence(title, LANES, (message,)))


def shown(line: str) -> str:
    """A line as Mermaid shows it: entities decoded, breaks as line ends."""
    return "\n".join(unescape(re.sub(r"#(\d+);", r"&#\1;", part)) for part in line.split("<br/>"))


def test_lanes_and_messages_come_in_order() -> None:
    messages = (Message("browser", "app", "GET /login"), Message("app", "browser", "303", reply=True))
    lines = mermaid(Sequence("Two", LANES, messages)).splitlines()

    assert lines[:5] == ["---", 'title: "Two"', "---", "sequenceDiagram", "    autonumber"]
    assert lines[5:8] == [f"    participant {lane.key} as {lane.label}" for lane in LANES]
    assert lines[8:] == ["    browser->>app: GET /login", "    app-->>browser: 303"]


def test_what_falls_into_one_state_stands_in_one_frame() -> None:
    messages = tuple(Message("app", "provider", str(i), band=band) for i, band in enumerate(("a", "a", "b")))
    text = mermaid(Sequence("Three", LANES, messages))

    assert text.count("    rect ") == text.count("    end\n") == 2
    assert text.count("Note over browser,provider: a\n") == 1
    assert bands(messages) == [("a", 0, 2), ("b", 2, 3)]


def test_a_failed_message_ends_in_a_cross() -> None:
    assert "    app-xprovider: POST\n" in one(Message("app", "provider", "POST", failed=True))
    assert "    provider--xapp: 400\n" in one(Message("provider", "app", "400", reply=True, failed=True))


def test_how_long_it_took_and_what_was_said_stand_below() -> None:
    line = one(Message("app", "provider", "POST /token", ("code=•••", "state"), took="182 ms")).splitlines()[-1]

    assert shown(line).endswith("POST /token (182 ms)\ncode=••• · state")


def test_a_failed_check_says_what_was_expected_and_what_came() -> None:
    assert tell(Check("iss")) == "✓ iss"
    assert tell(Check("nonce", False, "•••a1", "•••b2")) == "✗ nonce: expected •••a1, got •••b2"
    assert tell(Check("nonce", False, "•••a1")) == "✗ nonce: expected •••a1, got nothing"
    assert tell(Check("exp", False)) == "✗ exp"


@pytest.mark.parametrize(
    "hostile", ["a;b", "a#b", "a:b", "<b>", 'say "hi"', "two\nlines", "<br/>", "%%{init}%%", "\x1b[31mred", "`x`"]
)
def test_what_mermaid_would_read_as_its_own_stays_text(hostile: str) -> None:
    text = one(Message("app", "provider", hostile, (hostile,), checks=(Check("x", False, hostile, hostile),)), hostile)
    line = text.splitlines()[-1]

    assert line.startswith("    app->>provider: ")
    assert not set(line.removeprefix("    app->>provider: ").replace("<br/>", "")) & set("<>\"`%\x1b\n{}[]")
    assert shown(line).count(hostile.replace("\x1b", "\ufffd")) == 4
