"""What happened in a login, kept so that it can be shown to anybody: redacted, replayable.

    story.py      the words: a `Trace` of `Story`s of steps; JSON in and out
    names.py      redact.py    what of a value may be kept, by its name and its look
    shapes.py     telling.py   a record without its secrets; a story while it is told
    recorder.py   who listens to a manager and keeps the last stories of its sessions
    table.py      a trace as text for a terminal
    replay.py     the same decisions once more, by the trace's own time

Rule: no secret is ever in a step. What comes in is redacted before it becomes one, by a list of what may be shown.
      Until then it waits in `recorder.py`, for a few seconds after its end at most.
"""

from __future__ import annotations
