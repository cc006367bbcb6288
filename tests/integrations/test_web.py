"""The home of all web bridges, by values: requests in, answers out, no framework and no network."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
from contextlib import AsyncExitStack
from importlib import import_module
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow import AsyncSessionManager, SessionManager
from authflow.errors import (
    AccessDenied,
    AuthflowError,
    BindingRequired,
    CallbackAlreadyUsed,
    CallbackRejected,
    ConfigurationError,
    ConnectFailed,
    InsecureURL,
    LoginCancelled,
    LoginDenied,
    LoginFailed,
    LoginTimedOut,
    ServiceUnavailable,
    SignInRequired,
    StoreError,
    UnknownProvider,
    ValidationFailed,
)
from authflow.integrations.web import Answer, Asked, Bridge, Desk, Proxy, run
from authflow.integrations.web import streams as streams_of
from authflow.integrations.web.cookies import STEP_UP, Cookies, Login, new_secret, owner_of, read_login
from authflow.integrations.web.exchange import is_from_here
from authflow.integrations.web.forward import client_settings
from authflow.integrations.web.logs import without_answer
from authflow.integrations.web.pages import explain
from authflow.integrations.web.places import Places
from authflow.integrations.web.running import Do
from authflow.integrations.web.streams import MOST_READERS, MOST_WAITING, Streams
from authflow.providers import GitHub, OAuth2
from authflow.testing import signed_in

SITE = "https://app.example"
KEPT = {"cookie": "__Host-kept=1"}  # of a browser that has shown that it keeps cookies
GITHUB = GitHub("id", "secret", api_origins=["https://api.example.com"])


def cookie(answer: Answer, part: str) -> str:
    """The one `Set-Cookie` whose name has `part`."""
    [found] = [value for name, value in answer.headers if name == "Set-Cookie" and part in value.partition("=")[0]]
    return found


# ── reading a request ────────────────────────────────────────────────────────────────────────────────


def test_a_cookie_that_comes_twice_is_none() -> None:
    asked = Asked("GET", headers={"cookie": "a=1; __Host-owner=x; b=2; __Host-owner=y"})
    assert asked.cookies == {"a": "1", "b": "2"}


@pytest.mark.parametrize("blank", ["\u2000", "\u00a0", "\u3000", "\x85", "\x1f"])
def test_a_cookie_whose_name_begins_with_an_odd_blank_is_another(blank: str) -> None:
    """Its name does not begin with `__Host-`, so any neighbour may set it."""
    assert "__Host-owner" not in Asked("GET", headers={"cookie": f"a=1;{blank}__Host-owner=planted"}).cookies


def test_a_parameter_that_is_said_twice_is_not_said() -> None:
    assert Asked("GET", "next=/a&next=/b").param("next") is None
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert Asked("POST", "next=/a", form, b"next=/b").param("next") is None
    assert Asked("POST", "", form, b"next=/b").param("next") == "/b"


def test_a_request_shows_none_of_its_values() -> None:
    for one in (
        Asked("GET", "code=secret", {"cookie": "a=secret"}, b"secret"),
        Answer(303, (("Location", "secret"),), b"secret"),
        Login("secret", "secret"),
    ):
        assert "secret" not in repr(one)
        assert "secret" not in str(one)


def test_a_sign_in_that_another_process_keeps_for_itself_is_told_with_the_store_to_use(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with SessionManager([GITHUB]) as manager, SessionManager([GITHUB]) as other:
        begun = run(Desk(manager, base_url=SITE).login("github", Asked("GET", headers=KEPT)))
        [state] = parse_qs(urlsplit(str(begun.location)).query)["state"]
        desk, came = Desk(other, base_url=SITE), cookie(begun, "login").partition(";")[0]
        caplog.clear()
        assert run(desk.callback("github", Asked("GET", f"code=x&state={state}"))).status == 400
        assert run(desk.callback("github", Asked("GET", "code=x&state=stray", {"cookie": came}))).status == 400
        assert caplog.text == ""
        assert run(desk.callback("github", Asked("GET", f"code=x&state={state}", {"cookie": came}))).status == 400
        assert "MemoryStore" in caplog.text
        assert "store=" in caplog.text


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site", "origin": SITE}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": SITE}, True),
        ({"origin": "https://app.example.evil.test"}, False),
        ({"origin": "null"}, False),
        ({}, True),
    ],
)
def test_who_asks_is_told_by_what_browsers_say(headers: dict[str, str], expected: bool) -> None:
    assert is_from_here(Asked("POST", headers=headers), SITE) is expected


def test_nothing_that_arrives_is_an_exception() -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    with SessionManager([GITHUB], trace=False) as manager:
        desk = Desk(manager, base_url=SITE)

        @given(st.binary(max_size=200), st.text(max_size=100), st.text(max_size=100))
        def visit(body: bytes, query: str, cookies: str) -> None:
            asked = Asked("POST", query, {"cookie": cookies, **form}, body)
            for steps in (desk.callback("github", asked), desk.logout("", asked), desk.back_channel_logout(asked),
                          desk.front_channel_logout(asked), desk.initiate_login(asked), desk.signed_out(asked),
                          desk.signed_in(asked), desk.session(asked), desk.choose(asked)):  # fmt: skip
                assert run(steps).status in (200, 303, 400, 503)

        visit()


# ── cookies ──────────────────────────────────────────────────────────────────────────────────────────


def test_over_https_the_cookies_are_host_cookies() -> None:
    with SessionManager([GITHUB]) as manager:
        answer = run(Desk(manager, base_url=SITE).login("github", Asked("GET", headers=KEPT)))
    name, _, attributes = cookie(answer, "login").partition("=")
    assert name.startswith("__Host-login-")
    assert attributes.split("; ")[1:] == ["Path=/", "HttpOnly", "SameSite=Lax", "Secure", "Max-Age=600"]
    assert Cookies(SITE).set_owner("x")[1] == "__Host-owner=x; Path=/; HttpOnly; SameSite=Lax; Secure"
    assert Cookies(SITE, 86_400).set_owner("x")[1].endswith("; Secure; Max-Age=86400")


def test_only_the_binding_of_a_posted_answer_comes_across_sites() -> None:
    apple = OAuth2("id", "secret", "https://as.test/a", "https://as.test/t", name="apple", response_mode="form_post")
    with SessionManager([apple]) as manager:
        answer = run(Desk(manager, base_url=SITE).login("apple", Asked("GET", headers=KEPT)))
    assert "SameSite=None; Secure" in cookie(answer, "login")
    assert "SameSite=Lax" in Cookies(SITE).set_owner("x")[1]


def test_plain_http_on_loopback_is_said_to_be_for_development(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "authflow.integrations"):
        Places("http://127.0.0.1:8000")
    assert "for development only" in caplog.text
    cookies = Cookies("http://127.0.0.1:8000")
    assert cookies.set_owner("x")[1] == "dev-8000-owner=x; Path=/; HttpOnly; SameSite=Lax"


def test_two_tabs_have_two_cookies() -> None:
    cookies = Cookies(SITE)
    assert cookies.login_name("one") != cookies.login_name("other")
    assert len(cookies.login_name("one")) == len("__Host-login-") + 16


def test_what_a_cookie_holds_is_not_what_the_store_knows() -> None:
    secret = new_secret()
    assert secret not in owner_of(secret)
    assert Login("binding", secret).begun_under != owner_of(secret)
    assert Login("binding", secret, STEP_UP).begun_under == owner_of(secret)
    assert len(owner_of(secret)) == 32


def test_a138_no_cookie_grows_with_what_a_login_carries() -> None:
    """A browser drops a cookie of over 4,096 bytes in silence. What is long is kept on the server's side."""
    wide = GitHub("id", "secret", scopes=[f"scope:{number}:{'x' * 40}" for number in range(100)])
    asked = Asked("GET", f"next=/{'a' * 1_500}", KEPT)
    with SessionManager([wide]) as manager:
        answer = run(Desk(manager, base_url=SITE).login("github", asked))
    [away] = [value for name, value in answer.headers if name == "Location"]
    assert len(away) > 4_096
    assert [len(value) for name, value in answer.headers if name == "Set-Cookie" and len(value) > 256] == []


