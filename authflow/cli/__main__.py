"""`python -m authflow.cli` is the console script, for whoever has no `authflow` on the path."""

from __future__ import annotations

import sys

from . import main

sys.exit(main())
