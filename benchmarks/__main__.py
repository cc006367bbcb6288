"""Runs every topic: `python -m benchmarks [topic …]`."""

from __future__ import annotations

import sys

from . import id_token, imports, login, memory, recording, sealing, transition, valid_token

TOPICS = {
    "imports": imports.main,
    "login": login.main,
    "recording": recording.main,
    "id_token": id_token.main,
    "valid_token": valid_token.main,
    "transition": transition.main,
    "memory": memory.main,
    "sealing": sealing.main,
}


def main() -> None:
    wanted = sys.argv[1:] or list(TOPICS)
    unknown = [name for name in wanted if name not in TOPICS]
    if unknown:
        sys.exit(f"There is no topic {unknown[0]!r}. Topics: {', '.join(TOPICS)}.")
    for name in wanted:
        TOPICS[name]()


if __name__ == "__main__":
    main()