@pytest.mark.parametrize("value", ["", "x", "x.y", ".", f".{'s' * 43}", f"b.{'s' * 42}", f"b.{'ß' * 43}"])
def test_a_login_cookie_of_anothers_making_is_none(value: str) -> None:
    assert read_login(value) is None


@pytest.mark.parametrize("value", ["", "short", "s" * 44, "../../etc", "s" * 42 + "/"])
def test_an_owners_cookie_of_anothers_making_is_none(value: str) -> None:
    assert Cookies(SITE).secret_of({"__Host-owner": value}) is None


# ── places ───────────────────────────────────────────────────────────────────────────────────────────

ELSEWHERE = [
    "//evil.test", "////evil.test/x", "/\\evil.test", "\\\\evil.test", "https://evil.test/", "https:evil.test",
    "http:///evil.test", "/%2fevil.test", "/%5cevil.test", "/\tevil.test", "/\n/evil.test", " //evil.test",
    "/a/../..//evil.test", "/..", "javascript:alert(1)", "data:text/html,x", "evil.test", "@evil.test", "?next=/",
    "/a#b", "/ö", "", "/" + "a" * 10_000, "/a\x00b",
]  # fmt: skip


@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_a121_a_target_that_leaves_the_site_is_its_home(wanted: str) -> None:
    assert Places(SITE).target(wanted) == "/"
    assert Places(f"{SITE}/shop", home="/shop/start").target(wanted) == "/shop/start"


