"""The console script `authflow`. It exists in every install; what it needs beyond authflow is the extra `cli`.

Exit status: 0 done, 1 it did not work out (a login denied, a finding, a stale file), 2 it was asked wrongly
(usage, configuration, a missing extra), 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec


def main(args: Sequence[str] | None = None) -> int:
    """Runs the command line `args` (without the program's name) and returns the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that cannot show an arrow shows a question mark
    words = sys.argv[1:] if args is None else list(args)
    if missing("click", "rich"):
        extra = "demo" if "demo" in words else "cli"
        print(f"The authflow command needs what is not installed here. Type:\n\n    {install(extra)}", file=sys.stderr)
        return 2

    from .main import run

    return run(words)


def docker_credential_authflow() -> int:
    """The program `docker-credential-authflow ACTION`, which Docker finds by its name."""
    return main(["credential", "docker", *sys.argv[1:]])


def missing(*modules: str) -> bool:
    """Whether one of `modules` cannot be imported here."""
    try:
        return not all(find_spec(module) for module in modules)
    except ImportError:
        return True


def install(extra: str) -> str:
    """The line that installs `extra`, quoted as this system's shell wants it."""
    mark = '"' if os.name == "nt" else "'"
    return f"pip install {mark}authflow-sessions[{extra}]{mark}"
