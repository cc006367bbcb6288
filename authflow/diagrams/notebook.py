"""What a notebook shows: a drawing as an image, and below it what it says, in words.

A notebook that is opened again is not trusted: Jupyter then shows neither an SVG nor markup with one in it, but an
image that stands in the page itself. In it, too, the drawing follows the reader, light or dark, and its ids meet no
others.
"""

from __future__ import annotations

import base64

from ..trace.story import Story, Trace
from . import trace_picture, traced
from .paint import clean


def figure(drawing: str, name: str, said: str) -> str:
    """An SVG as an image called `name`, with a line below it."""
    source = base64.b64encode(drawing.encode()).decode()
    return (
        f'<figure style="margin:0"><img src="data:image/svg+xml;base64,{source}" alt="{clean(name)}" '
        f'style="max-width:100%;height:auto"><figcaption>{clean(said)}</figcaption></figure>'
    )


def of_trace(trace: Trace) -> str:
    """A trace as its picture, and each of its stories in a sentence."""
    told = [_sentence(story) for story in trace.stories[-trace_picture.MOST_STORIES :]]
    said = " ".join(told) or "Nothing was recorded."
    return figure(trace_picture.render(trace, theme="auto"), "What happened, as a picture", said)


def _sentence(story: Story) -> str:
    error = f" {story.error.message}" if story.error is not None else ""
    return f"{traced.title_of(story)}: {traced.ending(story)[0]}, in {traced.seconds(story.seconds)}.{error}"