@pytest.mark.parametrize("wanted", ["/", "/inbox", "/inbox/7?tab=a&b=//x", "/loginpage", "/session"])
def test_a_page_of_the_site_is_a_target(wanted: str) -> None:
    assert Places(SITE).target(wanted) == wanted


@pytest.mark.parametrize("wanted", ["/login", "/login/github?next=/", "/logout/github", "/callback/github?code=x"])
def test_a_route_of_a_login_is_no_target_because_that_would_go_round(wanted: str) -> None:
    assert Places(SITE).target(wanted) == "/"
    assert Places(SITE, "/auth").target(wanted) == wanted
    assert Places(SITE, "/auth").target(f"/auth{wanted}") == "/"


def test_under_a_path_only_what_is_beneath_it_is_this_application() -> None:
    assert Places(f"{SITE}/shop").target("/other") == "/shop/"
    assert Places(f"{SITE}/shop").target("/shop/cart") == "/shop/cart"
    assert Places(f"{SITE}/shop", "/auth").redirect_uri(GITHUB) == f"{SITE}/shop/auth/callback/github"


@pytest.mark.parametrize("base_url", ["http://app.example", "ftp://app.example", f"{SITE}#x", "https://u@app.example"])
def test_an_address_that_cannot_be_is_refused(base_url: str) -> None:
    with pytest.raises((InsecureURL, ConfigurationError)):
        Places(base_url)


@pytest.mark.parametrize(
    "settings", [{"base_url": f"{SITE}?x=1"}, {"base_url": SITE, "prefix": "auth"}, {"base_url": SITE, "home": "//x"}]
)
def test_a_setting_that_cannot_be_is_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        Places(**settings)


@pytest.mark.parametrize("base_url", [None, "", "app.example", "http://app.example", "http://192.168.1.5:8000", 8000])
def test_an_address_that_cannot_be_is_told_with_the_one_to_write(base_url: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'base_url=.* Write base_url="https://app\.example"'):
        Places(base_url)


@pytest.mark.parametrize("manager", [[GITHUB], SessionManager, None])
def test_what_is_no_manager_is_told_with_what_to_write(manager: Any) -> None:
    with pytest.raises(ConfigurationError, match="An Auth takes a manager"):
        Bridge(manager, base_url=SITE)


