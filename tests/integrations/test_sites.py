"""What every framework's bridge does, by visits to a real server: the same claims for each, in both colours."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from authflow.stores import SQLiteStore
from authflow.testing import ScriptedBrowser, VirtualClock

from .conftest import Stage, ask
from .sites import Site

PAGE = {"accept": "text/html"}


def owner_cookie(browser: ScriptedBrowser) -> str | None:
    return next((one.value for one in browser._cookies.jar if one.name.endswith("-owner")), None)


def login_at(site: Site, query: str = "", cookies: Mapping[str, str] | None = None) -> httpx.Response:
    """What a browser gets that has `cookies`, and has shown before that it keeps them."""
    port = urlsplit(site.url).port
    cookie = "; ".join(f"{name}={value}" for name, value in {f"dev-{port}-kept": "1", **(cookies or {})}.items())
    return ask(None, "GET", f"{site.url}/login/acme?{query}", headers={"cookie": cookie, **PAGE})


def begun(response: httpx.Response) -> tuple[str, dict[str, str]]:
    """The provider's URL that a login leads to, and the cookies that it set."""
    return response.headers["location"], dict(response.cookies)


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────


def test_a_person_signs_in_and_comes_back_to_the_page_that_wanted_it(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    assert ada.go(f"{site.url}/").text == "nobody"
    page = ada.go(f"{site.url}/me?tab=1")
    assert (page.url, page.status, page.text) == (f"{site.url}/me?tab=1", 200, "Ada Lovelace")
    assert ada.go(f"{site.url}/").text == "Ada Lovelace"


def test_the_page_that_wanted_it_may_have_any_path(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    page = ada.go(f"{site.url}/caf%C3%A9?to=%C3%A4")
    assert (page.url, page.text) == (f"{site.url}/caf%C3%A9?to=%C3%A4", "Ada Lovelace")


def test_a_page_that_was_made_for_somebody_is_kept_for_nobody_else(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    for path in ("/", "/me"):
        told = ask(ada, "GET", f"{site.url}{path}")
        assert told.text == "Ada Lovelace"
        # Others give the bridge no hold of the application's response.
        told_to_caches = stage.framework in ("flask", "quart", "tornado", "django", "django_wsgi")
        assert ("cookie" in told.headers.get("vary", "").lower()) == told_to_caches
    assert "no-store" in ask(ada, "GET", f"{site.url}/session").headers["cache-control"]


def test_a_script_that_is_not_signed_in_gets_401(stage: Stage) -> None:
    site = stage.site()
    assert httpx.get(f"{site.url}/me").status_code == 401


def test_a_sign_in_sets_cookies_that_no_script_reads_and_no_other_site_brings(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    response = login_at(site)
    assert response.status_code == 303
    [cookie] = response.headers.get_list("set-cookie")
    assert "-login-" in cookie.partition("=")[0]
    assert {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    assert response.headers["cache-control"] == "private, no-store"
    ada.go(f"{site.url}/login/acme")
    # The login's own stays for a minute: by it this tab and another that arrives at the same time find each other.
    names = sorted(one.name for one in ada._cookies.jar if one.name.startswith("dev-"))
    assert [name.split("-")[2] for name in names] == ["kept", "login", "owner"]


def test_each_sign_in_renews_the_cookie_and_the_old_one_opens_nothing(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    before = owner_cookie(ada)
    ada.go(f"{site.url}/login/acme")
    after = owner_cookie(ada)
    assert before
    assert after
    assert before != after
    name = next(one.name for one in ada._cookies.jar if one.name.endswith("-owner"))
    assert ask(None, "GET", f"{site.url}/", headers={"cookie": f"{name}={before}"}).text == "nobody"
    assert ask(None, "GET", f"{site.url}/", headers={"cookie": f"{name}={after}"}).text == "Ada Lovelace"


def test_a_planted_cookie_is_nobodys_after_the_sign_in(stage: Stage) -> None:
    """Session fixation: an attacker has put a cookie of theirs into the victim's browser."""
    site, ada, mallory = stage.site(), stage.person(), stage.person("grace")
    mallory.go(f"{site.url}/login/acme")
    planted = owner_cookie(mallory) or ""
    name = next(one.name for one in mallory._cookies.jar if one.name.endswith("-owner"))
    ada._cookies.set(name, planted, "127.0.0.1", "/")
    ada.go(f"{site.url}/login/acme")
    assert owner_cookie(ada) != planted
    assert ada.go(f"{site.url}/").text == "Ada Lovelace"
    assert ask(None, "GET", f"{site.url}/", headers={"cookie": f"{name}={planted}"}).text == "nobody"


def test_two_people_in_two_browsers_never_see_each_others_session(stage: Stage) -> None:
    site, ada, grace = stage.site(), stage.person("ada"), stage.person("grace")
    ada.go(f"{site.url}/login/acme")
    grace.go(f"{site.url}/login/acme")
    assert (ada.go(f"{site.url}/me").text, grace.go(f"{site.url}/me").text) == ("Ada Lovelace", "Grace Hopper")
    ask(grace, "POST", f"{site.url}/logout/acme")
    assert ada.go(f"{site.url}/me").text == "Ada Lovelace"


def test_a003_a_victims_browser_that_finishes_an_attackers_login_gets_nowhere(stage: Stage) -> None:
    site, victim, attacker = stage.site(), stage.person("grace"), stage.person("ada")
    url, cookies = begun(login_at(site))
    finished = attacker.go(url)  # without the cookie of the browser that began
    assert finished.status == 400
    assert victim.go(finished.url).status == 400
    assert owner_cookie(victim) is None
    assert victim.go(f"{site.url}/").text == "nobody"
    # Nothing was used up: the browser that began still can.
    name, value = next(iter(cookies.items()))
    done = ask(None, "GET", finished.url, headers={"cookie": f"{name}={value}"})
    assert done.status_code == 303


def test_a_login_of_a_signed_in_victim_by_an_attackers_link_leaves_the_victim_signed_in(stage: Stage) -> None:
    site, victim, attacker = stage.site(), stage.person("grace"), stage.person("ada")
    victim.go(f"{site.url}/login/acme")
    link = attacker.go(begun(login_at(site))[0]).url
    assert victim.go(link).status == 400
    assert victim.go(f"{site.url}/me").text == "Grace Hopper"


def test_two_tabs_sign_in_at_once_and_both_arrive(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    one = login_at(site, "next=/me")
    other = login_at(site)
    for response in (one, other):
        ada._cookies.update(dict(response.cookies))
    assert ada.go(one.headers["location"]).text == "Ada Lovelace"
    assert ada.go(other.headers["location"]).text == "Ada Lovelace"


def test_a_sixth_tab_takes_the_place_of_the_first(stage: Stage) -> None:
    site = stage.site()
    kept: dict[str, str] = {}
    for _ in range(6):
        response = login_at(site, cookies=kept)
        for line in response.headers.get_list("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            kept[name] = value
            if "Max-Age=0" in line:
                del kept[name]
    assert len(kept) == 5
    # It is not waited for any more: whatever one browser does, the store holds five of its logins.
    assert len(list(site.manager.store.keys("pending/"))) == 5


def test_who_keeps_no_cookies_begins_nothing_and_reads_why(stage: Stage) -> None:
    """A crawler that follows the link leaves nothing in the store, as often as it does."""
    site = stage.site()
    for _ in range(3):
        first = ask(None, "GET", f"{site.url}/login/acme?next=/me", headers=PAGE)
        assert (first.status_code, first.headers["location"]) == (303, "/login/acme?next=%2Fme&cookies=1")
        told = ask(None, "GET", f"{site.url}{first.headers['location']}", headers=PAGE)
        assert (told.status_code, "Signing in needs cookies" in told.text) == (400, True)
        assert "/login/acme?next=%2Fme" in told.text
    asked = httpx.QueryParams({"iss": stage.dev.issuer})
    assert ask(None, "GET", f"{site.url}/initiate-login?{asked}").status_code == 303
    assert list(site.manager.store.keys("pending/")) == []
    assert list(site.manager.store.keys("session/")) == []


def test_the_same_callback_again_is_the_same_outcome(stage: Stage) -> None:
    """A reload, a double click: the browser that began gets the same answer, and there is one exchange."""
    site = stage.site()
    url, cookies = begun(login_at(site))
    link = stage.person().go(url).url
    cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    first, again = (ask(None, "GET", link, headers=cookie) for _ in range(2))
    assert first.status_code == again.status_code == 303
    assert first.cookies == again.cookies
    assert stage.dev.count("token") == 1


def test_who_only_looks_at_a_link_uses_nothing_up(stage: Stage) -> None:
    site = stage.site()
    assert ask(None, "HEAD", f"{site.url}/login/acme").status_code == 503
    for header in ({"sec-purpose": "prefetch"}, {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}):
        assert ask(None, "GET", f"{site.url}/login/acme", headers=header).status_code == 503
    url, cookies = begun(login_at(site))
    link = stage.person().go(url).url
    cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert ask(None, "HEAD", link, headers=cookie).status_code == 200
    assert stage.dev.count("token") == 0
    assert ask(None, "GET", link, headers=cookie).status_code == 303


def test_an_answer_by_a_posted_form_signs_in_too(stage: Stage) -> None:
    site, ada = stage.site(stage.dev.settings("acme", response_mode="form_post")), stage.person()
    assert ada.go(f"{site.url}/login/acme").text == "Ada Lovelace"


def test_an_answer_within_a_signed_token_signs_in_too(stage: Stage) -> None:
    site, ada = stage.site(stage.dev.settings("acme", response_mode="query.jwt")), stage.person()
    ada.go(f"{site.url}/login/acme")
    assert ada.go(f"{site.url}/me").text == "Ada Lovelace"


def test_a_second_provider_keeps_the_first_and_a_sign_out_ends_one(stage: Stage) -> None:
    other = stage.provider("Globex")
    site, ada = stage.site(stage.dev.settings("acme"), other.settings("globex")), stage.person()
    choice = ask(None, "GET", f"{site.url}/login?next=/me", headers=PAGE).text
    assert "/login/acme?next=%2Fme" in choice
    assert "Sign in with Globex" in choice
    ada.go(f"{site.url}/login/acme")
    ada.go(f"{site.url}/login/globex")
    live = {one["provider"]: one["live"] for one in ask(ada, "GET", f"{site.url}/session").json()}
    assert live == {"acme": True, "globex": True}
    ask(ada, "POST", f"{site.url}/logout/acme")
    live = {one["provider"]: one["live"] for one in ask(ada, "GET", f"{site.url}/session").json()}
    assert live == {"acme": False, "globex": True}
    assert ask(ada, "POST", f"{site.url}/logout").status_code == 303
    assert not any(one["live"] for one in ask(ada, "GET", f"{site.url}/session").json())


def test_a_target_cannot_leave_the_site(stage: Stage) -> None:
    site = stage.site()
    for wanted in ("//evil.test", "/\\evil.test", "https://evil.test/", "/login/acme"):
        url, cookies = begun(login_at(site, str(httpx.QueryParams({"next": wanted}))))
        link = stage.person().go(url).url
        cookie = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        assert ask(None, "GET", link, headers=cookie).headers["location"] == "/signed-in"
        assert httpx.get(f"{site.url}/signed-in", params={"next": wanted}).headers["location"] == "/"


# ── when it does not go well ─────────────────────────────────────────────────────────────────────────


def told(page: Any) -> str:
    assert "<main>" in page.text
    assert 400 <= page.status < 504
    assert page.status != 500
    return str(page.text)


def test_whoever_says_no_reads_that_nobody_is_signed_in_and_can_try_again(stage: Stage) -> None:
    site, ada = stage.site(), stage.person(deny=True)
    page = ada.go(f"{site.url}/login/acme")
    assert page.status == 403
    assert "declined at Acme" in told(page)
    assert 'href="/login/acme"' in page.text
    ada.deny = False
    assert ada.go(f"{site.url}/me").text == "Ada Lovelace"


def test_a_denied_second_sign_in_leaves_the_first(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    stage.dev.sign_everybody_out()
    ada.deny = True
    assert ada.go(f"{site.url}/login/acme").status == 403
    assert ask(ada, "GET", f"{site.url}/me").text == "Ada Lovelace"


def test_a_link_that_nobody_waits_for_is_refused_with_a_page(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    page = ada.go(f"{site.url}/callback/acme?state=guessed&code=stolen")
    assert page.status == 400
    assert "does not belong to this browser" in told(page)
    assert "stolen" not in page.text
    assert "guessed" not in page.text
    assert stage.dev.count("token") == 0
    assert ada.go(f"{site.url}/callback/acme").status == 400


def test_a_sign_in_that_took_too_long_says_so(stage: Stage) -> None:
    clock = VirtualClock()
    site = stage.site(manager=stage.manager_kind([stage.dev.settings("acme")], clock=clock))
    url, cookies = begun(login_at(site))
    link = stage.person().go(url).url
    clock.advance(601)
    response = ask(None, "GET", link, headers={"cookie": "; ".join(f"{n}={v}" for n, v in cookies.items())})
    assert response.status_code == 400
    assert "<h1>" in response.text
    assert stage.dev.count("token") == 0


def test_a_provider_that_is_down_is_named_and_the_next_try_succeeds(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    stage.dev.fail_next("metadata", 503)
    page = ada.go(f"{site.url}/login/acme")
    assert page.status == 502
    assert "Acme" in told(page)
    assert ada.go(f"{site.url}/me").text == "Ada Lovelace"


def test_an_exchange_that_fails_is_no_500(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    stage.dev.fail_next("token", 400, {"error": "invalid_grant"})
    page = ada.go(f"{site.url}/login/acme")
    assert page.status == 400
    assert "not accepted" in told(page)
    assert ada.go(f"{site.url}/").text == "nobody"


def test_a_provider_that_does_not_exist_is_404(stage: Stage) -> None:
    site = stage.site()
    for path in ("/login/nobody", "/callback/nobody?state=x&code=y"):
        assert ask(None, "GET", f"{site.url}{path}").status_code == 404
    assert ask(None, "POST", f"{site.url}/logout/nobody").status_code == 404


def test_a_server_that_restarts_in_mid_login_completes_it(stage: Stage, tmp_path: Any) -> None:
    """And so does another worker: what is pending lies in the store."""
    key = bytes(32)

    def manager() -> Any:
        store = SQLiteStore(tmp_path / "sessions.db")
        return stage.manager_kind([stage.dev.settings("acme")], store=store, sealing_key=key)

    one, other = stage.site(manager=manager()), stage.site(manager=manager())
    url, cookies = begun(login_at(one))
    link = stage.person().go(url).url.replace(one.url, other.url)
    # Each site here has a port of its own, and cookies are named by it; workers of one site share both.
    ports = [str(urlsplit(site.url).port) for site in (one, other)]
    named = {name.replace(*ports): value for name, value in cookies.items()}
    done = ask(None, "GET", link, headers={"cookie": "; ".join(f"{n}={v}" for n, v in named.items())})
    assert done.status_code == 303, done.text
    [(name, value)] = [pair for pair in done.cookies.items() if pair[0].endswith("-owner")]
    there = ask(None, "GET", f"{other.url}/me", headers={"cookie": f"{name}={value}"})
    here = ask(None, "GET", f"{one.url}/me", headers={"cookie": f"{name.replace(*reversed(ports))}={value}"})
    assert there.text == here.text == "Ada Lovelace"
    ask(None, "POST", f"{other.url}/logout/acme", headers={"cookie": f"{name}={value}"})
    gone = ask(None, "GET", f"{other.url}/me", headers={"cookie": f"{name}={value}"})
    assert gone.status_code == 401


# ── signing out ──────────────────────────────────────────────────────────────────────────────────────


def test_a_sign_out_ends_the_session_here_and_at_the_provider(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    response = ask(ada, "POST", f"{site.url}/logout/acme")
    assert response.status_code == 303
    assert response.headers["location"].startswith(f"{stage.dev.url}/end_session")
    assert "Max-Age=0" in response.headers["set-cookie"]
    assert ask(ada, "GET", f"{site.url}/me").status_code == 401
    assert stage.dev.count("revoke") > 0
    assert ask(ada, "POST", f"{site.url}/logout/acme").status_code == 303  # a double click


def test_a_link_to_where_browsers_come_back_to_signs_nobody_out(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    for link in ("/signed-out", "/signed-out?state=guessed"):
        assert ada.go(site.url + link).text == "Ada Lovelace"


def test_another_sites_page_signs_nobody_out(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    for header in ({"sec-fetch-site": "same-site"}, {"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}):
        assert ask(ada, "POST", f"{site.url}/logout/acme", headers=header).status_code == 403
    assert ask(ada, "GET", f"{site.url}/logout/acme").status_code == 405
    assert ask(ada, "GET", f"{site.url}/me").text == "Ada Lovelace"
    own = {"origin": site.url}
    assert ask(ada, "POST", f"{site.url}/logout/acme", headers=own).status_code == 303


def test_the_provider_signs_out_by_its_back_channel(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    wrong = httpx.post(f"{site.url}/backchannel-logout", data={"logout_token": "a.b.c"})
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_request")
    right = httpx.post(f"{site.url}/backchannel-logout", data={"logout_token": stage.dev.logout_token("ada")})
    assert (right.status_code, right.headers["cache-control"]) == (200, "private, no-store")
    assert ask(ada, "GET", f"{site.url}/me").status_code == 401


def test_the_provider_signs_out_by_a_page_in_a_frame(stage: Stage) -> None:
    provider = stage.dev.settings("acme")
    site, ada = stage.site(provider), stage.person()
    client = stage.dev.clients["dev-app"]
    client.frontchannel_logout_uri = f"{site.url}/frontchannel-logout"
    ada.go(f"{site.url}/login/acme")
    assert httpx.get(f"{site.url}/frontchannel-logout").status_code == 400
    assert httpx.get(stage.dev.front_channel_logout_url("ada")).status_code == 200
    assert ask(ada, "GET", f"{site.url}/me").status_code == 401


def test_a_portal_asks_for_a_login_and_cannot_send_the_human_elsewhere(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    asked = httpx.QueryParams({"iss": stage.dev.issuer, "target_link_uri": f"{site.url}/me"})
    assert ada.go(f"{site.url}/initiate-login?{asked}").url == f"{site.url}/me"
    elsewhere = httpx.QueryParams({"iss": stage.dev.issuer, "target_link_uri": "https://evil.test/"})
    assert ada.go(f"{site.url}/initiate-login?{elsewhere}").status == 400
    assert ada.go(f"{site.url}/initiate-login?iss=https://evil.test").status == 400


# ── what a page sees ─────────────────────────────────────────────────────────────────────────────────


def events_in(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]


def test_a_page_hears_what_is_now_and_then_what_happens(stage: Stage) -> None:
    site, ada = stage.site(), stage.person()
    ada.go(f"{site.url}/login/acme")
    cookie = {one.name: one.value or "" for one in ada._cookies.jar if one.name.endswith("-owner")}
    heard: list[dict[str, Any]] = []
    with httpx.stream("GET", f"{site.url}/session/events", cookies=cookie, timeout=20) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            heard += events_in(line)
            if len(heard) == 1 and line.startswith("data: "):
                httpx.post(f"{site.url}/backchannel-logout", data={"logout_token": stage.dev.logout_token("ada")})
            if len(heard) == 2:
                break
    assert [(one["state"], one["live"]) for one in heard] == [("authenticated", True), ("logged_out", False)]
    assert heard[0]["user"]["name"] == "Ada Lovelace"
    assert heard[1]["user"] is None


def test_a_page_of_nobody_hears_of_nobody_and_the_connection_ends(stage: Stage) -> None:
    site, ada = stage.site(stream_seconds=0.2), stage.person()
    ada.go(f"{site.url}/login/acme")
    heard = events_in(httpx.get(f"{site.url}/session/events", timeout=20).text)
    assert [(one["state"], one["live"], one["user"]) for one in heard] == [("idle", False, None)]
    assert len(site.auth.desk.streams) == 0


def test_no_answer_holds_a_secret(stage: Stage) -> None:
    """What the provider issued stays on the server: pages, events, headers and cookies are searched for it."""
    site, ada = stage.site(stream_seconds=0.2), stage.person()
    ada.go(f"{site.url}/login/acme")
    paths = ("/", "/me", "/session", "/session/events", "/login/nobody", "/callback/acme?state=x&code=y")
    shown = [ask(ada, "GET", f"{site.url}{path}") for path in paths]
    own = [f"{one.name}={one.value}" for one in ada._cookies.jar if not one.name.startswith("dev_session")]
    text = "".join([one.text + str(one.headers) for one in shown] + own)
    assert len(stage.dev.secrets) > 5
    # Cookies of 127.0.0.1 go to every port of it: the provider has seen this site's own.
    ours = {(one.value or "").removesuffix(".in") for one in ada._cookies.jar}
    assert [secret for secret in stage.dev.secrets - ours if len(secret) > 12 and secret in text] == []
