"""The code of docs/sealing.md runs as it stands there, and what it lists is all there is."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from authflow.sealing import generate_key
from tests.test_readme import ROOT, run

PAGE = (ROOT / "docs" / "sealing.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)

TELLS = {
    "FileStore(": [],
    "reseal(store, ring)": ["0"],
    "encrypt(": ["afp1. a token of another program"],
}


@pytest.mark.parametrize("words", TELLS)
def test_the_code_runs(words: str, tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if words in block]
    block = block.replace("state/sessions", str(tmp_path / "sessions"))

    key = base64.b64encode(generate_key()).decode()
    told = run(block, AUTHFLOW_SEALING_KEY=key, XDG_DATA_HOME=str(tmp_path), PYTHON_KEYRING_BACKEND=NO_KEYRING)

    assert told == TELLS[words]


NO_KEYRING = "keyring.backends.null.Keyring"


def test_every_block_is_run_here() -> None:
    assert len(BLOCKS) == len(TELLS)