def test_a_name_that_no_provider_has_is_told_at_once_and_not_by_a_sign_in_that_never_ends() -> None:
    with SessionManager([GITHUB]) as manager:
        desk = Desk(manager, base_url=SITE)
        for asks in (
            lambda: run(desk.find(Asked("GET"), "gthub")),
            lambda: Desk(manager, base_url=SITE, login_options={"gthub": {"scope": ["gist"]}}),
        ):
            with pytest.raises(UnknownProvider, match="Configured providers: github"):
                asks()


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "flask", "quart", "django"])
def test_a_view_that_wants_a_provider_of_no_such_name_is_refused_where_it_is_written(framework: str) -> None:
    pytest.importorskip(framework, reason=f"pip install 'authflow-sessions[{framework}]'")
    with SessionManager([GITHUB]) as manager:
        auth = import_module(f"authflow.integrations.{framework}").Auth(manager, base_url=SITE)
        wants = auth.login_required_from if framework == "django" else auth.required_from
        with pytest.raises(UnknownProvider, match="Configured providers: github"):
            wants("gthub")


@pytest.mark.parametrize(
    ("host", "sent_on"),
    [
        ("localhost:8000", True),
        ("[::1]:8000", True),
        ("127.0.0.1:8000", False),
        ("localhost:5173", False),
        ("evil.test:8000", False),
        ("", False),
    ],
)
def test_a_sign_in_begins_under_the_name_that_its_callback_comes_to(host: str, sent_on: bool) -> None:
    with SessionManager([GITHUB]) as manager:
        desk = Desk(manager, base_url="http://127.0.0.1:8000", prefix="/auth")
        answer = run(desk.login("github", Asked("GET", "next=/inbox", {"host": host})))
    here = "http://127.0.0.1:8000/auth/login/github?next=%2Finbox"
    assert (answer.location == here) == sent_on
    assert any(name == "Set-Cookie" for name, _ in answer.headers) != sent_on


def test_a_redirect_uri_that_leads_elsewhere_is_told_with_the_one_to_register() -> None:
    elsewhere = GitHub("id", "secret", redirect_uri="https://app.example/oauth/cb")
    with (
        SessionManager([elsewhere]) as manager,
        pytest.raises(ConfigurationError, match=r"Register https://app\.example/callback/github"),
    ):
        Desk(manager, base_url=SITE)


def test_the_host_header_chooses_nothing() -> None:
    with SessionManager([GITHUB]) as manager:
        asked = Asked("GET", headers={"host": "evil.test", "x-forwarded-host": "evil.test", **KEPT})
        answer = run(Desk(manager, base_url=SITE).login("github", asked))
    assert "evil.test" not in str(answer.headers)
    assert "redirect_uri=https%3A%2F%2Fapp.example%2Fcallback%2Fgithub" in str(answer.location)


# ── signing out ──────────────────────────────────────────────────────────────────────────────────────


def test_the_return_from_the_providers_logout_is_believed_once() -> None:
    back = f"{SITE}/signed-out"
    acme = GITHUB.replace(name="acme", end_session_endpoint="https://op.test/bye", post_logout_redirect_uri=back)
    secret, post = new_secret(), {"sec-fetch-site": "same-origin"}
    with SessionManager([acme]) as manager:
        desk = Desk(manager, base_url=SITE, home="/bye")
        signed_in(manager.owner(owner_of(secret)), "acme")
        answer = run(desk.logout("acme", Asked("POST", "", {"cookie": f"__Host-owner={secret}", **post})))
        there = str(answer.location)
        assert there.startswith("https://op.test/bye?")
        [state] = parse_qs(urlsplit(there).query)["state"]
        assert run(desk.signed_out(Asked("GET", f"state={state}"))).location == "/bye"
        with pytest.raises(CallbackRejected):
            manager.complete_logout(f"{back}?state={state}")  # it was used by the route


# ── whoever is not signed in ─────────────────────────────────────────────────────────────────────────


def test_a_browser_goes_to_sign_in_and_a_script_gets_401() -> None:
    with SessionManager([GITHUB]) as manager:
        desk = Desk(manager, base_url=SITE)
        page = desk.refuse(Asked("GET", headers={"accept": "text/html"}), None, "/inbox?a=1")
        script = desk.refuse(Asked("GET", headers={"sec-fetch-mode": "cors", "accept": "text/html"}), "github", "//x")
        post = desk.refuse(Asked("POST", headers={"accept": "text/html"}))
    assert (page.status, page.location) == (303, "/login?next=%2Finbox%3Fa%3D1")
    assert (script.status, script.body) == (401, b'{"error":"not_signed_in","sign_in":"/login/github?next=%2F"}')
    assert post.status == 401


