"""Where a login happens is noticed: SSH, containers, WSL, remote kernels, build servers; the caller's word wins."""

from __future__ import annotations

import pytest

from authflow.agents import DeviceCode, Loopback, Paste, surroundings
from authflow.agents.choosing import can_browse, choose_agent

NOTHING = lambda path: False  # noqa: E731
BROWSERS = {"xdg-open": "/usr/bin/xdg-open", "firefox": "/usr/bin/firefox"}.get
NO_BROWSER = {}.get


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
def test_the_agent_is_the_best_that_the_place_allows(browser, device, terminal, kind):
    here = surroundings({}, NOTHING, "linux")
    assert type(choose_agent(here, browser=browser, device=device, terminal=terminal)) is kind


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"SSH_CONNECTION": "1"}, "remote shell"),
        ({"container": "podman"}, "container"),
        ({"JUPYTERHUB_USER": "ada"}, "kernel"),
        ({}, "no display"),
    ],
)
def test_what_was_noticed_is_said(env, said):
    here = surroundings(env, NOTHING, "linux")
    assert said in choose_agent(here, browser=False, device=True, terminal=True).notice
    assert said in choose_agent(here, browser=False, device=False, terminal=True).notice


def test_on_a_build_server_nobody_would_see_a_code():
    here = surroundings({"CI": "true"}, NOTHING, "linux")
    assert type(choose_agent(here, browser=False, device=True, terminal=False)) is Loopback
    assert type(choose_agent(here, browser=False, device=True, terminal=True)) is DeviceCode
