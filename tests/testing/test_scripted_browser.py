from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl

import httpx
import pytest

from authflow.testing import DevProvider, ScriptedBrowser
from tests.testing.listener import Listener
from tests.testing.plain_client import PlainClient


@pytest.fixture(scope="module")
def provider() -> Iterator[DevProvider]:
    with DevProvider(algorithm="ES256").serve() as running:
        yield running


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.close()


@pytest.fixture
def url(provider: DevProvider, listener: Listener) -> str:
    provider.sign_everybody_out()
    params = PlainClient(provider).params(redirect_uri=listener.redirect_uri)
    return f"{provider.url}/authorize?{httpx.QueryParams(params)}"


def pages(answers: dict[str, Callable[[httpx.Request], httpx.Response]]) -> httpx.MockTransport:
    """A provider that is nothing but pages."""
    return httpx.MockTransport(lambda request: answers[request.url.path](request))


def html(text: str) -> Callable[[httpx.Request], httpx.Response]:
    return lambda request: httpx.Response(200, html=text)


# ── with the development provider ────────────────────────────────────────────────────────────────────


def test_it_signs_in_allows_and_delivers_the_redirect(listener: Listener, url: str) -> None:
    with ScriptedBrowser(user="grace") as browser:
        page = browser.go(url)
    assert (page.status, page.text.endswith("done")) == (200, True)
    assert page.url.startswith(listener.redirect_uri)
    assert set(listener.received[0]) == {"code", "state", "iss"}


def test_it_stays_signed_in_as_a_browser_does(listener: Listener, url: str, provider: DevProvider) -> None:
    with ScriptedBrowser() as browser:
        browser.go(url)
        before = provider.count("login")
        browser.go(url)
    assert provider.count("login") == before
    assert len(listener.received) == 2


def test_it_denies(listener: Listener, url: str) -> None:
    with ScriptedBrowser(deny=True) as browser:
        browser.go(url)
    assert listener.received[0]["error"] == "access_denied"


def test_it_spoils_the_state_on_the_way_back(listener: Listener, url: str) -> None:
    with ScriptedBrowser(wrong_state=True) as browser:
        browser.go(url)
    assert listener.received[0]["state"] not in url
    assert "code" in listener.received[0]


def test_it_walks_away(listener: Listener, url: str) -> None:
    with ScriptedBrowser(never=True) as browser:
        page = browser.go(url)
    assert "Choose an account" in page.text
    assert listener.received == []


@pytest.mark.parametrize("habits", [{}, {"wrong_state": True}])
def test_it_posts_a_form_post_answer(listener: Listener, url: str, habits: dict[str, bool]) -> None:
    with ScriptedBrowser(**habits) as browser:  # type: ignore[arg-type]
        page = browser.go(url + "&response_mode=form_post")
    assert page.text.endswith("done")
    assert (listener.received[0]["state"] in url) is not bool(habits)


def test_it_ends_on_the_page_that_says_no(provider: DevProvider) -> None:
    with ScriptedBrowser() as browser:
        page = browser.go(f"{provider.url}/authorize?client_id=stranger")
    assert (page.status, "Unknown application" in page.text) == (400, True)


def test_somebody_unknown_cannot_be_chosen(url: str) -> None:
    with ScriptedBrowser(user="mallory") as browser, pytest.raises(RuntimeError, match="mallory"):
        browser.go(url)


def test_called_it_returns_at_once_and_works_on_its_own_thread(
    listener: Listener, url: str, provider: DevProvider
) -> None:
    with ScriptedBrowser() as browser, provider.hold("authorize") as hold:
        assert browser(url) is True
        hold.wait()
        with pytest.raises(TimeoutError):
            browser.result(0.01)
        hold.release()
        assert browser.result().text.endswith("done")
        assert browser.opened == [url]
    assert not [thread for thread in threading.enumerate() if thread.name == "authflow-scripted-browser"]


def test_what_went_wrong_on_its_thread_is_raised_by_result(url: str) -> None:
    with ScriptedBrowser(user="mallory") as browser:
        browser(url)
        with pytest.raises(RuntimeError, match="mallory"):
            browser.result()


def test_a_browser_that_gives_up_says_so_in_the_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedBrowser(user="mallory") as browser:
        browser(url)
    assert "nobody called 'mallory' can be chosen on the page" in caplog.text