def test_the_first_provider_with_a_session_is_who_is_here() -> None:
    other = GITHUB.replace(name="other")
    secret = new_secret()
    with SessionManager([GITHUB, other]) as manager:
        desk = Desk(manager, base_url=SITE)
        asked = Asked("GET", headers={"cookie": f"__Host-owner={secret}"})
        assert run(desk.find(asked)) is None
        signed_in(manager.owner(owner_of(secret)), "other", user={"id": 1, "name": "Ada"})
        found: Any = run(desk.find(asked))
        assert found.provider.name == "other"
        assert run(desk.find(asked, "github")) is None


def test_steps_hear_of_their_errors() -> None:
    def steps() -> Any:
        try:
            yield Do(lambda: 1 / 0)
        except ZeroDivisionError:
            return (yield Do(lambda: "told"))

    assert run(steps()) == "told"


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────


def failed(cause: AuthflowError, kind: type[LoginFailed] = LoginFailed) -> LoginFailed:
    error = kind("Internal words, of no use to a human.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (failed(AccessDenied("access_denied"), LoginDenied), 403, "declined at Acme"),
        (LoginTimedOut("x"), 400, "took too long"),
        (LoginCancelled("x"), 400, "ended before it was finished"),
        (CallbackAlreadyUsed("x"), 400, "works once"),
        (CallbackRejected("x", check="binding"), 400, "another browser"),
        (BindingRequired("x"), 400, "another browser"),
        (CallbackRejected("x", check="state"), 400, "No sign-in waits"),
        (SignInRequired("x"), 401, "there is none yet"),
        (StoreError("x"), 503, "its own store"),
        (failed(StoreError("x")), 503, "its own store"),
        (failed(ConnectFailed("x")), 502, "Acme cannot be reached"),
        (failed(ServiceUnavailable("x")), 502, "Acme is not available"),
        (failed(ValidationFailed("x")), 400, "was not accepted"),
        (failed(ConfigurationError("x")), 500, "not set up"),
        (ConfigurationError("x"), 500, "not set up"),
    ],
)
def test_every_way_to_fail_has_its_page_and_its_status(error: AuthflowError, status: int, words: str) -> None:
    answer = explain(error, "Acme", [("Sign in again", "/login/acme")])
    text = answer.body.decode()
    assert answer.status == status
    assert words in text
    assert "Internal words" not in text
    assert '<a href="/login/acme">Sign in again</a>' in text
    assert "frame-ancestors 'none'" in dict(answer.headers)["Content-Security-Policy"]


# ── the API behind the cookie ────────────────────────────────────────────────────────────────────────

TO = "https://api.example.com/v1"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api", TO),
        ("/api/", f"{TO}/"),
        ("/api/users/1", f"{TO}/users/1"),
        ("/api/a%20b", f"{TO}/a%20b"),
        ("/apix/users", None),
        ("/api/../admin", None),
        ("/api/..", None),
        ("/api/a/./b", None),
        ("/api/%2e%2e/admin", None),
        ("/api/a%2fb", None),
        ("/api/a%5cb", None),
        ("/api//evil.test", None),
        ("/api/a\\b", None),
        ("/api/%00", None),
        ("/api@evil.test/", None),
        ("/api/a#b", None),
    ],
)
def test_no_path_leads_out_of_the_api(path: str, expected: str | None) -> None:
    assert Proxy("/api", TO, GITHUB).upstream(path, "") == expected


def test_a_query_goes_along_as_it_came() -> None:
    assert Proxy("/api", TO, GITHUB).upstream("/api/x", "a=%2e%2e&b=//") == f"{TO}/x?a=%2e%2e&b=//"


