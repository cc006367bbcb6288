"""Where a login happens is noticed: SSH, containers, WSL, remote kernels, build servers; the caller's word wins."""

from __future__ import annotations

import io
import sys

import pytest

from authflow.agents import DeviceCode, Loopback, Paste, Suitable, surroundings
from authflow.agents.choosing import can_browse

NOTHING = lambda path: False  # noqa: E731
BROWSERS = {"xdg-open": "/usr/bin/xdg-open", "firefox": "/usr/bin/firefox"}.get
NO_BROWSER = {}.get


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def seated(monkeypatch):
    """Whether a human sits at the terminal."""
    return lambda terminal: monkeypatch.setattr(sys, "stdin", Terminal() if terminal else io.StringIO())


def chosen(here, *, browser, device, terminal=None):
    return Suitable(terminal or Terminal()).choose(here, browser=browser, device=device)


def browses(env, *, exists=NOTHING, platform="linux", which=BROWSERS):
    return can_browse(surroundings(env, exists, platform), env, which, platform)


@pytest.mark.parametrize(
    ("env", "platform", "expected"),
    [
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
        ({}, "linux", False),
        ({"SSH_CONNECTION": "1 2 3 4"}, "linux", False),
        ({"SSH_CONNECTION": "1 2 3 4", "DISPLAY": "localhost:10.0"}, "linux", True),
        ({"SSH_CONNECTION": "1 2 3 4", "BROWSER": "code-browser-helper"}, "linux", True),
        ({"BROWSER": "lynx"}, "linux", False),
        ({}, "darwin", True),
        ({"SSH_TTY": "/dev/pts/0"}, "darwin", False),
        ({}, "win32", True),
        ({"SSH_CLIENT": "1 2 3"}, "win32", False),
    ],
)
def test_a_browser_can_be_had_or_not(env, platform, expected):
    assert browses(env, platform=platform) is expected


@pytest.mark.parametrize("mark", ["/.dockerenv", "/run/.containerenv"])
def test_a044_a_container_without_a_display_has_no_browser(mark):
    assert browses({}, exists=lambda path: path == mark) is False
    assert surroundings({}, lambda path: path == mark, "linux").container


def test_a_machine_with_a_display_and_no_browser_has_none():
    assert browses({"DISPLAY": ":0"}, which=NO_BROWSER) is False


@pytest.mark.parametrize("env", [{"WSL_DISTRO_NAME": "Debian"}, {"WSL_INTEROP": "/run/WSL/1_interop"}])
def test_wsl_has_the_browser_of_windows(env):
    which = {"rundll32.exe": "/mnt/c/Windows/System32/rundll32.exe"}.get
    assert browses(env, which=which) is True


def test_wsl_is_noticed_where_the_environment_was_cleared():
    def exists(path: str) -> bool:
        return path == "/proc/sys/fs/binfmt_misc/WSLInterop"

    assert surroundings({}, exists, "linux").wsl
    assert not surroundings({}, NOTHING, "linux").wsl


@pytest.mark.parametrize(
    ("browser", "device", "terminal", "kind"),
    [
        (True, True, True, Loopback),
        (True, False, False, Loopback),
        (False, True, True, DeviceCode),
        (False, True, False, DeviceCode),
        (False, False, True, Paste),
        (False, False, False, Loopback),
    ],
)
def test_the_agent_is_the_best_that_the_place_allows(seated, browser, device, terminal, kind):
    seated(terminal)
    here = surroundings({}, NOTHING, "linux")
    assert type(chosen(here, browser=browser, device=device)) is kind


def test_nobody_pastes_where_nobody_sees_what_to_paste(seated):
    seated(True)
    here = surroundings({}, NOTHING, "linux")
    assert type(chosen(here, browser=False, device=False, terminal=io.StringIO())) is Loopback


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SSH_CONNECTION": "1"}, "remote shell"),
        ({"container": "podman"}, "container"),
        ({"JUPYTERHUB_USER": "ada"}, "kernel"),
        ({}, "no display"),
    ],
)
def test_what_was_noticed_is_said(seated, env, said):
    seated(True)
    here = surroundings(env, NOTHING, "linux")
    assert said in chosen(here, browser=False, device=True).notice
    assert said in chosen(here, browser=False, device=False).notice


def test_on_a_build_server_nobody_would_see_a_code(seated):
    here = surroundings({"CI": "true"}, NOTHING, "linux")
    seated(False)
    assert type(chosen(here, browser=False, device=True)) is Loopback
    seated(True)
    assert type(chosen(here, browser=False, device=True)) is DeviceCode


@pytest.mark.parametrize("device", [True, False])
def test_what_is_chosen_tells_the_human_on_the_terminal_that_was_named(seated, capsys, device):
    seated(True)
    terminal = Terminal()
    chosen(surroundings({}, NOTHING, "linux"), browser=False, device=device, terminal=terminal).open("https://id.example")
    assert "https://id.example" in terminal.getvalue()
    assert capsys.readouterr().out == ""
