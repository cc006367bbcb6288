"""A desktop program in one call: its sessions come back after a restart, sealed with its own key."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from authflow import SessionManager
from authflow.sealing.sources import ENVIRONMENT
from authflow.stores import FileStore
from authflow.testing import DevProvider, ScriptedBrowser


def test_a_session_comes_back_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv(ENVIRONMENT, base64.b64encode(bytes(range(32))).decode())
    with DevProvider(auto="ada").serve() as dev:
        provider = dev.settings("acme")
        with SessionManager([provider], store=FileStore.for_app("myapp")) as manager, ScriptedBrowser() as browser:
            token = manager.login("acme", open_url=browser).token()

        heard: list[str] = []
        with SessionManager([provider], store=FileStore.for_app("myapp")) as manager:
            manager.on_login.connect(lambda session, event: heard.append("login"))
            manager.on_restore.connect(lambda session, event: heard.append(f"restore {session.user.name}"))
            assert [report.restored for report in manager.restore()] == [True]
            assert manager["acme"].token() == token
        assert heard == ["restore Ada Lovelace"]

    kept = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.access_token.encode() not in kept
    assert (token.refresh_token or "-").encode() not in kept
    assert b"Ada" not in kept
