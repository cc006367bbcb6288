"""The loopback listener among hostile and clumsy neighbours: each answered, none delivered, the wait goes on."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authflow.agents.base import Callback
from authflow.agents.loopback import Limits

from .conftest import SUCCESS, Inbox, ask, build_get, build_post, connect, get, read_all, status

REDIRECT = "/callback/github?code=c0de&state=st4te"


def still_works(listener, inbox: Inbox) -> bool:
    """Nothing was delivered so far, and the real redirect still is."""
    return inbox.empty and status(get(listener, REDIRECT)) == 200 and "c0de" in inbox.get().url


@pytest.fixture
def inbox() -> Inbox:
    return Inbox(SUCCESS)


# ── who may ask ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host",
    ["evil.test", "127.0.0.1", "127.0.0.1:1", "localhost:{port}", "127.0.0.1.nip.io:{port}", "0.0.0.0:{port}",
     "evil.test:{port}", "[::1]:{port}", "127.0.0.1:{port}.evil.test", "127.0.0.1:{port}@evil.test", "127.1:{port}"],
)  # fmt: skip
def test_another_host_header_is_misdirected(listen, inbox, host):
    listener = listen(inbox)
    answer = get(listener, REDIRECT, host=host.format(port=listener.port))
    assert status(answer) in (400, 421)
    assert still_works(listener, inbox)


def test_a_request_without_a_host_is_refused(listen, inbox):
    listener = listen(inbox)
    assert status(ask(listener, f"GET {REDIRECT} HTTP/1.0\r\n\r\n".encode())) == 421
    assert status(ask(listener, f"GET {REDIRECT} HTTP/1.1\r\n\r\n".encode())) == 400
    assert still_works(listener, inbox)


def test_two_host_headers_are_refused(listen, inbox):
    listener = listen(inbox)
    assert status(get(listener, REDIRECT, "Host: evil.test")) == 400
    assert still_works(listener, inbox)


@pytest.mark.parametrize(
    "target",
    ["/favicon.ico", "/", "/callback/google?code=1&state=2", "/callback/github/?code=1&state=2",
     "//callback/github?code=1",
     "/callback%2Fgithub?code=1&state=2", "/callback/../callback/github?code=1", "http://127.0.0.1/callback/github?code=1"],
)  # fmt: skip
def test_another_path_is_not_found_and_the_wait_goes_on(listen, inbox, target):
    listener = listen(inbox)
    assert status(get(listener, target)) == 404
    assert still_works(listener, inbox)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get"])
def test_a022_another_method_never_consumes_the_code(listen, inbox, method):
    listener = listen(inbox)
    answer = get(listener, REDIRECT, method=method)
    assert status(answer) == 405
    assert b"allow: get, post" in answer.lower()
    assert still_works(listener, inbox)


def test_the_answer_to_head_has_no_body(listen, inbox):
    answer = get(listen(inbox), REDIRECT, method="HEAD")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "header",
    ["Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "Purpose: prefetch", "X-Moz: prefetch",
     "X-Purpose: preview"],
)  # fmt: skip
def test_a022_a_prefetch_never_consumes_the_code(listen, inbox, header):
    listener = listen(inbox)
    assert status(get(listener, REDIRECT, header)) == 503
    assert still_works(listener, inbox)


@pytest.mark.parametrize("mode", ["cors", "no-cors", "same-origin", "websocket"])
def test_a_script_or_picture_of_another_site_is_no_redirect(listen, inbox, mode):
    listener = listen(inbox)
    assert status(get(listener, REDIRECT, f"Sec-Fetch-Mode: {mode}", "Sec-Fetch-Site: cross-site")) == 403
    assert still_works(listener, inbox)


def test_a042_a_preflight_gets_no_permission(listen, inbox):
    answer = get(
        listen(inbox),
        REDIRECT,
        "Origin: https://evil.test",
        "Access-Control-Request-Method: GET",
        "Access-Control-Request-Private-Network: true",
        method="OPTIONS",
    )
    assert status(answer) == 405
    assert b"access-control" not in answer.lower()


def test_no_answer_ever_opens_itself_to_other_origins(listen, inbox):
    listener = listen(inbox)
    for target in (REDIRECT, "/favicon.ico", "/callback/github"):
        assert b"access-control" not in get(listener, target, "Origin: https://evil.test").lower()


@pytest.mark.parametrize("query", ["", "?", "?utm=1", "?iss=https://idp.example", "?codes=1"])
def test_a_visit_without_any_answer_of_the_provider_gets_a_page_and_no_callback(listen, inbox, query):
    listener = listen(inbox)
    answer = get(listener, f"/callback/github{query}")
    assert status(answer) == 400
    assert b"Nothing has arrived" in answer
    assert still_works(listener, inbox)


# ── forms ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("media_type", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
def test_a_post_that_is_no_form_is_refused(listen, inbox, media_type):
    listener = listen(inbox)
    assert status(ask(listener, build_post(listener, b"code=1&state=2", media_type=media_type))) == 415
    assert still_works(listener, inbox)


def test_a_form_that_announces_too_much_is_refused_before_it_is_read(listen, inbox):
    listener = listen(inbox)
    head = build_post(listener, b"").replace(b"Content-Length: 0", b"Content-Length: 65537")
    assert status(ask(listener, head)) == 413
    assert still_works(listener, inbox)


def test_a_chunked_form_is_cut_off_at_the_limit(listen, inbox):
    listener = listen(inbox)
    head = build_post(listener, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
    chunk = b"1000\r\n" + b"a" * 4096 + b"\r\n"
    assert status(ask(listener, head + chunk * 17)) == 413
    assert still_works(listener, inbox)


def test_a_form_of_too_many_fields_is_refused(listen, inbox):
    listener = listen(inbox)
    assert status(ask(listener, build_post(listener, b"code=1&state=2" + b"&a=1" * 100))) == 400
    assert still_works(listener, inbox)


def test_a_form_that_is_no_text_is_refused(listen, inbox):
    listener = listen(inbox)
    assert status(ask(listener, build_post(listener, b"code=\xff\xfe&state=2"))) == 400
    assert still_works(listener, inbox)


def test_a_get_with_a_body_is_refused(listen, inbox):
    listener = listen(inbox)
    assert status(ask(listener, build_get(listener, REDIRECT, "Content-Length: 3") + b"a=b")) == 400
    assert still_works(listener, inbox)


# ── too much, too slow, too odd ──────────────────────────────────────────────────────────────────────


def test_a033_an_endless_request_line_is_refused(listen, inbox):
    listener = listen(inbox)
    assert status(ask(listener, b"GET /" + b"a" * 20_000)) == 414
    assert still_works(listener, inbox)


def test_endless_headers_are_refused(listen, inbox):
    listener = listen(inbox)
    request = build_get(listener, REDIRECT)[:-2] + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 100) for n in range(300))
    assert status(ask(listener, request)) == 431
    assert still_works(listener, inbox)


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\r\n\r\n\r\n", b"GET\r\n\r\n", b"\x00" * 64 + b"\r\n\r\n",
     b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"GET /callback/github?code=\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
     b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
)  # fmt: skip
def test_garbage_is_answered_or_dropped_and_never_delivered(listen, inbox, garbage):
    listener = listen(inbox)
    with connect(listener) as sock:
        sock.sendall(garbage)
        sock.shutdown(socket.SHUT_WR)
        answer = read_all(sock)
    assert not answer or status(answer) in (400, 404, 405, 421)
    assert still_works(listener, inbox)


def test_no_noise_at_all_is_delivered(listen, inbox):
    listener = listen(inbox)

    @settings(max_examples=60, deadline=None)
    @given(noise=st.binary(min_size=1, max_size=300))
    def make_noise(noise: bytes) -> None:
        with connect(listener) as sock:
            sock.sendall(noise)
            sock.shutdown(socket.SHUT_WR)
            answer = read_all(sock)
        assert not answer or status(answer) >= 400

    make_noise()
    assert still_works(listener, inbox)


def test_a031_two_hundred_silent_sockets_do_not_delay_the_redirect(listen, inbox):
    listener = listen(inbox)
    with ExitStack() as silent:
        for _ in range(200):
            silent.enter_context(connect(listener))
        assert still_works(listener, inbox)
        assert len(listener._connections) <= 64


def test_two_hundred_unfinished_requests_do_not_delay_the_redirect(listen, inbox):
    listener = listen(inbox)
    with ExitStack() as slow:
        for _ in range(200):
            slow.enter_context(connect(listener)).sendall(b"GET /callback/github?code=")
        assert still_works(listener, inbox)


def test_unanswered_callbacks_never_lock_the_real_one_out(listen):
    inbox = Inbox()
    listener = listen(inbox, limits=Limits(connections=4))
    with ExitStack() as forged:
        for n in range(8):
            forged.enter_context(connect(listener)).sendall(build_get(listener, f"/callback/github?code={n}&state=x"))
            inbox.get()
        with connect(listener) as sock:
            sock.sendall(build_get(listener, REDIRECT))
            callback: Callback = inbox.get()
            callback.respond(SUCCESS)
            assert b"You are signed in" in read_all(sock)


def test_a_silent_connection_is_closed_at_its_deadline(listen, inbox):
    listener = listen(inbox, limits=Limits(request_seconds=0.01))
    with connect(listener) as sock:
        assert sock.recv(1) == b""


def test_a_slow_drip_does_not_stretch_the_deadline(listen, inbox):
    listener = listen(inbox, limits=Limits(request_seconds=0.1))
    with connect(listener) as sock, pytest.raises(ConnectionError):
        while True:
            sock.sendall(b"G")
            sock.settimeout(0.005)
            try:
                if sock.recv(1) == b"":
                    raise ConnectionResetError
            except TimeoutError:
                continue


def test_a_browser_that_never_closes_its_side_is_dropped(listen, inbox):
    listener = listen(inbox, limits=Limits(linger_seconds=0.01))
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        read_all(sock)
        assert still_works(listener, inbox) is False  # one was delivered already
    listener.close()
    assert not listener._connections


def test_a_browser_that_hangs_up_before_the_answer_harms_nothing(listen):
    inbox = Inbox()
    listener = listen(inbox)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        callback = inbox.get()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    callback.respond(SUCCESS)
    with connect(listener) as sock:
        sock.sendall(build_get(listener, REDIRECT))
        inbox.get().respond(SUCCESS)
        assert status(read_all(sock)) == 200


def test_a_second_request_on_the_same_connection_is_not_read(listen, inbox):
    listener = listen(inbox)
    answer = ask(listener, build_get(listener, REDIRECT) + build_get(listener, "/callback/github?code=second&state=s"))
    assert answer.count(b"HTTP/1.1") == 1
    inbox.get()
    assert inbox.empty


def test_running_out_of_file_descriptors_ends_nothing(listen, inbox, monkeypatch):
    failures = [OSError(errno.EMFILE, "too many open files")] * 3

    def accept(sock: socket.socket) -> object:
        if failures:
            raise failures.pop()
        return real(sock)

    real = socket.socket.accept
    monkeypatch.setattr(socket.socket, "accept", accept)
    assert still_works(listen(inbox), inbox)
    assert failures == []
