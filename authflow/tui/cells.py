"""A row of the overview as the cells of a table, and the overview as the line above it. Pure.

Rule: a state is told by its word and its dot, what is wrong by its sign too: nothing by colour alone.
"""

from __future__ import annotations

import time
from typing import Final

from rich.text import Text

from ..overview import Overview, SessionRow, Tone

COLUMNS: Final = (
    "session", "state", "token", "refresh", "user", "scopes", "last refresh", "signed in", "type", "fingerprint",
    "issuer", "store", "what is wrong",
)  # fmt: skip
BAR: Final = 8  # cells
SKEW_SECONDS: Final = 30.0  # what a clock may be off

# Each has a contrast of 4.5 or more on the dark ground.
GOOD, BUSY, WARN, BAD, PALE = "#56c288", "#5cc8e0", "#e8a84c", "#ff7b72", "#9aa4af"
LOOKS: Final[dict[str, str]] = {
    Tone.GOOD: GOOD,
    Tone.BUSY: BUSY,
    Tone.WARN: WARN,
    Tone.BAD: BAD,
    Tone.QUIET: PALE,
}
_SIGNS: Final[dict[str, str]] = {Tone.GOOD: "●", Tone.BUSY: "◐", Tone.WARN: "▲", Tone.BAD: "✗", Tone.QUIET: "○"}


def cells(row: SessionRow, now: float) -> tuple[Text, ...]:
    """The cells of a row, in the order of `COLUMNS`."""
    return (
        Text(title(row), "bold"),
        state(row, now),
        life(row, now),
        renewal(row, now),
        Text(row.user),
        scopes(row),
        Text(last_refresh(row, now)),
        Text(ago(row.signed_in_at, now) if row.live else ""),
        Text(row.token_type),
        Text(row.fingerprint),
        Text(row.host),
        Text(store(row), "" if row.saved else BAD),
        Text(row.error or (row.next_step if row.broken else ""), BAD if row.broken else PALE),
    )


def title(row: SessionRow) -> str:
    """`github`, `github · work`, and whose it is where there are several owners."""
    return " · ".join(part for part in (row.provider, row.account, row.owner and f"of {row.owner}") if part)


def state(row: SessionRow, now: float) -> Text:
    word = row.state if row.readable else "cannot be read"
    since = f" {span(now - row.since)}" if row.since and row.readable else ""
    return Text.assemble((f"{_SIGNS[row.tone]} {word}", LOOKS[row.tone]), (since, PALE))


def life(row: SessionRow, now: float) -> Text:
    """What is left of the access token, as a bar and in words; of a login that waits, its deadline."""
    if not row.live:
        return Text(f"{span(row.deadline - now)} left" if row.deadline else "", BUSY)
    part = row.life(now)
    if part is None:
        return Text("" if row.expires_at is None else left(row.expires_at, now))
    full = round(part * BAR)
    look = GOOD if part > 0.2 else WARN if part > 0 else BAD
    bar = Text.assemble(("█" * full, look), ("░" * (BAR - full), PALE))
    return Text.assemble(bar, " ", left(row.expires_at, now))


def renewal(row: SessionRow, now: float) -> Text:
    """When it is renewed next, and how often that has failed in a row."""
    if not row.live:
        return Text("")
    if not row.renewable:
        return Text("not renewable", PALE)
    at = row.renews_at
    when = "when asked" if at is None else "due" if at <= now else f"in {span(at - now)}"
    return Text.assemble(when, (f" · {row.failures} failed", WARN) if row.failures else "")


def last_refresh(row: SessionRow, now: float) -> str:
    if row.refreshed_at is None:
        return ""
    return f"{ago(row.refreshed_at, now)}, {'here' if row.refreshed_here else 'elsewhere'}"


def scopes(row: SessionRow) -> Text:
    """What was granted of what was asked for; what is missing is named."""
    if not row.live:
        return Text("")
    missing = row.scopes_missing
    count = f"{len(row.scopes)}/{len(row.scopes) + len(missing)}" if missing else str(len(row.scopes))
    return Text.assemble(count, *((f" −{one}", WARN) for one in missing))


def store(row: SessionRow) -> str:
    return f"{row.store} v{row.version}{'' if row.saved else ', not written yet'}"


def header(view: Overview) -> Text:
    """The counts by state, and how many need a human."""
    parts: list[tuple[str, str] | str] = []
    for name, count in view.counts.items():
        if count:
            parts += [(f"{count} ", "bold"), f"{name}   "]
    if view.broken:
        parts.append((f"✗ {view.broken} to look at", BAD))
    return Text.assemble(*(parts or ["no session"]))


def around(view: Overview, now: float) -> Text:
    """The time, when the next renewal is, how the store is, and whether the clock can be trusted."""
    parts: list[Text | tuple[str, str] | str] = [time.strftime("%H:%M:%S", time.localtime(now)), " · ", health(view)]
    if view.next_refresh is not None:
        due = f"in {span(view.next_refresh - now)}" if view.next_refresh > now else "due"
        parts.append(f" · next refresh {due}")
    if view.clock_skew is not None and abs(view.clock_skew) > SKEW_SECONDS:
        parts.append((f" · this clock is off by {span(abs(view.clock_skew))}", BAD))
    return Text.assemble(*parts)


def health(view: Overview) -> Text:
    """The store, in words: whether it can be read, and whether all that changed is written."""
    if view.unreadable:
        return Text(f"{view.store}: {view.unreadable} cannot be read", BAD)
    if view.unsaved:
        return Text(f"{view.store}: {view.unsaved} not written yet", BAD)
    return Text(f"{view.store} ok" if view.store else "no store", GOOD)


def ago(at: float | None, now: float) -> str:
    return "" if at is None else f"{span(now - at)} ago"


def left(at: float | None, now: float) -> str:
    if at is None:
        return ""
    return span(at - now) if at > now else "ended"


def span(seconds: float) -> str:
    """A length of time in its own unit: `45 s`, `12 min`, `3 h`, `5 d`."""
    seconds = max(0, int(seconds))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} d"
