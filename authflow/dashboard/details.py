"""All there is to see of one session: the chart as it stands now, its stories, what happened, in which order; and the
same as a bundle to hand to somebody.

Rule: what is drawn here is escaped where it is drawn (`diagrams`), and what is data is text on the page.
"""

from __future__ import annotations

import json
import platform
from typing import Any, Final

import msgspec

from .. import __version__
from ..chart import CHART, State
from ..diagrams import svg, traced
from ..diagrams.trace_page import article
from ..reading import ReadableSession
from ..trace.story import Story
from .feed import Feed
from .rows import page_row

MOST_STORIES: Final = 6


def detail_of(feed: Feed, session: ReadableSession) -> dict[str, Any]:
    """What the page shows of it. May block."""
    row = page_row(session)
    stories = _stories(session)
    return {
        "row": row,
        "chart": chart_of(row["state"], row["label"], stories),
        "stories": [
            {
                "id": story.id,
                "title": traced.TITLES.get(story.kind, story.kind),
                "began": story.began,
                "ending": traced.ending(story)[0],
                "kind": traced.ending(story)[1],
                "steps": len(story.steps),
                "html": article(story, index, alone=False),
            }
            for index, story in enumerate(stories, 1)
        ],
        "events": feed.events_of(session.key),
    }


def chart_of(state: str, label: str, stories: list[Story]) -> str:
    """The chart: the present state lit, and the way that the last story took, if it led there."""
    path = traced.draw(stories[-1]).path if stories else ()
    if path and path[-1].target != state:
        path = ()
    return svg.render(CHART, theme="page", current=State(state), title=f"A session at {label}", id="now", path=path)


def bundle_of(feed: Feed, session: ReadableSession) -> str:
    """For a report to somebody: JSON, without a secret, without a name of a user. May block."""
    row = {name: value for name, value in page_row(session).items() if name not in ("user", "account", "id")}
    trace = session.trace
    return json.dumps(
        {
            "authflow": __version__,
            "python": platform.python_version(),
            "system": platform.system(),
            "session": row,
            "events": [
                {name: value for name, value in event.items() if name not in ("account", "id")}
                for event in feed.events_of(session.key)
            ],
            "stories": [] if trace is None else [msgspec.to_builtins(story) for story in trace.stories],
        },
        indent=1,
    )


def _stories(session: ReadableSession) -> list[Story]:
    trace = session.trace
    return [] if trace is None else list(trace.stories[-MOST_STORIES:])
