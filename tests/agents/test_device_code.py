"""The device agent: what a terminal shows of a code, with a QR code where one can be drawn."""

from __future__ import annotations

import io
import sys

import pytest

from authflow.agents import Agent, DeviceCode, Instructions
from authflow.agents.qr import qr_code
from authflow.errors import ConfigurationError, InsecureURL
from authflow.providers import GitHub

TOLD = Instructions(
    label="Acme",
    expires_in=600.0,
    user_code="WDJB-MJHT",
    verification_uri="https://id.example/activate",
    verification_uri_complete="https://id.example/activate?user_code=WDJB-MJHT",
)


class Terminal(io.StringIO):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True


def test_it_is_an_agent_without_a_redirect() -> None:
    agent = DeviceCode()
    assert isinstance(agent, Agent)
    assert agent.listen(GitHub("id")).redirect_uri == "http://127.0.0.1/callback/github"  # for a registration


def test_the_terminal_shows_page_code_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    DeviceCode().show(TOLD)
    shown = capsys.readouterr().out
    for word in ("Acme", "https://id.example/activate\n", "WDJB-MJHT", "10 min", "only if it was you"):
        assert word in shown
    assert "scan" not in shown  # this is no terminal


def test_why_it_is_done_this_way_is_said_first() -> None:
    told = Instructions(label="Acme", expires_in=60.0, user_code="A", verification_uri="u", notice="No browser here.")
    assert told.text.splitlines()[0] == "No browser here."


def test_a_terminal_gets_a_qr_code_of_the_complete_page(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("segno", reason="a QR code needs segno: pip install 'authflow-sessions[qr]'")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    DeviceCode().show(TOLD)
    assert "Or scan this" in terminal.getvalue()
    assert "▀" in terminal.getvalue()


def test_there_is_no_qr_code_where_it_could_not_be_read() -> None:
    assert qr_code("https://id.example", io.StringIO()) is None
    assert qr_code("https://id.example", Terminal("ascii")) is None


def test_the_application_may_show_it_itself() -> None:
    shown: list[Instructions] = []
    DeviceCode(shown.append).show(TOLD)
    assert shown == [TOLD]


def test_the_providers_logout_page_is_shown_not_opened(capsys: pytest.CaptureFixture[str]) -> None:
    DeviceCode().open("https://id.example/logout")
    assert "https://id.example/logout" in capsys.readouterr().out
    with pytest.raises(InsecureURL):
        DeviceCode().open("file:///etc/passwd")


def test_what_is_no_function_shows_nothing() -> None:
    with pytest.raises(ConfigurationError, match="DeviceCode: show must be a function"):
        DeviceCode(3)  # type: ignore[arg-type]