def test_what_goes_up_has_no_cookie_and_no_other_credentials() -> None:
    sent = [
        ("Cookie", "__Host-owner=x"), ("Authorization", "Basic x"), ("Host", "app.example"), ("X-CSRF", "1"),
        ("Connection", "keep-alive, X-Secret"), ("X-Secret", "1"), ("Transfer-Encoding", "chunked"), ("Te", "trailers"),
        ("X-Forwarded-For", "1.2.3.4"), ("Forwarded", "for=1"), ("Origin", SITE), ("Referer", f"{SITE}/inbox"),
        ("Sec-Fetch-Site", "same-origin"), ("DPoP", "x"), ("Proxy-Authorization", "x"), ("Upgrade", "h2c"),
        ("Accept", "application/json"), ("Idempotency-Key", "7"), ("Content-Type", "text/plain"),
    ]  # fmt: skip
    assert Proxy("/api", TO, GITHUB).headers_up(sent) == sent[-3:]


def test_what_comes_down_sets_no_cookie_and_changes_nothing_of_this_site() -> None:
    given = [
        ("Set-Cookie", "a=b"), ("Clear-Site-Data", '"*"'), ("Strict-Transport-Security", "max-age=1"),
        ("Access-Control-Allow-Origin", "*"), ("WWW-Authenticate", "Basic"), ("Cache-Control", "public"),
        ("Connection", "close"), ("Refresh", "0;url=//x"), ("Service-Worker-Allowed", "/"), ("Alt-Svc", "x"),
        ("Content-Type", "text/html"), ("ETag", '"1"'), ("Location", f"{TO}/users/2"),
    ]  # fmt: skip
    down = Proxy("/api", TO, GITHUB).headers_down(given, "", f"{TO}/users")
    assert down[:3] == [("Content-Type", "text/html"), ("ETag", '"1"'), ("Location", "/api/users/2")]
    assert dict(down[3:]) == {
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


def test_a_header_that_servers_read_as_another_does_not_go_up() -> None:
    hidden = [
        ("X_Forwarded_For", "127.0.0.1"), ("X_Real_IP", "127.0.0.1"), ("Proxy_Authorization", "x"), ("X_CSRF", "1"),
        ("Connection", "X-Secret"), ("X_Secret", "1"), ("X-Original-URL", "/admin"), ("X-Rewrite-URL", "/admin"),
        ("True-Client-IP", "127.0.0.1"), ("CF-Connecting-IP", "127.0.0.1"), ("Remote-User", "root"),
    ]  # fmt: skip
    assert Proxy("/api", TO, GITHUB).headers_up(hidden) == []


def test_of_two_lengths_that_are_told_only_one_goes_up() -> None:
    both = [("Content-Length", "5"), ("Transfer-Encoding", "chunked")]
    assert Proxy("/api", TO, GITHUB).headers_up(both) == []
    assert Proxy("/api", TO, GITHUB).headers_up(both[:1]) == both[:1]


async def test_whoever_reads_slowly_keeps_nobody_elses_request_waiting() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with AsyncExitStack() as stack, httpx.AsyncClient(**client_settings()) as client:
        for _ in range(101):
            await stack.enter_async_context(client.stream("GET", url))
    server.close()
    await server.wait_closed()


def test_an_answer_is_packed_only_for_whoever_asked_for_that() -> None:
    with httpx.Client(**client_settings()) as client:
        assert client.build_request("GET", TO).headers["accept-encoding"] == "identity"
        assert client.build_request("GET", TO, headers=[("Accept-Encoding", "br")]).headers["accept-encoding"] == "br"


@pytest.mark.parametrize(
    ("location", "seen"),
    [
        (TO, "/app/api"),
        (f"{TO}?a=1", "/app/api?a=1"),
        (f"{TO}/users/2#top", "/app/api/users/2#top"),
        ("/v1/users/2", "/app/api/users/2"),
        ("2", "/app/api/users/2"),
        ("?page=2", "/app/api/users/1?page=2"),
        ("/logout", "https://api.example.com/logout"),
        ("../../logout", "https://api.example.com/logout"),
        (f"{TO}/../logout", f"{TO}/../logout"),
        (f"{TO}//evil.test", f"{TO}//evil.test"),
        (f"{TO}evil/", f"{TO}evil/"),
        ("//other.example/", "https://other.example/"),
        ("https://other.example/", "https://other.example/"),
        ("http://[", "http://["),
    ],
)
def test_a_redirect_of_the_api_leads_to_no_page_of_this_site(location: str, seen: str) -> None:
    down = Proxy("/api", TO, GITHUB).headers_down([("location", location)], "/app", f"{TO}/users/1")
    assert down[0] == ("location", seen)


@pytest.mark.parametrize(
    ("prefix", "to"),
    [("api", TO), ("/api/", TO), ("/api", "http://api.example.com"), ("/api", f"{TO}?a=1"), ("/api", "https://other.test")],
)
def test_an_api_that_must_not_have_the_token_is_refused_beforehand(prefix: str, to: str) -> None:
    with pytest.raises(AuthflowError):
        Proxy(prefix, to, GITHUB)


def test_every_request_needs_the_header_that_no_form_and_no_link_can_send() -> None:
    proxy = Proxy("/api", TO, GITHUB)
    for method in ("GET", "POST", "OPTIONS", "HEAD"):
        refused = proxy.judge(Asked(method), SITE)
        assert refused is not None
        assert refused.status == 403
    assert proxy.judge(Asked("GET", headers={"x-csrf": "1"}), SITE) is None
    for headers in ({"sec-fetch-site": "same-site"}, {"origin": "https://evil.test"}):
        assert proxy.judge(Asked("GET", headers={"x-csrf": "1", **headers}), SITE) is not None
    websocket = proxy.judge(Asked("GET", headers={"x-csrf": "1", "upgrade": "websocket"}), SITE)
    assert websocket is not None
    assert websocket.status == 501


# ── access logs ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("logger", "said", "args"),
    [
        ("uvicorn.access", '%s - "%s %s HTTP/%s" %d', ("127.0.0.1:1", "GET", "{}", "1.1", 303)),
        ("werkzeug", '127.0.0.1 - - [now] "%s" %s %s', ("\x1b[32mGET {} HTTP/1.1\x1b[0m", "303", "-")),
        ("django.server", '"%s" %s %s', ("GET {} HTTP/1.1", "303", "0")),
        ("tornado.access", "%d %s %.2fms", (303, "GET {} (127.0.0.1)", 1.0)),
        ("gunicorn.access", '%(h)s "%(r)s" %(s)s', ({"h": "127.0.0.1", "r": "GET {} HTTP/1.1", "s": "303"},)),
        ("hypercorn.access", '%(h)s "%(R)s" %(s)s', ({"h": "127.0.0.1", "R": "GET {} h2", "s": "303"},)),
    ],
)
def test_no_code_of_a_callback_is_written_into_a_log(logger: str, said: str, args: Any) -> None:
    def written(address: str) -> str:
        def put(one: Any) -> Any:
            if isinstance(one, dict):
                return {name: put(value) for name, value in one.items()}
            return one.replace("{}", address) if isinstance(one, str) else one

        record = logging.LogRecord(logger, logging.INFO, "", 0, said, tuple(map(put, args)), None)
        assert logging.getLogger(logger).filter(record)
        return record.getMessage()

    with SessionManager([GITHUB]) as manager:
        for _ in range(2):
            Bridge(manager, base_url=SITE)
    for query in ("code=s3cret&state=x", "state=x&code=s3cret", "response=s3cret", "error=s3cret&state=x"):
        line = written(f"/callback/github?{query}")
        assert "/callback/github" in line
        assert "303" in line
        assert "s3cret" not in line
    assert "/books?page=2&code=red" in written("/books?page=2&code=red")
    assert [one for one in logging.getLogger(logger).filters if one is without_answer] == [without_answer]