def test_a_browser_that_is_stuck_at_the_provider_says_where(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedBrowser() as browser:
        browser(url.replace("client_id=", "client_id=not-"))
    assert "is stuck at http://127.0.0.1:" in caplog.text
    assert "/authorize, status 400" in caplog.text


def test_a_browser_that_came_back_to_the_application_says_nothing(
    url: str, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedBrowser(deny=True) as browser:
        browser(url)
    assert "error" in listener.received[0]
    assert [one.getMessage() for one in caplog.records if one.name == "authflow.testing"] == []


def test_a_browser_that_was_never_opened_has_no_result() -> None:
    with ScriptedBrowser() as browser, pytest.raises(RuntimeError, match="never opened"):
        browser.result()


def test_a_listener_that_is_gone_is_an_error_with_no_secret_in_it(url: str, listener: Listener) -> None:
    listener.close()
    with ScriptedBrowser() as browser:
        browser(url)
        with pytest.raises(httpx.ConnectError) as caught:
            browser.result()
    assert "code=" not in str(caught.value)


# ── with the pages of others ─────────────────────────────────────────────────────────────────────────


def test_it_fills_in_name_and_password_and_keeps_hidden_fields() -> None:
    sent: dict[str, str] = {}

    def signed_in(request: httpx.Request) -> httpx.Response:
        sent.update(parse_qsl(request.content.decode(), keep_blank_values=True))
        return httpx.Response(303, headers={"location": "com.example.app:/callback?code=1"})

    form = """<form action="?ask">search <input name="q"></form><form method="post" action="sign-in">
      <input type="hidden" name="csrf" value="t&amp;t"><input name="username"><input type="password" name="password">
      <input type="checkbox" name="remember"><select name="realm"><option value="a"><option value="b" selected></select>
      <textarea name="note"></textarea><button type="button" name="show">show</button>
      <button name="act" value="sign-in">Sign in</button><button name="act" value="cancel">Cancel</button></form>"""
    transport = pages({"/op/login": html(form), "/op/sign-in": signed_in})
    with ScriptedBrowser(user="ada", password="secret", transport=transport) as browser:
        page = browser.go("https://op.example/op/login")
    assert page == ("com.example.app:/callback?code=1", 0, "")
    assert sent == {
        "csrf": "t&t", "username": "ada", "password": "secret", "remember": "on", "realm": "b", "note": "",
        "act": "sign-in",
    }  # fmt: skip


def test_it_fills_in_what_it_is_told_to() -> None:
    seen: list[str] = []

    def entered(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.query.decode())
        return httpx.Response(200, text="in")

    form = '<form action="/in"><input name="pin"><input type="submit"></form>'
    transport = pages({"/login": html(form), "/in": entered})
    with ScriptedBrowser(fields={"pin": "1234"}, transport=transport) as browser:
        assert browser.go("https://op.example/login").text == "in"
    assert seen == ["pin=1234"]


def test_it_denies_by_a_link_where_there_is_no_button() -> None:
    consent = '<form method="post" action="/allow"><button>Continue</button></form><a href="/abort">[ Cancel ]</a>'
    transport = pages({"/consent": html(consent), "/abort": html("aborted"), "/allow": html("allowed")})
    with ScriptedBrowser(deny=True, transport=transport) as browser:
        assert browser.go("https://op.example/consent").text == "aborted"
    with ScriptedBrowser(transport=transport) as browser:
        assert browser.go("https://op.example/consent").text == "allowed"

def test_it_accepts_rather_than_signs_in_as_somebody_else() -> None:
    def answered(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=request.content.decode())

    consent = (
        '<form method="post" action="/answered"><button name="answer" value="logout">Switch user</button>'
        '<button name="answer" value="accept">Accept</button></form>'
    )
    with ScriptedBrowser(transport=pages({"/consent": html(consent), "/answered": answered})) as browser:
        assert browser.go("https://op.example/consent").text == "answer=accept"


def test_it_sends_a_secure_cookie_on_loopback_as_browsers_do() -> None:
    def once(request: httpx.Request) -> httpx.Response:
        headers = {"set-cookie": "sid=1; Secure; Path=/", "location": "/twice"}
        return httpx.Response(302, headers=headers)

    transport = pages({"/once": once, "/twice": lambda request: httpx.Response(200, text=request.headers["cookie"])})
    with ScriptedBrowser(transport=transport) as browser:
        assert browser.go("http://127.0.0.1:8000/once").text == "sid=1"


def test_a_way_without_an_end_is_given_up() -> None:
    transport = pages({"/": lambda request: httpx.Response(302, headers={"location": "/"})})
    with ScriptedBrowser(transport=transport) as browser, pytest.raises(RuntimeError, match="more than 25"):
        browser.go("https://op.example/")
