"""The paste agent: what is shown, what is accepted, and that nothing is left behind."""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import sys
import threading

import pytest

from authflow.agents.base import Agent, Callback, Listener, Page
from authflow.agents.paste import Paste, TerminalLine, read_paste
from authflow.errors import InsecureURL
from authflow.providers.base import Provider

from .conftest import FAILURE, PATIENCE, SUCCESS, Inbox

URL = "https://idp.example/authorize?state=s"
HERE = "http://127.0.0.1:4000/callback/github"


class Human:
    """Pastes the given lines, one at a time; then there is no more input."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.told: queue.Queue[str] = queue.Queue()
        self.prompts = 0

    def ask(self, prompt: str) -> str:
        self.prompts += 1
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)

    def hear(self) -> str:
        return self.told.get(timeout=PATIENCE)

    def agent(self) -> Paste:
        return Paste(self.ask, self.told.put)


def begin(human: Human, provider: Provider, inbox: Inbox):
    agent = human.agent()
    listener = agent.listen(provider)
    human.lines = [line.replace("HERE", listener.redirect_uri) for line in human.lines]
    listener.start(inbox)
    agent.open(URL)
    return listener


def test_it_is_an_agent_and_makes_listeners(provider):
    listener = Human().agent().listen(provider)
    assert isinstance(Paste(), Agent)
    assert isinstance(listener, Listener)
    listener.close()


def test_the_url_is_shown_before_anything_is_asked(provider):
    human = Human("HERE?code=c&state=s")
    agent = human.agent()
    listener = agent.listen(provider)
    listener.start(Inbox(SUCCESS))
    assert human.prompts == 0
    agent.open(URL)
    told = human.hear()
    assert URL in told
    assert listener.redirect_uri in told
    listener.close()


def test_a_pasted_address_is_delivered_and_the_outcome_is_printed(provider):
    human, inbox = Human("HERE?code=c0de&state=s"), Inbox(SUCCESS)
    listener = begin(human, provider, inbox)
    callback = inbox.get()
    assert isinstance(callback, Callback)
    assert callback.url == f"{listener.redirect_uri}?code=c0de&state=s"
    assert callback.params is None
    assert "c0de" not in repr(callback)
    human.hear()
    assert human.hear() == "✓ You are signed in: Signed in as Ada Lovelace."
    assert inbox.threads == {"authflow-paste"}
    listener.close()


def test_a_wrong_paste_is_asked_for_again_and_never_delivered(provider):
    human, inbox = Human("", "hello", URL, "HERE?code=1", "HERE?code=c0de&state=s"), Inbox(SUCCESS)
    listener = begin(human, provider, inbox)
    assert "c0de" in inbox.get().url
    told = [human.hear() for _ in range(6)]
    assert "empty" in told[1]
    assert "another address" in told[2]
    assert "another address" in told[3]
    assert "cut off" in told[4]
    assert told[5].startswith("✓")
    assert inbox.empty
    listener.close()


def test_a_rejected_paste_is_said_and_asked_for_again(provider):
    human, inbox = Human("HERE?code=old&state=old", "HERE?code=new&state=s"), Inbox()
    listener = begin(human, provider, inbox)
    inbox.get().respond(FAILURE)
    inbox.get().respond(SUCCESS)
    human.hear()
    assert human.hear().startswith("✗ You are not signed in")
    assert human.hear().startswith("✓")
    listener.close()


def test_the_outcome_is_printed_even_when_the_session_closes_right_after(provider):
    human, inbox = Human("HERE?code=c&state=s"), Inbox()
    listener = begin(human, provider, inbox)
    callback = inbox.get()
    callback.respond(SUCCESS)
    callback.respond(FAILURE)
    listener.close()
    human.hear()
    assert human.hear().startswith("✓")


def test_what_a_provider_wrote_cannot_steer_the_terminal(provider):
    human = Human("HERE?error=x&state=s")
    inbox = Inbox(Page(ok=False, title="No\x1b[2J", text="\x1b]0;owned\x07 denied\r\n"))
    listener = begin(human, provider, inbox)
    human.hear()
    assert not {"\x1b", "\x07", "\r"} & set(human.hear())
    listener.close()


def test_no_more_input_is_said(provider):
    human = Human()
    listener = begin(human, provider, Inbox())
    human.hear()
    assert "no more input" in human.hear()
    listener.close()


def test_close_before_start_and_twice_is_harmless(provider):
    listener = Human().agent().listen(provider)
    listener.close()
    listener.close()
    listener.start(Inbox())


def test_close_ends_a_listener_whose_url_was_never_shown(provider):
    listener = Human().agent().listen(provider)
    listener.start(Inbox())
    listener.close()


def test_close_ends_a_listener_that_waits_for_an_answer(provider):
    human, inbox = Human("HERE?code=c&state=s"), Inbox()
    listener = begin(human, provider, inbox)
    callback = inbox.get()
    listener.close()
    callback.respond(SUCCESS)  # too late, and harmless


def test_a_listener_can_be_closed_from_inside_deliver(provider):
    human, done = Human("HERE?code=c&state=s"), threading.Event()
    agent = human.agent()
    listener = agent.listen(provider)
    human.lines = [line.replace("HERE", listener.redirect_uri) for line in human.lines]

    def finish(callback: Callback) -> None:
        callback.respond(SUCCESS)
        listener.close()
        done.set()

    listener.start(finish)
    agent.open(URL)
    assert done.wait(PATIENCE)


def test_a_hostile_url_is_not_even_shown(provider):
    human = Human()
    with pytest.raises(InsecureURL):
        human.agent().open("https://idp.example/\x1b[2J")
    assert human.told.empty()


# ── the redirect URI ─────────────────────────────────────────────────────────────────────────────────


def test_the_redirect_uri_has_the_loopback_shape_and_no_other_program_can_answer_there(provider):
    listener = Paste().listen(provider)
    head, port = listener.redirect_uri.removesuffix("/callback/github").rsplit(":", 1)
    assert head == "http://127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=1)
    with socket.socket() as thief, pytest.raises(OSError):
        thief.bind(("127.0.0.1", int(port)))
    listener.close()


def test_a_fixed_port_and_a_registered_uri_are_kept():
    for settings, expected in [
        ({"loopback_port": 8400}, "http://127.0.0.1:8400/callback/x"),
        ({"redirect_uri": "http://localhost:8400/done"}, "http://localhost:8400/done"),
        ({"redirect_uri": "https://app.example/done"}, "https://app.example/done"),
    ]:
        listener = Paste().listen(Provider("client", name="x", **settings))
        assert listener.redirect_uri == expected
        listener.close()


# ── reading a paste ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "line",
    [f"{HERE}?code=c&state=s", f"  {HERE}?code=c&state=s\r\n", f'"{HERE}?code=c&state=s"', f"<{HERE}?code=c&state=s>",
     "?code=c&state=s", "code=c&state=s"],
)  # fmt: skip
def test_the_address_is_found_in_what_people_paste(line):
    assert read_paste(line, HERE) == (f"{HERE}?code=c&state=s", "")


def test_an_error_with_its_state_is_an_answer():
    assert read_paste(f"{HERE}?error=access_denied&state=s", HERE)[0] is not None


def test_a_bare_query_joins_a_registered_one():
    assert read_paste("code=c&state=s", f"{HERE}?app=1")[0] == f"{HERE}?app=1&code=c&state=s"


@pytest.mark.parametrize(
    "line",
    ["", "   ", "yes", HERE, f"{HERE}?code=c", f"{HERE}?state=s", f"{HERE}?code=c&state=s extra",
     f"{HERE}x?code=c&state=s",
     "https://evil.test/?code=c&state=s", f"{HERE}?code=\x1b&state=s",
     f"{HERE}?" + "&".join(["a=1"] * 80) + "&code=c&state=s"],
)  # fmt: skip
def test_everything_else_is_a_problem_that_is_named(line):
    url, problem = read_paste(line, HERE)
    assert url is None
    assert problem


# ── the terminal ─────────────────────────────────────────────────────────────────────────────────────

pipes_only = pytest.mark.skipif(os.name == "nt", reason="standard input cannot be waited for on Windows")


@pipes_only
def test_one_line_is_read_from_a_pipe_and_no_more():
    reader, writer = os.pipe()
    line = TerminalLine()
    os.write(writer, b"first\nsecond\n")
    assert line._read(reader) == "first\n"
    assert line._read(reader) == "second\n"
    os.close(writer)
    with pytest.raises(EOFError):
        line._read(reader)
    os.close(reader)
    line.close()


@pipes_only
def test_a_reader_that_waits_is_woken_by_stop():
    reader, writer = os.pipe()
    line, ended = TerminalLine(), threading.Event()

    def wait() -> None:
        with pytest.raises(EOFError):
            line._read(reader)
        ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    line.stop()
    assert ended.wait(PATIENCE)
    thread.join()
    os.close(reader)
    os.close(writer)
    line.close()


@pipes_only
def test_standard_input_that_is_a_file_is_read_too(tmp_path):
    file = tmp_path / "in"
    file.write_text("only\n")
    descriptor = os.open(file, os.O_RDONLY)
    line = TerminalLine()
    assert line._read(descriptor) == "only\n"
    with pytest.raises(EOFError):
        line._read(descriptor)
    os.close(descriptor)
    line.close()


@pipes_only
def test_a_program_that_ends_while_somebody_should_paste_ends_quietly():
    program = (
        "from authflow.agents.paste import Paste\n"
        "from authflow.providers.base import Provider\n"
        "agent = Paste()\n"
        "listener = agent.listen(Provider('c', name='x'))\n"
        "listener.start(print)\n"
        f"agent.open({URL!r})\n"
    )
    running = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with running:  # its standard input stays open and silent
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.wait(20) == 0
        assert running.stderr.read() == b""