# ── events ───────────────────────────────────────────────────────────────────────────────────────────


def test_ten_thousand_readers_come_and_go_and_leave_nothing_behind() -> None:
    with SessionManager([GITHUB]) as manager:
        streams = Streams(manager)
        for number in range(100):  # what is made once is made
            streams.close(streams.open(f"owner{number}", threading.Event().set))
        gc.collect()
        before = sys.getallocatedblocks()
        readers = [streams.open(f"owner{number % 500}", threading.Event().set) for number in range(10_000)]
        signed_in(manager.owner("owner7"), "github", user={"id": 1, "name": "Ada"})
        assert len(streams) == 10_000
        assert sum(b"Ada" in reader.take() for reader in readers) == 20
        for reader in readers:
            streams.close(reader)
        manager.owner("owner7")["github"].logout(end_session=False, revoke=False)
        assert len(streams) == 0
        assert len(manager.on_transition) == 0
        del readers, reader
        gc.collect()
        assert sys.getallocatedblocks() - before < 5_000  # one session was signed in; ten thousand readers are gone


def test_a_reader_that_is_too_slow_is_ended() -> None:
    streams = Streams(SessionManager([GITHUB]))
    woken: list[int] = []
    reader = streams.open("x", lambda: woken.append(1))
    for _ in range(MOST_WAITING):
        reader.put(b"x")
    assert not reader.ended
    reader.put(b"x")
    assert reader.ended
    assert len(reader.take()) == MOST_WAITING
    assert len(woken) == MOST_WAITING + 1
    streams.close(reader)


