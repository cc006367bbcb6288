"""Opens a URL in the human's browser, without a shell, or says why that is not possible.

The URL comes from a provider's metadata: it may be hostile. Rule 1: it is https (http on loopback only),
printable ASCII, without quotes, backslash or user name. Rule 2: every program gets it as one element of an
argument list; `$` and `'` are percent-encoded first, because some launchers (xdg-open, wslview) are scripts
themselves. Rule 3: a text browser is never started: it would take the terminal the program runs in.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from urllib.parse import urlsplit

import msgspec

from ..errors import AuthflowError, BrowserUnavailable, InsecureURL, whereabouts

OPEN_SECONDS = 5.0  # for all launchers together
LAUNCH_SECONDS = 2.0  # a launcher that is still running after this has a browser in it

TEXT_BROWSERS = frozenset(
    {"browsh", "carbonyl", "chawan", "cha", "elinks", "links", "links2", "lynx", "retawq", "w3m", "www-browser"}
)
_DESKTOP_BROWSERS = (
    "x-www-browser", "firefox", "firefox-esr", "google-chrome", "google-chrome-stable", "chromium",
    "chromium-browser", "brave-browser", "microsoft-edge", "microsoft-edge-stable", "epiphany", "falkon",
)  # fmt: skip
_WINDOWS_LAUNCHER = "/mnt/c/Windows/System32/rundll32.exe"

REMEDY = "Use the Paste agent: it shows the URL and takes the redirect URL back; or sign in with a device code."

_launched: list[subprocess.Popen[bytes]] = []  # launchers that outlive open_browser, kept until they end


class Surroundings(msgspec.Struct, frozen=True):
    """Where this program runs, as far as it matters for showing a browser to a human."""

    display: bool  # windows can be shown where the human sits
    ssh: bool = False
    container: bool = False
    wsl: bool = False
    ci: bool = False
    jupyter: bool = False
    remote_kernel: bool = False

    @property
    def reason(self) -> str:
        """Why no browser can be shown, for a human."""
        if self.ssh:
            return "This is a remote shell (SSH): a browser would open on the wrong machine"
        if self.container:
            return "This is a container without a display"
        if self.remote_kernel:
            return "This notebook's kernel runs on another machine"
        if self.ci:
            return "This is a build server: nobody is there to sign in"
        return "There is no display (neither DISPLAY nor WAYLAND_DISPLAY is set)"


def surroundings(
    env: Mapping[str, str] | None = None,
    exists: Callable[[str], bool] = os.path.exists,
    platform: str = sys.platform,
) -> Surroundings:
    """What the environment tells. Pure over its arguments; asks this process's own without them."""
    env = os.environ if env is None else env

    def has(*names: str) -> bool:
        return any(env.get(name) for name in names)

    windowed = platform in ("win32", "darwin")
    ssh = has("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT")
    container = has("KUBERNETES_SERVICE_HOST", "container") or (
        not windowed and (exists("/.dockerenv") or exists("/run/.containerenv"))
    )
    wsl = platform == "linux" and not container and has("WSL_DISTRO_NAME", "WSL_INTEROP")
    if platform == "linux" and not container:
        # The variables are gone under sudo and in services; the file is there as long as Windows programs can be run.
        wsl = wsl or exists("/proc/sys/fs/binfmt_misc/WSLInterop")
    remote_kernel = has("JUPYTERHUB_USER", "COLAB_RELEASE_TAG", "KAGGLE_KERNEL_RUN_TYPE")
    drawn = has("DISPLAY", "WAYLAND_DISPLAY")
    return Surroundings(
        display=drawn if not (windowed or wsl) else not ssh,
        ssh=ssh,
        container=container,
        wsl=wsl,
        ci=env.get("CI", "").lower() not in ("", "0", "false"),
        jupyter=remote_kernel or has("JPY_PARENT_PID", "JPY_SESSION_NAME"),
        remote_kernel=remote_kernel,
    )


def check_url(url: str) -> str:
    """The URL, when a browser may get it. Raises `InsecureURL` for everything else."""
    if not isinstance(url, str) or not all("!" <= ch <= "~" and ch not in '"<>\\^`{|}' for ch in url):
        raise InsecureURL(
            "The URL to open holds characters that no URL may hold.",
            hint="Look at the provider's authorization_endpoint: spaces, quotes and control characters are refused.",
        )
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InsecureURL("The URL to open cannot be read.", hint="Look at the authorization_endpoint.") from None

    if parts.scheme not in ("https", "http"):
        raise InsecureURL(
            "Only https URLs are opened.", hint="Look at the provider's authorization_endpoint: its scheme is another."
        )
    if "@" in parts.netloc or not re.fullmatch(r"[a-z0-9_.-]+|[0-9a-f:.]+", host):
        raise InsecureURL(
            "The URL to open has no plain host.", hint="Look at the authorization_endpoint: no user name, a host."
        )
    if parts.scheme == "http" and not is_loopback_host(host):
        raise InsecureURL("A login page is opened over https only.", hint="http is for 127.0.0.1 and localhost.")
    return url


