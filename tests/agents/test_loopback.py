"""The loopback listener as a well-behaved browser and session see it."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import parse_qs, urlsplit

import pytest

from authflow.agents.base import Agent, Callback, Listener, Page
from authflow.agents.loopback import Limits, Loopback, LoopbackListener
from authflow.agents.redirect import LoopbackPlan
from authflow.errors import BrowserUnavailable, ConfigurationError, InsecureURL
from authflow.providers.base import Provider

from .conftest import FAILURE, SUCCESS, Inbox, ask, build_get, build_post, connect, get, read_all, status

REDIRECT = "/callback/github?code=c0de&state=st4te"


# ── the redirect ─────────────────────────────────────────────────────────────────────────────────────


def test_it_is_an_agent_and_makes_listeners(provider):
    agent = Loopback()
    listener = agent.listen(provider)
    assert isinstance(agent, Agent)
    assert isinstance(listener, Listener)
    assert agent.waits
    listener.close()


def test_the_redirect_uri_is_the_ip_literal_a_free_port_and_the_registered_path(listen):
    listener = listen(Inbox())
    assert listener.redirect_uri == f"http://127.0.0.1:{listener.port}/callback/github"
    assert listener.addresses == [("127.0.0.1", listener.port)]


def test_a_redirect_is_delivered_with_its_whole_url_on_the_listeners_thread(listen):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)
    answer = get(listener, REDIRECT)
    callback = inbox.get()
    assert isinstance(callback, Callback)
    assert callback.url == f"{listener.redirect_uri}?code=c0de&state=st4te"
    assert callback.params is None
    assert inbox.threads == {f"authflow-loopback-{listener.port}"}
    assert status(answer) == 200
    assert b"You are signed in" in answer


def test_a_redirect_that_arrives_before_start_is_kept_for_it(provider):
    listener = Loopback().listen(provider)
    inbox = Inbox(SUCCESS)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        listener.start(inbox)
        assert status(read_all(sock)) == 200
    listener.close()


def test_an_error_redirect_is_a_callback_too(listen):
    inbox = Inbox(FAILURE)
    answer = get(listen(inbox), "/callback/github?error=access_denied&state=s")
    assert parse_qs(urlsplit(inbox.get().url).query) == {"error": ["access_denied"], "state": ["s"]}
    assert status(answer) == 400
    assert b"You are not signed in" in answer


def test_a_form_post_is_delivered_as_parameters(listen):
    inbox = Inbox(SUCCESS)
    listener = listen(inbox)
    answer = ask(
        listener,
        build_post(
            listener,
            b"code=a%2Bb&state=s+t&user=%7B%7D",
            "Origin: https://idp.example",
            "Sec-Fetch-Site: cross-site",
            "Sec-Fetch-Mode: navigate",
        ),
    )
    callback = inbox.get()
    assert callback.params == {"code": "a+b", "state": "s t", "user": "{}"}
    assert callback.url == listener.redirect_uri
    assert status(answer) == 200


def test_doubled_form_parameters_reach_the_session_as_they_came(listen):
    inbox = Inbox(FAILURE)
    listener = listen(inbox)
    ask(listener, build_post(listener, b"code=a&code=b&state=s"))
    callback = inbox.get()
    assert callback.params is None
    assert callback.url == f"{listener.redirect_uri}?code=a&code=b&state=s"


def test_neither_code_nor_state_is_in_a_repr(listen):
    inbox = Inbox(SUCCESS)
    get(listen(inbox), REDIRECT)
    assert "c0de" not in repr(inbox.get())


def test_a_registered_query_is_kept(provider):
    plan = LoopbackPlan("127.0.0.1", 0, "/cb", query="app=1")
    listener = LoopbackListener(plan)
    inbox = Inbox(SUCCESS)
    listener.start(inbox)
    assert listener.redirect_uri == f"http://127.0.0.1:{listener.port}/cb?app=1"
    get(listener, "/cb?app=1&code=c&state=s")
    assert inbox.get().url == f"{listener.redirect_uri}&code=c&state=s"
    listener.close()


def test_a_registered_uri_without_a_path_is_used_byte_for_byte():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    agent = Loopback()
    listener = agent.listen(Provider("client", name="x", redirect_uri=f"http://127.0.0.1:{port}"))
    inbox = Inbox(SUCCESS)
    listener.start(inbox)
    get(listener, "/?code=c&state=s")
    assert inbox.get().url == f"http://127.0.0.1:{port}?code=c&state=s"
    listener.close()


# ── the answer ───────────────────────────────────────────────────────────────────────────────────────


def test_the_browser_waits_for_the_outcome_and_gets_the_true_one(listen):
    inbox = Inbox()
    listener = listen(inbox)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        inbox.get().respond(FAILURE)
        assert b"access_denied" in read_all(sock)


def test_the_first_answer_counts_and_a_second_is_harmless(listen):
    inbox = Inbox()
    listener = listen(inbox)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        callback = inbox.get()
        callback.respond(SUCCESS)
        callback.respond(FAILURE)
        assert b"You are signed in" in read_all(sock)


def test_any_thread_may_answer_and_only_one_answer_is_sent(listen):
    inbox = Inbox()
    listener = listen(inbox)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        callback = inbox.get()
        threads = [threading.Thread(target=callback.respond, args=(SUCCESS,)) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert read_all(sock).count(b"HTTP/1.1") == 1


def test_several_callbacks_may_wait_at_once_and_be_answered_out_of_order(listen):
    inbox = Inbox()
    listener = listen(inbox)
    with connect(listener) as first, connect(listener) as second:
        first.sendall(build_get(listener, "/callback/github?code=1&state=a"))
        one = inbox.get()
        second.sendall(build_get(listener, "/callback/github?code=2&state=b"))
        two = inbox.get()
        two.respond(SUCCESS)
        assert b"You are signed in" in read_all(second)
        one.respond(FAILURE)
        assert b"You are not signed in" in read_all(first)


def test_a_rejected_callback_leaves_the_listener_listening(listen):
    inbox = Inbox(FAILURE)
    listener = listen(inbox)
    get(listener, "/callback/github?code=forged&state=wrong")
    inbox.get()
    get(listener, REDIRECT)
    assert "c0de" in inbox.get().url


def test_a_browser_that_waits_too_long_is_sent_back_to_the_application(listen):
    inbox = Inbox()
    listener = listen(inbox, limits=Limits(answer_seconds=0.01))
    answer = get(listener, REDIRECT)
    assert b"Continue in the application" in answer
    inbox.get().respond(SUCCESS)  # too late, and harmless


def test_the_applications_own_page_replaces_the_success_page(listen):
    listener = listen(Inbox(SUCCESS), complete_page="<!doctype html><p>Welcome aboard")
    assert get(listener, REDIRECT).endswith(b"\r\n\r\n<!doctype html><p>Welcome aboard")


def test_the_applications_own_page_never_replaces_a_failure(listen):
    listener = listen(Inbox(FAILURE), complete_page="<p>Welcome aboard")
    answer = get(listener, REDIRECT)
    assert b"Welcome aboard" not in answer
    assert b"You are not signed in" in answer


def test_a_page_that_carries_html_is_sent_as_it_is(listen):
    page = Page(ok=True, title="", text="", html="<p>This login's own")
    assert get(listen(Inbox(page), complete_page="<p>Everyone's"), REDIRECT).endswith(b"<p>This login's own")


def test_a_deliver_that_raises_gives_a_page_and_the_wait_goes_on(listen, caplog):
    seen = []

    def broken(callback: Callback) -> None:
        seen.append(callback)
        raise RuntimeError("secret c0de")

    listener = listen(broken)
    assert b"did not finish" in get(listener, REDIRECT)
    get(listener, REDIRECT)
    assert len(seen) == 2
    assert "c0de" not in caplog.text
    assert "RuntimeError" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("connection", "close"),
    ],
)
def test_the_page_carries_its_protective_headers(listen, name, value):
    head = get(listen(Inbox(SUCCESS)), REDIRECT).split(b"\r\n\r\n")[0].decode().lower()
    assert f"\r\n{name}: {value}" in head


# ── closing ──────────────────────────────────────────────────────────────────────────────────────────


def test_a034_nothing_listens_after_close(listen):
    listener = listen(Inbox())
    address = listener.addresses[0]
    listener.close()
    assert listener.addresses == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)


def test_close_ends_the_thread_and_may_be_called_again(listen):
    before = threading.active_count()
    listener = listen(Inbox())
    assert threading.active_count() == before + 1
    listener.close()
    listener.close()
    assert threading.active_count() == before


def test_a_listener_that_never_started_can_be_closed_and_stays_closed(provider):
    listener = Loopback().listen(provider)
    listener.close()
    listener.start(Inbox())
    assert listener.addresses == []


def test_the_page_is_sent_before_the_sockets_close(listen):
    inbox = Inbox()
    listener = listen(inbox)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        inbox.get().respond(SUCCESS)
        listener.close()
        assert b"You are signed in" in read_all(sock)


def test_a_large_page_is_sent_whole_before_the_sockets_close(listen):
    inbox = Inbox()
    listener = listen(inbox, complete_page="x" * 3_000_000)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        inbox.get().respond(SUCCESS)
        closer = threading.Thread(target=listener.close)
        closer.start()
        assert read_all(sock).count(b"x" * 1000) == 3000
        closer.join()


def test_a_browser_without_an_outcome_gets_a_neutral_page_at_close(listen):
    inbox = Inbox()
    listener = listen(inbox)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        callback = inbox.get()
        listener.close()
        assert b"Continue in the application" in read_all(sock)
    callback.respond(SUCCESS)  # too late, and harmless


def test_the_session_may_close_from_inside_deliver(provider):
    listener = Loopback().listen(provider)
    address = listener.addresses[0]

    def finish(callback: Callback) -> None:
        callback.respond(SUCCESS)
        listener.close()

    listener.start(finish)
    assert b"You are signed in" in get(listener, REDIRECT)
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=1)


def test_the_port_is_free_within_the_limit_even_while_deliver_hangs(provider):
    released = threading.Event()
    entered = threading.Event()

    def hang(callback: Callback) -> None:
        entered.set()
        released.wait()

    listener = Loopback(limits=Limits(close_seconds=0.05)).listen(provider)
    address = listener.addresses[0]
    listener.start(hang)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        assert entered.wait(10)
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=1)
        released.set()


def test_an_idle_stranger_does_not_delay_close(listen):
    listener = listen(Inbox())
    with connect(listener) as sock:
        listener.close()
        with contextlib.suppress(ConnectionResetError):  # it was never accepted
            assert sock.recv(1) == b""


# ── ports and hosts ──────────────────────────────────────────────────────────────────────────────────


def test_a_fixed_port_is_used_and_usable_again_right_after_a_login(provider):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for _ in range(3):
        listener = Loopback(port=port).listen(provider)
        inbox = Inbox(SUCCESS)
        listener.start(inbox)
        assert listener.redirect_uri == f"http://127.0.0.1:{port}/callback/github"
        get(listener, REDIRECT)
        listener.close()


def test_a030_a_busy_fixed_port_is_named_with_its_remedy(provider):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} .*loopback_port"):
            Loopback(port=port).listen(provider)


def test_a030_the_port_cannot_be_taken_while_the_listener_has_it(listen):
    listener = listen(Inbox())
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError):
            thief.bind(("127.0.0.1", listener.port))
            thief.listen()


def test_a029_localhost_is_bound_on_both_families_with_one_port(listen):
    listener = listen(Inbox(SUCCESS), host="localhost")
    assert listener.redirect_uri == f"http://localhost:{listener.port}/callback/github"
    hosts = {address[0] for address in listener.addresses}
    assert hosts in ({"127.0.0.1", "::1"}, {"127.0.0.1"})
    assert {address[1] for address in listener.addresses} == {listener.port}
    for address in listener.addresses:
        with socket.create_connection(address, timeout=5) as sock:
            sock.sendall(build_get(listener, REDIRECT, host=f"localhost:{listener.port}"))
            assert status(read_all(sock)) == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_localhost_with_a_fixed_port_that_another_program_has_on_ipv6_is_refused(provider):
    try:
        other = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with other, pytest.raises(ConfigurationError, match="used by another program"):
        Loopback(host="localhost", port=other.getsockname()[1]).listen(provider)


# ── opening ──────────────────────────────────────────────────────────────────────────────────────────


def test_the_applications_opener_gets_the_url_and_its_result_comes_back():
    opened = []
    agent = Loopback(open_url=lambda url: opened.append(url) or "awaitable")
    assert agent.open("https://idp.example/authorize?x=1") == "awaitable"
    assert opened == ["https://idp.example/authorize?x=1"]


def test_the_applications_opener_never_sees_a_hostile_url():
    opened = []
    with pytest.raises(InsecureURL):
        Loopback(open_url=opened.append).open("javascript:alert(1)")
    assert opened == []


def test_an_opener_that_says_no_is_a_missing_browser():
    with pytest.raises(BrowserUnavailable, match="Paste"):
        Loopback(open_url=lambda url: False).open("https://idp.example/")


def test_an_opener_that_raises_is_a_missing_browser_and_the_line_that_failed_is_named():
    def broken(url: str) -> None:
        raise OSError(f"cannot open {url}")

    with pytest.raises(BrowserUnavailable) as caught:
        Loopback(open_url=broken).open("https://idp.example/?code_challenge=x")
    assert "OSError at" in str(caught.value)
    assert "test_loopback.py" in str(caught.value)
    assert "code_challenge" not in str(caught.value)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
