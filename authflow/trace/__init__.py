"""What happened in a login, kept so that it can be shown to anybody: redacted when it is recorded, replayable.

    story.py      the words: a `Trace` of `Story`s of steps; JSON in and out

Rule: no secret is ever in a step. What comes in is redacted before it is kept, by a list of what may be shown.
"""

from __future__ import annotations