def is_loopback_host(host: str) -> bool:
    """`localhost`, `::1`, and the dotted 127.0.0.0/8; no other spelling."""
    if host in ("localhost", "::1"):
        return True
    return re.fullmatch(r"127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}", host) is not None


def find_launchers(
    url: str,
    here: Surroundings,
    env: Mapping[str, str],
    which: Callable[[str], str | None] = shutil.which,
    platform: str = sys.platform,
) -> list[list[str]]:
    """The argument lists to try, in order; empty when there is no way. Not for Windows itself."""
    url = url.replace("$", "%24").replace("'", "%27")
    if platform == "darwin":
        return [["/usr/bin/open", url]] if here.display else []

    # The human's own choice also works without a display: editors with a remote side put a helper there.
    found = [argv for entry in env.get("BROWSER", "").split(os.pathsep) if (argv := _own_choice(entry, url))]
    if here.wsl and here.display:
        windows = which("rundll32.exe") or which(_WINDOWS_LAUNCHER)
        if windows:
            found.append([windows, "url.dll,FileProtocolHandler", url])
        if which("wslview"):
            found.append(["wslview", url])
    if env.get("DISPLAY") or env.get("WAYLAND_DISPLAY"):
        if which("xdg-open"):
            found.append(["xdg-open", url])
        if which("gio"):
            found.append(["gio", "open", "--", url])
        found.extend([name, url] for name in _DESKTOP_BROWSERS if which(name))
    return found


def open_browser(
    url: str,
    *,
    env: Mapping[str, str] | None = None,
    platform: str = sys.platform,
    here: Surroundings | None = None,
    launch: Callable[[Sequence[str]], bool] | None = None,
) -> None:
    """Opens the URL in the system browser; back within a few seconds, whatever the browser does.

    Raises `InsecureURL` for a URL no browser should get, `BrowserUnavailable` when none could be started.
    """
    check_url(url)
    env = os.environ if env is None else env
    here = here or surroundings(env, platform=platform)
    if platform == "win32":
        _start_file(url)
        return

    launchers = find_launchers(url, here, env, platform=platform)
    if not launchers and not here.display:
        raise BrowserUnavailable(f"{here.reason}.", hint=REMEDY)
    if not launchers:
        raise BrowserUnavailable("No browser is installed here.", hint=f"Install one, or: {REMEDY}")

    until = monotonic() + OPEN_SECONDS
    for argv in launchers:
        if (launch or run_launcher)(argv):
            return
        if monotonic() > until - LAUNCH_SECONDS:
            break
    raise BrowserUnavailable("No browser could be started.", hint=REMEDY)


def show_url(url: str, open_url: Callable[[str], object] | None) -> object:
    """Opens `url` with the application's opener, or the system browser; a refusal becomes `BrowserUnavailable`."""
    check_url(url)
    if open_url is None:
        open_browser(url)
        return None

    broken: Exception | None = None
    opened: object = None
    try:
        opened = open_url(url)
    except AuthflowError:
        raise
    except Exception as error:
        broken = error
    if broken is not None:
        raise opener_failed(broken)
    if opened is False:  # webbrowser.open's way to say no
        raise BrowserUnavailable(
            "The application's open_url could not open the browser.",
            hint="Show the URL to the human yourself, or use the Paste agent.",
        )
    return opened


def opener_failed(error: Exception) -> BrowserUnavailable:
    """Says which line of the application's opener failed. Raise it where `error` is no longer handled: what an
    opener raises often quotes the URL (a `CalledProcessError` does), and in the URL stand `state` and `nonce`."""
    return BrowserUnavailable(
        f"The application's open_url raised {whereabouts(error)}.",
        hint="Show the URL to the human yourself, or use the Paste agent.",
    )


def run_launcher(argv: Sequence[str], seconds: float = LAUNCH_SECONDS) -> bool:
    """Starts a program without a terminal, in a session of its own, so that Ctrl-C here does not end it.

    True when it ended well, or still runs after `seconds`.
    """
    _launched[:] = [each for each in _launched if each.poll() is None]
    try:
        process = subprocess.Popen(  # noqa: S603 - a list, no shell; the URL was checked
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=True,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return False
    try:
        return process.wait(seconds) == 0
    except subprocess.TimeoutExpired:
        _launched.append(process)
        return True


def _own_choice(entry: str, url: str) -> list[str] | None:
    """One entry of $BROWSER (`firefox`, `firefox --private-window %s`) as an argument list."""
    try:
        words = shlex.split(entry)
    except ValueError:
        return None
    if not words or os.path.basename(words[0]) in TEXT_BROWSERS:
        return None
    if any("%s" in word for word in words):
        return [word.replace("%s", url) for word in words]
    return [*words, url]


def _start_file(url: str) -> None:
    start = getattr(os, "startfile", None)
    if start is None:
        raise BrowserUnavailable("This Python cannot open URLs on Windows.", hint=REMEDY)
    try:
        start(url)
    except OSError:  # its text and its `filename` are the URL: it must not be the context of what is raised
        opened = False
    else:
        opened = True
    if not opened:
        raise BrowserUnavailable("Windows could not open a browser.", hint=REMEDY)
