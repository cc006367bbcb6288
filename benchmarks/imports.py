"""What importing costs, each in a fresh interpreter: CPU beyond the bare one, against `import httpx`.

All modules are compiled first, into a folder that is thrown away: an installed package is compiled, a checkout may
not be.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 9
STATEMENTS = {
    "the bare interpreter": "pass",
    "import httpx": "import httpx",
    "import authflow": "import authflow",
    "all that a login with GitHub needs": (
        "from authflow import SessionManager; from authflow.providers import GitHub; "
        "SessionManager([GitHub('id', 'secret')]).close()"
    ),
    "and one with ID tokens": (
        "from authflow import SessionManager; from authflow.providers import Google; "
        "SessionManager([Google('id', 'secret')]).close(); import authflow.protocol.id_token"
    ),
}


def cost(statement: str, compiled: str) -> float:
    command = [sys.executable, "-c", f"{statement}\nimport time\nprint(time.process_time())"]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout)


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    with tempfile.TemporaryDirectory() as compiled:
        for turn in range(ROUNDS + 1):
            for name, statement in STATEMENTS.items():
                each = cost(statement, compiled)
                if turn:  # the first one writes the compiled files
                    taken[name].append(each)
    bare, *rest = ((name, statistics.median(times)) for name, times in taken.items())
    floor = rest[0][1] - bare[1]
    print(f"\nimport (beyond the interpreter's own {bare[1] * 1e3:.0f} ms)")
    for name, each in rest:
        print(f"  {name:44} {(each - bare[1]) * 1e3:10.1f} ms   ×{(each - bare[1]) / floor:.2f}")


if __name__ == "__main__":
    main()