def test_a_reader_whose_loop_is_gone_harms_nobody() -> None:
    def gone() -> None:
        raise RuntimeError("Event loop is closed")

    with SessionManager([GITHUB]) as manager:
        streams = Streams(manager)
        reader = streams.open("x", gone)
        assert signed_in(manager.owner("x"), "github").live
        assert reader.ended
        streams.close(reader)


def test_ending_all_ends_all() -> None:
    with SessionManager([GITHUB]) as manager:
        streams = Streams(manager)
        one, other = streams.open("one", lambda: None), streams.open("other", lambda: None)
        streams.end("one")
        assert (one.ended, other.ended) == (True, False)
        streams.end()
        assert other.ended


def test_a_stranger_holds_no_connection_and_asks_again_later() -> None:
    with SessionManager([GITHUB]) as manager:
        bridge = Bridge(manager, base_url=SITE)
        for headers in ({}, {"cookie": f"__Host-owner={new_secret()}"}):
            [told] = bridge._stream(Asked("GET", headers=headers))
            assert told.startswith(b"retry: 20000\n\nevent: session\n")
        assert len(bridge.desk.streams) == 0


def test_so_many_pages_of_one_person_listen_and_the_others_ask_again_later() -> None:
    secret = new_secret()
    asked = Asked("GET", headers={"cookie": f"__Host-owner={secret}"})
    with SessionManager([GITHUB]) as manager:
        session = signed_in(manager.owner(owner_of(secret)), "github")
        bridge = Bridge(manager, base_url=SITE)
        streams = [bridge._stream(asked) for _ in range(MOST_READERS)]
        assert all(next(stream).startswith(b"retry: 300\n") for stream in streams)
        [told] = bridge._stream(asked)
        assert told.startswith(b"retry: 20000\n")
        assert b"authenticated" in told
        session.logout(end_session=False)
        for stream in streams:
            assert b"logged_out" in next(stream)
            stream.close()
        assert len(bridge.desk.streams) == 0


async def test_ten_thousand_open_pages_leave_nothing_behind_when_they_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_of, "MOST_READERS", 10_000)
    secret = new_secret()
    asked = Asked("GET", headers={"cookie": f"__Host-owner={secret}"})
    async with AsyncSessionManager([GITHUB]) as manager:
        await signed_in(manager.owner(owner_of(secret)), "github")
        bridge = Bridge(manager, base_url=SITE)

        async def open_and_close(pages: int) -> None:
            streams = [bridge._astream(asked) for _ in range(pages)]
            for stream in streams:
                assert b"authenticated" in await anext(stream)
            assert len(bridge.desk.streams) == pages
            for stream in streams:
                await stream.aclose()

        await open_and_close(100)  # what is made once is made
        gc.collect()
        before = sys.getallocatedblocks()
        await open_and_close(10_000)
        gc.collect()
        assert len(bridge.desk.streams) == 0
        assert len(manager.on_transition) == 0
        assert sys.getallocatedblocks() - before < 5_000
