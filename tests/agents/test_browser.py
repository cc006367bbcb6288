"""Which URLs a browser may get, which program gets them, and what is said when there is none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authflow.agents import browser
from authflow.agents.browser import (
    Surroundings,
    check_url,
    find_launchers,
    is_loopback_host,
    open_browser,
    run_launcher,
    surroundings,
)
from authflow.errors import BrowserUnavailable, ConfigurationError, InsecureURL

URL = "https://idp.example/authorize?client_id=c&state=s"
DESK = Surroundings(display=True)
X11 = {"DISPLAY": ":0"}


def nothing_exists(path: str) -> bool:
    return False


def everything(name: str) -> str:
    return name


def only(*names: str):
    return lambda name: name if name in names else None


# ── the URL ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [URL, "https://idp.example:8443/a", "http://127.0.0.1:8080/a", "http://localhost/a", "http://[::1]:80/a",
     "https://[2001:db8::1]/a", "https://xn--bcher-kva.example/a", "https://a_b.example/%20(x)*!$;,'~"],
)  # fmt: skip
def test_a_clean_url_passes(url):
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "file:///etc/passwd", "-flag", "--new-window=https://x", "ftp://a.example/",
     "data:text/html,x", "http://idp.example/", "http://127.0.0.1.evil.test/", "http://127.0.0.1@evil.test/", "https://user:pw@idp.example/",
     "https://", "https:///x", "https:idp.example", "//idp.example", "", " https://idp.example/",
     "https://idp.example/ x",
     "https://idp.example/\r\nX: y", "https://idp.example/\t", "https://idp.example/\\x", 'https://idp.example/"$(x)"',
     "https://idp.example/`x`", "https://idp.example/<x>", "https://idp.example/|calc", "https://idp.example/^",
     "https://bücher.example/",
     "https://idp.example/\x00", "https://idp.example/\u202e", "https://idp.example:99999/", "https://[::1", "https://a$(b).example/",
     "ms-settings:x", "http://2130706433/", "http://0x7f.1/"],
)  # fmt: skip
def test_a035_a_url_no_browser_should_get_is_refused(url):
    with pytest.raises(InsecureURL):
        check_url(url)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_whatever_passes_is_printable_ascii_with_a_web_scheme(text):
    try:
        checked = check_url(text)
    except InsecureURL:
        return
    assert checked.isascii()
    assert checked.isprintable()
    assert checked.lower().startswith(("https://", "http://"))


@settings(deadline=None)
@given(st.text(max_size=40))
def test_nothing_after_the_host_makes_an_unclean_url_pass(tail):
    try:
        check_url(f"https://idp.example/{tail}")
    except InsecureURL:
        return
    assert not set(tail) & set(" \\\"`<>^{|}\r\n\t\0")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.255.255.254", "localhost", "::1"])
def test_loopback_hosts_are_known(host):
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host", ["127.1", "127.0.0.256", "0.0.0.0", "127.0.0.1.evil.test", "localhost.evil.test", "::ffff:127.0.0.1"]
)
def test_look_alikes_of_loopback_are_not(host):
    assert not is_loopback_host(host)


# ── where we are ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("env", "platform", "expected"),
    [
        ({}, "linux", Surroundings(display=False)),
        ({"DISPLAY": ":0"}, "linux", Surroundings(display=True)),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", Surroundings(display=True)),
        ({"SSH_CONNECTION": "1 2 3 4"}, "linux", Surroundings(display=False, ssh=True)),
        ({"SSH_TTY": "/dev/pts/0", "DISPLAY": "localhost:10"}, "linux", Surroundings(display=True, ssh=True)),
        ({}, "darwin", Surroundings(display=True)),
        ({"SSH_CLIENT": "x"}, "darwin", Surroundings(display=False, ssh=True)),
        ({}, "win32", Surroundings(display=True)),
        ({"WSL_DISTRO_NAME": "Debian"}, "linux", Surroundings(display=True, wsl=True)),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "linux", Surroundings(display=False, container=True)),
        ({"CI": "true"}, "linux", Surroundings(display=False, ci=True)),
        ({"CI": "false"}, "linux", Surroundings(display=False)),
        ({"JPY_PARENT_PID": "1"}, "linux", Surroundings(display=False, jupyter=True)),
    ],
)
def test_the_environment_tells_where_we_are(env, platform, expected):
    assert surroundings(env, nothing_exists, platform) == expected


@pytest.mark.parametrize("marker", ["/.dockerenv", "/run/.containerenv"])
def test_a_container_is_known_by_its_marker_file(marker):
    assert surroundings({}, marker.__eq__, "linux").container


# ── which program ────────────────────────────────────────────────────────────────────────────────────


def test_on_linux_the_desktops_opener_comes_first():
    found = find_launchers(URL, DESK, X11, everything, "linux")
    assert found[:3] == [["xdg-open", URL], ["gio", "open", "--", URL], ["x-www-browser", URL]]


def test_without_a_display_there_is_no_launcher():
    assert find_launchers(URL, Surroundings(display=False), {"TERM": "xterm"}, everything, "linux") == []


def test_the_humans_own_choice_comes_first_and_works_without_a_display():
    env = {"BROWSER": "/opt/code/helper.sh --open:firefox"}
    assert find_launchers(URL, Surroundings(display=False), env, only(), "linux") == [
        ["/opt/code/helper.sh", "--open", URL],
        ["firefox", URL],
    ]


def test_a_percent_s_in_the_humans_choice_is_where_the_url_goes():
    env = {"BROWSER": "firefox -P work %s"}
    assert find_launchers(URL, DESK, env, only(), "linux") == [["firefox", "-P", "work", URL]]


@pytest.mark.parametrize("name", ["lynx", "/usr/bin/w3m", "links", "elinks %s", "www-browser"])
def test_a_text_browser_is_never_started(name):
    assert find_launchers(URL, DESK, {"BROWSER": name}, only(), "linux") == []


def test_an_unreadable_choice_is_passed_over():
    assert find_launchers(URL, DESK, {"BROWSER": "firefox 'unclosed"}, only(), "linux") == []


def test_on_macos_it_is_open_with_its_whole_path():
    assert find_launchers(URL, DESK, {}, everything, "darwin") == [["/usr/bin/open", URL]]


def test_under_wsl_windows_opens_it_without_powershell():
    here = Surroundings(display=True, wsl=True)
    found = find_launchers(URL, here, {}, everything, "linux")
    assert found == [["rundll32.exe", "url.dll,FileProtocolHandler", URL], ["wslview", URL]]


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_what_a_shell_would_expand_is_encoded_for_every_launcher(platform):
    url = "https://idp.example/a?x=$(calc)&y='z'"
    env = {**X11, "BROWSER": "firefox:chromium %s"}
    for argv in find_launchers(url, Surroundings(display=True, wsl=True), env, everything, platform):
        assert argv[-1] == "https://idp.example/a?x=%24(calc)&y=%27z%27"


# ── opening ──────────────────────────────────────────────────────────────────────────────────────────


def test_no_display_is_said_with_the_remedy():
    with pytest.raises(BrowserUnavailable, match=r"no display.*Paste"):
        open_browser(URL, env={}, platform="linux", here=Surroundings(display=False))


def test_a_remote_shell_is_said_with_the_remedy():
    with pytest.raises(BrowserUnavailable, match=r"SSH.*Paste"):
        open_browser(URL, env={"SSH_CONNECTION": "a"}, platform="linux")


def test_a_missing_browser_is_something_to_configure():
    assert issubclass(BrowserUnavailable, ConfigurationError)


def test_launchers_are_tried_until_one_works():
    tried: list[str] = []
    env = {"BROWSER": "one:two:three"}
    open_browser(URL, env=env, platform="linux", launch=lambda argv: tried.append(argv[0]) or argv[0] == "two")
    assert tried == ["one", "two"]


def test_when_none_works_it_is_said():
    with pytest.raises(BrowserUnavailable, match="could be started"):
        open_browser(URL, env={"BROWSER": "one"}, platform="linux", launch=lambda argv: False)


def test_a_hostile_url_is_refused_before_anything_is_started():
    tried: list[object] = []
    with pytest.raises(InsecureURL):
        open_browser("file:///etc/passwd", env={"BROWSER": "one"}, platform="linux", launch=tried.append)
    assert tried == []


@pytest.mark.skipif(sys.platform == "win32", reason="BROWSER is not used on Windows")
def test_a_real_program_gets_the_url_as_one_argument(tmp_path: Path):
    seen = tmp_path / "seen"
    script = tmp_path / "browser.py"
    script.write_text(f"import sys, pathlib; pathlib.Path({str(seen)!r}).write_text(repr(sys.argv[1:]))")
    hostile = "https://idp.example/a;b&c=$(touch${IFS}x)".replace("{", "%7B").replace("}", "%7D")
    open_browser(hostile, env={"BROWSER": f"{sys.executable} {script}"}, platform="linux")
    assert seen.read_text() == repr(["https://idp.example/a;b&c=%24(touch%24%7BIFS%7Dx)"])


def test_a_program_that_is_not_there_or_fails_says_no():
    assert not run_launcher(["/nonexistent/browser", URL])
    assert not run_launcher([sys.executable, "-c", "raise SystemExit(3)"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are needed to hold a program open")
def test_a_program_that_stays_open_is_not_waited_for(tmp_path: Path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    assert run_launcher([sys.executable, "-c", f"open({str(gate)!r}).read()"], seconds=0.0)
    gate.write_text("end")
    assert browser._launched[-1].wait(20) == 0


def test_windows_without_its_opener_is_said(monkeypatch):
    monkeypatch.delattr("os.startfile", raising=False)
    with pytest.raises(BrowserUnavailable, match="Windows"):
        open_browser(URL, env={}, platform="win32")


def test_windows_gets_the_url_through_its_own_call(monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr("os.startfile", opened.append, raising=False)
    open_browser(URL, env={}, platform="win32")
    assert opened == [URL]
