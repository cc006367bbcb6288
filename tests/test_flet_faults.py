"""What goes wrong with Flet's own authentication (1.0.5), and goes right here. Numbered as in our list of its faults.

The docstring of each test says what an application there would have seen. Rows that are a matter of Flet's page or
server, and so of the adapter, have their tests beside it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

import authflow
from authflow import (
    AsyncSessionManager,
    LoginCancelled,
    LoginDenied,
    LoginFailed,
    LoginTimedOut,
    SessionManager,
    State,
    Token,
)
from authflow.errors import (
    BindingRequired,
    CallbackRejected,
    InsecureURL,
    InvalidCall,
    SealedDataInvalid,
    SignInRequired,
    TemporarilyUnavailable,
)
from authflow.protocol.pkce import code_challenge
from authflow.providers import GitHub, Google, Microsoft, OAuth2, OpenIDConnect
from authflow.stores import FileStore, MemoryStore
from authflow.testing import DevProvider, DevUser, ScriptedBrowser, VirtualClock, fail_next_refresh, signed_in

LAST_ROW = 33
ADAPTER = ("B20", "B26", "B27")  # what Flet's page and server do: tests/integrations/flet

REDIRECT_URI = "https://app.example/callback"
KEY = bytes(range(32))


async def go(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


@pytest.fixture(scope="module")
def served() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada", algorithm="ES256", rotation="strict").serve() as provider:
        yield provider


@pytest.fixture
def dev(served: DevProvider) -> Iterator[DevProvider]:
    served.forget_requests()
    yield served
    served.tamper.clear()
    served._gate._faults.clear()
    served.sign_everybody_out()
    served.auto = "ada"


@pytest.fixture(params=[SessionManager, AsyncSessionManager], ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def manager(colour: Any, dev: DevProvider) -> AsyncIterator[Any]:
    dev.settings("web", redirect_uri=REDIRECT_URI)  # registers it
    made = colour([dev.settings("acme"), dev.settings("globex")], sealing_key=KEY)
    yield made
    await go(made.close())


@pytest.fixture
def browser() -> Iterator[ScriptedBrowser]:
    with ScriptedBrowser(user="ada") as made:
        yield made


def heard(manager: Any, *names: str) -> list[tuple[str, Any]]:
    """(signal, event) for each event of these signals."""
    told: list[tuple[str, Any]] = []
    for name in names:

        def receive(session: Any, event: Any, name: str = name) -> None:
            told.append((name, event))

        getattr(manager, name).connect(receive)
    return told


def names(told: list[tuple[str, Any]]) -> list[str]:
    return [name for name, _ in told]


async def walk(url: str) -> str:
    """Where the provider sends a browser whose user agrees."""
    answer = await asyncio.to_thread(httpx.get, url, trust_env=False, follow_redirects=False)
    return str(answer.headers["location"])


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


# ── signing in ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_program_that_is_no_web_application_signs_in(manager: Any, browser: ScriptedBrowser) -> None:
    """B1: a desktop application saw NotImplementedError."""
    session = await go(manager["acme"].login(open_url=browser))
    assert session.live
    assert urlsplit(query(browser.opened[0])["redirect_uri"]).hostname == "127.0.0.1"


async def test_a_callback_from_another_browser_is_refused(manager: Any) -> None:
    """B2: a victim who was sent an attacker's callback link was signed in to the attacker's account."""
    attacker = await go(manager.owner("attacker")["acme"].begin(redirect_uri=REDIRECT_URI))
    link = await walk(attacker.url)
    victim = await go(manager.owner("victim")["acme"].begin(redirect_uri=REDIRECT_URI))
    with pytest.raises(CallbackRejected) as refused:
        await go(manager.complete(link, binding=victim.binding))
    assert refused.value.check == "binding"
    with pytest.raises(BindingRequired):
        await go(manager.complete(link))
    assert not manager.owner("victim")["acme"].live


async def test_a_failure_without_a_text_is_a_failure(manager: Any, dev: DevProvider, browser: ScriptedBrowser) -> None:
    """B3: an exception with an empty text gave a login event with error="": the application showed the user in."""
    told = heard(manager, "on_login", "on_login_failed")
    dev.fail_next("token", 400, {"error": "invalid_grant", "error_description": ""})
    with pytest.raises(LoginFailed) as failed:
        await go(manager["acme"].login(open_url=browser))
    assert names(told) == ["on_login_failed"]
    assert told[0][1].error.code == "invalid_grant"
    assert told[0][1].error.message
    assert str(failed.value)
    assert not told[0][1].live


async def test_an_opener_that_raises_without_a_text_is_a_failure(manager: Any) -> None:
    """B3: the same for what the application's own function raises."""
    told = heard(manager, "on_login", "on_login_failed")

    def broken(url: str) -> None:
        raise RuntimeError

    with pytest.raises(LoginFailed):
        await go(manager["acme"].login(open_url=broken))
    assert names(told) == ["on_login_failed"]
    assert told[0][1].error.message


@pytest.mark.parametrize("page", [None, "<h1>Welcome to the show</h1>"])
async def test_the_page_in_the_browser_tells_how_it_ended(manager: Any, dev: DevProvider, page: str | None) -> None:
    """B4: a user who pressed "deny" read that authorization was successful, also on the application's own page."""
    dev.auto = None
    with ScriptedBrowser(user="ada", deny=True) as denying:
        with pytest.raises(LoginDenied):
            await go(manager["acme"].login(open_url=denying, complete_page=page))
        shown = (await asyncio.to_thread(denying.result)).text
    assert "Not signed in" in shown
    assert "Welcome" not in shown


async def test_a_provider_that_lies_gets_no_page_of_success(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B4: the page was sent before anybody had looked at what the provider answered."""
    with dev.lie("id_token_claims", lambda claims: {**claims, "aud": "somebody-else"}), pytest.raises(LoginFailed):
        await go(manager["acme"].login(open_url=browser))
    assert "Not signed in" in (await asyncio.to_thread(browser.result)).text


def test_checks_are_no_asserts() -> None:
    """B5: under `python -O` a callback with a wrong state had its code exchanged."""
    sources = Path(authflow.__file__).parent.rglob("*.py")
    nodes = [(path, node) for path in sources for node in ast.walk(ast.parse(path.read_bytes()))]
    assert [path for path, node in nodes if isinstance(node, ast.Assert)] == []


UNDER_O = f"""
from authflow import SessionManager
from authflow.errors import CallbackRejected
from authflow.providers import OAuth2

assert False, "this interpreter keeps asserts"
manager = SessionManager([OAuth2("id", "secret", "https://op.example/a", "https://op.example/t", name="op")],
                         single_user=True)
request = manager["op"].begin(redirect_uri={REDIRECT_URI!r})
try:
    manager.complete({REDIRECT_URI!r} + "?code=EVIL&state=wrong", binding=request.binding)
except CallbackRejected as error:
    print(error.check, manager["op"].state)
manager.close()
"""


def test_a_wrong_state_is_refused_under_python_o_as_well() -> None:
    """B5: the same, in an interpreter without asserts."""
    run = subprocess.run([sys.executable, "-O", "-c", UNDER_O], capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout.strip(), run.stderr) == ("state authorizing", "")


async def test_a_session_is_live_only_while_somebody_is_signed_in(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B6: `page.auth is not None` held while the login was pending, and after it had failed."""
    session = manager["acme"]
    seen: list[bool] = []

    def show(url: str) -> None:
        seen.append(session.live)
        browser(url)

    dev.fail_next("token", 400, {"error": "invalid_grant"})
    with pytest.raises(LoginFailed):
        await go(session.login(open_url=show))
    assert (seen, session.live, session.user, session.state) == ([False], False, None, State.IDLE)
    await go(session.login(open_url=show))
    assert (seen, session.live) == ([False, False], True)
    await go(session.logout(end_session=False))
    assert (session.live, session.user) == (False, None)


async def test_two_providers_are_signed_in_at_the_same_time(manager: Any, browser: ScriptedBrowser) -> None:
    """B7: the second login threw the first one away."""
    await go(manager["acme"].login(open_url=browser))
    with ScriptedBrowser() as second:
        await go(manager["globex"].login(open_url=second))
    tokens = {(await go(manager[name].token())).access_token for name in manager}
    assert (manager["acme"].live, manager["globex"].live, len(tokens)) == (True, True, 2)


async def test_a_failed_login_leaves_the_other_session_alone(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B7: the first one was gone even when the second one failed."""
    await go(manager["acme"].login(open_url=browser))
    dev.fail_next("token", 500)
    with ScriptedBrowser() as second, pytest.raises(LoginFailed):
        await go(manager["globex"].login(open_url=second))
    assert manager["acme"].live


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────────


async def test_five_who_ask_at_once_cost_one_renewal(manager: Any, dev: DevProvider, browser: ScriptedBrowser) -> None:
    """B8: each of five tasks sent the same refresh token; a strict provider then ended the whole login."""
    session = await go(manager["acme"].login(open_url=browser))
    ask = session.refresh
    if inspect.iscoroutinefunction(ask):
        await asyncio.gather(*(ask() for _ in range(5)))
    else:
        hold = dev.hold("token")
        asking = [asyncio.create_task(asyncio.to_thread(ask)) for _ in range(5)]
        await asyncio.to_thread(hold.wait)
        hold.release()
        await asyncio.gather(*asking)
    assert len(dev.token_requests("refresh_token")) == 1
    assert session.live


async def test_a_token_is_renewed_before_it_ends(colour: Any) -> None:
    """B9: a token with one second to live was handed out, and was dead when it arrived at the API."""
    clock = VirtualClock()
    made = colour([GitHub("id", "secret")], clock=clock)
    session = await go(signed_in(made, "github", expires_in=3600.0))
    first = await go(session.token())
    clock.jump(3599.0)
    second = await go(session.token())
    assert second.access_token != first.access_token
    assert second.expires_at > clock.time() + 60
    await go(made.close())


async def test_a_dead_token_without_a_refresh_token_is_never_handed_out(colour: Any) -> None:
    """B9: an application without a refresh token got the expired token, without a word, for ever."""
    clock = VirtualClock()
    made = colour([GitHub("id", "secret")], clock=clock)
    told = heard(made, "on_logout")
    signed_out = threading.Event()
    made.on_logout.connect(lambda session, event: signed_out.set())
    session = await go(signed_in(made, "github", expires_in=60.0, refreshable=False))
    await clock.aadvance(61.0)
    assert await asyncio.to_thread(signed_out.wait, 10)
    with pytest.raises(SignInRequired):
        await go(session.token())
    assert not session.live
    assert [(event.reason, event.recoverable) for _, event in told] == [("expired", True)]
    await go(made.close())


async def test_an_api_that_says_401_gets_a_renewed_token(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B9: a token that the provider had ended early stayed in use until its hour was over."""
    session = await go(manager["acme"].login(open_url=browser))
    dev.fail_next("api", 401)
    if isinstance(manager, AsyncSessionManager):
        async with httpx.AsyncClient(auth=session.auth, trust_env=False) as client:
            answer = await client.get(f"{dev.url}/api/me")
    else:
        with httpx.Client(auth=session.auth, trust_env=False) as client:
            answer = client.get(f"{dev.url}/api/me")
    assert answer.status_code == 200
    assert len(dev.token_requests("refresh_token")) == 1


async def test_a_renewal_is_told_and_what_it_brought_can_be_kept(manager: Any, browser: ScriptedBrowser) -> None:
    """B10: nobody was told of a renewal, so the saved refresh token was an old one: the next start of the program
    tripped the provider's reuse detection."""
    session = manager["acme"]
    saved: list[str] = []
    session.on_login.connect(lambda session, event: saved.append(session.dump()))
    session.on_refresh.connect(lambda session, event: saved.append(session.dump()))
    await go(session.login(open_url=browser))
    await go(session.refresh())
    assert len(saved) == 2
    token = await go(session.token())

    next_start = type(manager)([session.provider], sealing_key=KEY)
    again = next_start["acme"]
    await go(again.restore(saved[-1]))
    assert (await go(again.token())) == token
    await go(again.refresh())
    assert again.live
    await go(next_start.close())


async def test_a_renewal_that_fails_is_told_and_the_caller_gets_a_typed_error(colour: Any) -> None:
    """B10: whoever happened to ask for the token got a bare HTTPStatusError, and nobody else learnt of it."""
    clock = VirtualClock()
    made = colour([GitHub("id", "secret")], clock=clock)
    told, failed = heard(made, "on_refresh", "on_refresh_failed"), threading.Event()
    made.on_refresh_failed.connect(lambda session, event: failed.set(), weak=False)
    session = await go(signed_in(made, "github", expires_in=60.0))
    fail_next_refresh(session)
    clock.jump(61.0)
    with pytest.raises(TemporarilyUnavailable) as unavailable:
        await go(session.token())
    assert unavailable.value.retry_at > clock.time()
    assert session.live
    assert await asyncio.to_thread(failed.wait, 30)  # it may have been the alarm's renewal: told on another thread
    assert names(told) == ["on_refresh_failed"]
    assert told[0][1].error.code == "temporarily_unavailable"
    await go(made.close())


async def test_nothing_that_the_provider_said_is_lost(manager: Any, dev: DevProvider, browser: ScriptedBrowser) -> None:
    """B11: the ID token and every further member (an `openid`, an `instance_url`) were dropped."""
    dev.tamper["token_response"] = lambda answer: {**answer, "instance_url": "https://eu5.example", "openid": "o-1"}
    session = await go(manager["acme"].login(open_url=browser))
    token = await go(session.token())
    assert token.id_token
    assert token.extra == {"instance_url": "https://eu5.example", "openid": "o-1"}
    assert Token.from_json(token.to_json()) == token


def test_a_saved_token_with_members_that_nobody_knows_is_read() -> None:
    """B11: reading it ended in a TypeError."""
    token = Token.from_json('{"access_token": "a", "scope": ["x"], "expires_at": 1.5, "not_before": 7}')
    assert (token.scope, token.expires_at, token.extra) == (("x",), 1.5, {"not_before": 7})


# ── the protocol ─────────────────────────────────────────────────────────────────────────────────────


async def test_every_attempt_has_its_own_pkce_pair_state_and_nonce(manager: Any, dev: DevProvider) -> None:
    """B12: challenge and verifier were the provider object's, so the same for every user and every login."""
    requests = [await go(manager.owner(f"user-{n}")["acme"].begin(redirect_uri=REDIRECT_URI)) for n in range(3)]
    sent = [query(request.url) for request in requests]
    for name in ("state", "nonce", "code_challenge"):
        assert len({one[name] for one in sent}) == 3
    assert {one["code_challenge_method"] for one in sent} == {"S256"}
    await go(manager.complete(await walk(requests[0].url), binding=requests[0].binding))
    verifiers = [secret for secret in dev.secrets if re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", secret)]
    assert any(code_challenge(verifier) == sent[0]["code_challenge"] for verifier in verifiers)


def test_a_pkce_pair_that_is_kept_with_the_provider_is_not_used() -> None:
    """B12: the very arguments that caused it are still taken, and their use is warned of."""
    with pytest.warns(UserWarning, match="new"):
        OAuth2("id", None, "https://op.example/a", "https://op.example/t",
               code_challenge="c" * 43, code_verifier="v" * 43)  # fmt: skip


@pytest.mark.parametrize(
    ("what", "lie", "check"),
    [
        ("callback_params", lambda params: {**params, "iss": "https://evil.example"}, "iss"),
        ("id_token_claims", lambda claims: {**claims, "nonce": "of another login"}, "nonce"),
        ("id_token_claims", lambda claims: {**claims, "iss": "https://evil.example"}, "iss"),
    ],
)
async def test_an_answer_for_another_login_is_refused(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser, what: str, lie: Any, check: str
) -> None:
    """B12: neither issuer nor nonce was looked at."""
    with dev.lie(what, lie), pytest.raises(LoginFailed) as refused:
        await go(manager["acme"].login(open_url=browser))
    assert refused.value.check == check


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_from_the_token_endpoint_is_not_followed(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser, status: int
) -> None:
    """B13: a 307 carried client secret, code and verifier to another host."""
    with DevProvider(label="Evil").serve() as evil:
        dev.fail_next("token", status, None, {"location": f"{evil.url}/token"})
        with pytest.raises(LoginFailed) as failed:
            await go(manager["acme"].login(open_url=browser))
        assert evil.requests == []
    assert failed.value.code == "redirect_refused"


async def test_what_the_provider_says_is_wrong_reaches_the_application(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B14: the application saw "Client error '400 Bad Request' for url …"."""
    dev.fail_next("token", 400, {"error": "invalid_grant", "error_description": "The code has expired."})
    with pytest.raises(LoginFailed) as failed:
        await go(manager["acme"].login(open_url=browser))
    assert (failed.value.error, failed.value.error_description) == ("invalid_grant", "The code has expired.")
    assert "The code has expired." in str(failed.value)


async def test_a_call_has_the_deadline_that_the_provider_was_given(colour: Any, dev: DevProvider) -> None:
    """B15: five seconds for each read, always; a provider that dripped its answer held the program for minutes."""
    made = colour([dev.settings("acme", timeout=0.3)])
    with dev.hold("token"), ScriptedBrowser() as browser, pytest.raises(LoginFailed) as failed:
        await go(made["acme"].login(open_url=browser))
    assert failed.value.code == "deadline_exceeded"
    assert failed.value.recovery == "wait_online"
    await go(made.close())


async def test_the_applications_own_client_is_used(colour: Any, dev: DevProvider) -> None:
    """B15: a client certificate, a proxy, a private authority: there was no way to say so."""
    asked: list[str] = []

    def note(request: httpx.Request) -> None:
        asked.append(request.url.path)

    async def note_later(request: httpx.Request) -> None:
        note(request)

    if colour is AsyncSessionManager:
        client: Any = httpx.AsyncClient(trust_env=False, event_hooks={"request": [note_later]})
    else:
        client = httpx.Client(trust_env=False, event_hooks={"request": [note]})
    made = colour([dev.settings("acme")], http=client)
    with ScriptedBrowser() as browser:
        await go(made["acme"].login(open_url=browser))
    assert {"/token", "/userinfo"} <= set(asked)
    await go(made.close())
    assert not client.is_closed
    await go(client.aclose() if colour is AsyncSessionManager else client.close())


@pytest.mark.parametrize("way", ["client_secret_basic", "client_secret_post", "none"])
async def test_the_client_authenticates_as_the_provider_wants_it(colour: Any, dev: DevProvider, way: Any) -> None:
    """B16: only `client_secret_post` was spoken, and JSON was not asked for."""
    seen: list[httpx.Request] = []

    class Wire(httpx.MockTransport):
        pass

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"access_token": "an-access-token", "token_type": "Bearer"})

    secret = None if way == "none" else "the-client-secret"
    odd = OAuth2("the-id", secret, "https://op.example/a", "https://op.example/t", name="odd", client_auth=way)
    made = colour([odd], http=Wire(answer), single_user=True)
    request = await go(made["odd"].begin(redirect_uri=REDIRECT_URI))
    await go(made.complete(f"{REDIRECT_URI}?code=a-code&state={request.state}", binding=request.binding))
    form = parse_qs(seen[0].content.decode())
    assert seen[0].headers["accept"] == "application/json"
    assert ("client_secret" in form) == (way == "client_secret_post")
    assert seen[0].headers.get("authorization", "").startswith("Basic ") == (way == "client_secret_basic")
    assert "code_verifier" in form
    await go(made.close())


async def test_lists_of_scopes_stay_as_the_application_wrote_them(manager: Any) -> None:
    """B17: the caller's list grew by the provider's scopes, at each login again."""
    mine, theirs = ["extra"], ["email"]
    provider = OAuth2("id", "secret", "https://op.example/a", "https://op.example/t", scopes=theirs, user_scopes=theirs)
    request = await go(manager.owner("somebody")["acme"].begin(redirect_uri=REDIRECT_URI, scope=mine))
    assert (mine, theirs) == (["extra"], ["email"])
    assert provider.requested_scopes(mine) == ("email", "extra")
    assert query(request.url)["scope"].split() == ["openid", "profile", "email", "extra"]


# ── the user ─────────────────────────────────────────────────────────────────────────────────────────


async def test_asking_for_groups_asks_for_the_user_whose_groups_they_are(
    manager: Any, browser: ScriptedBrowser
) -> None:
    """B18: with `fetch_user=False`, `fetch_groups=True` was silently nothing."""
    session = await go(manager["acme"].login(open_url=browser, fetch_user=False, fetch_groups=True))
    assert [group.name for group in session.user.groups] == ["engineers", "admins"]


async def test_a_profile_that_cannot_be_had_does_not_end_the_login(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B19: the tokens had been issued, and the login failed all the same."""
    dev.fail_next("userinfo", 503)
    session = await go(manager["acme"].login(open_url=browser))
    assert session.live
    assert session.user.id == session.claims["sub"]
    assert session.error is not None


async def test_groups_that_cannot_be_had_do_not_end_the_login(colour: Any) -> None:
    """B19: the same for groups; that some are missing is told."""
    with DevProvider(style="github", auto="ada").serve() as hub, ScriptedBrowser() as browser:
        hub.fail_next("teams", 503)
        made = colour([hub.settings("hub")])
        session = await go(made["hub"].login(open_url=browser, fetch_groups=True))
        assert session.live
        assert session.user.name == "Ada Lovelace"
        assert (session.user.groups, session.user.groups_complete) == ((), False)
        await go(made.close())


async def test_all_pages_of_a_users_teams_are_read(colour: Any) -> None:
    """B30: a member of forty teams was a member of thirty."""
    busy = DevUser("busy", groups=[f"team-{number}" for number in range(130)])
    with DevProvider(style="github", users=[busy], auto="busy").serve() as hub, ScriptedBrowser() as browser:
        made = colour([hub.settings("hub")])
        session = await go(made["hub"].login(open_url=browser, fetch_groups=True))
        assert len(session.user.groups) == 130
        assert session.user.groups_complete
        await go(made.close())


async def test_a_list_of_addresses_without_a_primary_one_is_no_error(colour: Any) -> None:
    """B30: a KeyError ended the login."""
    with DevProvider(style="github", auto="ada").serve() as hub, ScriptedBrowser() as browser:
        hub.tamper["emails"] = lambda emails: [{"email": one["email"]} for one in emails]
        made = colour([hub.settings("hub")])
        session = await go(made["hub"].login(open_url=browser))
        assert session.live
        assert session.user.email is None
        await go(made.close())


# ── signing out ──────────────────────────────────────────────────────────────────────────────────────


async def test_signing_out_ends_the_tokens_at_the_provider_and_here(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B21: nothing was revoked and nothing deleted: the "logged out" tokens worked on."""
    session = await go(manager["acme"].login(open_url=browser))
    token = await go(session.token())
    result = await go(session.logout())
    assert result.revoked == {"refresh_token": True, "access_token": True}
    assert not dev.accepts(token.access_token)
    assert not dev.accepts(token.refresh_token)
    assert query(result.end_session_url)["id_token_hint"] == token.id_token
    stored = manager.store.load("session//acme/")
    assert token.access_token.encode() not in (b"" if stored is None else stored[0])


async def test_signing_out_while_the_code_is_exchanged_leaves_no_login_behind(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B21: the exchange went on, and signed the user in after they had signed out."""
    told = heard(manager, "on_login", "on_login_failed")
    session = manager["acme"]
    hold = dev.hold("token", after=True)
    if isinstance(manager, AsyncSessionManager):
        login = asyncio.create_task(session.login(open_url=browser))
    else:
        login = asyncio.create_task(asyncio.to_thread(session.login, open_url=browser))
    await asyncio.to_thread(hold.wait)
    result = await go(session.logout())
    hold.release()
    with pytest.raises(LoginCancelled):
        await login
    assert (result.cancelled_login, session.state, names(told)) == (True, State.IDLE, ["on_login_failed"])


async def test_signing_out_from_another_thread_signs_out(dev: DevProvider, browser: ScriptedBrowser) -> None:
    """B21: it cleared the login, then raised "no running event loop", and no handler was called."""
    with SessionManager([dev.settings("acme")]) as manager:
        told = heard(manager, "on_logout")
        session = manager.login("acme", open_url=browser)
        thread = threading.Thread(target=session.logout, kwargs={"end_session": False})
        thread.start()
        await asyncio.to_thread(thread.join)
        assert names(told) == ["on_logout"]
        assert not session.live


async def test_a_logout_says_why(manager: Any, browser: ScriptedBrowser) -> None:
    """B21: the event had no reason: "bye" and "please sign in again" looked the same."""
    told = heard(manager, "on_logout")
    await go(manager["acme"].login(open_url=browser))
    await go(manager["acme"].logout(end_session=False))
    assert [(event.reason, event.recoverable) for _, event in told] == [("user", False)]


# ── logs, waiting logins, several processes ──────────────────────────────────────────────────────────


async def test_neither_state_nor_code_is_logged(
    manager: Any, browser: ScriptedBrowser, caplog: pytest.LogCaptureFixture
) -> None:
    """B22: both stood in the log at INFO, and tokens at DEBUG."""
    with caplog.at_level(logging.DEBUG):
        session = await go(manager["acme"].login(open_url=browser))
        token = await go(session.token())
    page = await asyncio.to_thread(browser.result)
    secrets = [query(page.url)["state"], query(page.url)["code"], token.access_token, token.refresh_token]
    others = ("authflow-scripted-browser", "authflow-dev-provider")  # the browser's and the provider's own threads
    said = " ".join(record.getMessage() for record in caplog.records if record.threadName not in others)
    assert said
    assert [secret for secret in secrets if secret in said] == []


async def test_a_login_that_is_over_is_refused_at_the_callback_itself(colour: Any, dev: DevProvider) -> None:
    """B23: a state was good for as long as no sweeper had come by, and without its lifespan event none ever came."""
    dev.settings("web", redirect_uri=REDIRECT_URI)
    clock = VirtualClock(time.time())
    made = colour([dev.settings("acme")], clock=clock, single_user=True)
    request = await go(made["acme"].begin(redirect_uri=REDIRECT_URI, timeout=300.0))
    link = await walk(request.url)
    clock.jump(301.0)
    with pytest.raises((LoginTimedOut, CallbackRejected)):
        await go(made.complete(link, binding=request.binding))
    assert dev.count("token") == 0
    assert made["acme"].state is State.IDLE
    await go(made.close())


@pytest.mark.parametrize("kind", ["memory", "files"])
async def test_a_login_begun_in_one_process_is_completed_in_another(
    colour: Any, dev: DevProvider, tmp_path: Path, kind: str
) -> None:
    """B24: with two workers, or after a restart, every second login ended in "Invalid state"."""
    dev.settings("web", redirect_uri=REDIRECT_URI)

    shared = MemoryStore()
    folders: list[FileStore] = []

    def process() -> Any:
        if kind == "memory":
            return colour([dev.settings("acme")], store=shared, single_user=True)
        folders.append(FileStore(tmp_path))
        return colour([dev.settings("acme")], store=folders[-1], single_user=True, sealing_key=KEY)

    first, second = process(), process()
    request = await go(first["acme"].begin(redirect_uri=REDIRECT_URI))
    done = await go(second.complete(await walk(request.url), binding=request.binding))
    assert done.session is second["acme"]
    assert done.session.live
    await go(second.close())
    third = process()
    assert third["acme"].user.name == "Ada Lovelace"
    await go(first.close())
    await go(third.close())
    for folder in folders:
        folder.close()


async def test_a_binding_is_good_for_one_login_and_is_kept_nowhere(manager: Any, dev: DevProvider) -> None:
    """B25: the cookie's value was the state itself, without Secure, and could be used again for five minutes."""
    owner = manager.owner("somebody")
    first = await go(owner["acme"].begin(redirect_uri=REDIRECT_URI))
    await go(manager.complete(await walk(first.url), binding=first.binding))
    await go(owner["acme"].logout(end_session=False))
    second = await go(owner["acme"].begin(redirect_uri=REDIRECT_URI))
    with pytest.raises(CallbackRejected):
        await go(manager.complete(await walk(second.url), binding=first.binding))
    kept = b"".join(manager.store.load(key)[0] for key in manager.store.keys(""))
    assert first.binding not in first.url
    assert [one for one in (first.binding, second.binding, second.state) if one.encode() in kept] == []


async def test_a_saved_session_is_sealed_for_one_provider_and_the_whole_key_counts(
    manager: Any, browser: ScriptedBrowser
) -> None:
    """B28: half of the key's bits were used, nothing tied a text to its use, and nothing said how it was made."""
    session = await go(manager["acme"].login(open_url=browser))
    sealed = session.dump()
    with pytest.raises(SealedDataInvalid):
        await go(manager["globex"].restore(sealed))
    for at in (0, 31):
        almost = bytes(byte ^ (1 if place == at else 0) for place, byte in enumerate(KEY))
        other = type(manager)([session.provider], sealing_key=almost)
        with pytest.raises(SealedDataInvalid):
            await go(other["acme"].restore(sealed))
        await go(other.close())
    assert sealed.startswith("af1.")  # the format's version


# ── where it runs ────────────────────────────────────────────────────────────────────────────────────


async def test_a_provider_on_this_machine_may_speak_http_when_the_application_says_so(
    manager: Any, dev: DevProvider, browser: ScriptedBrowser
) -> None:
    """B29: http://127.0.0.1 was refused unless an environment variable switched the check off for everything."""
    assert dev.url.startswith("http://127.0.0.1:")
    assert (await go(manager["acme"].login(open_url=browser))).live
    with pytest.raises(InsecureURL):
        OpenIDConnect(dev.url, "id")


@pytest.mark.parametrize("endpoint", ["authorization_endpoint", "token_endpoint"])
def test_no_endpoint_elsewhere_may_speak_http(endpoint: str) -> None:
    """B29: the token endpoint, where the secrets go, was not checked at all."""
    endpoints = {"authorization_endpoint": "https://op.example/a", "token_endpoint": "https://op.example/t"}
    with pytest.raises(InsecureURL):
        OAuth2("id", "secret", **{**endpoints, endpoint: "http://op.example/x"})
    with pytest.raises(InsecureURL):
        OAuth2("id", "secret", allow_insecure_loopback=True, **{**endpoints, endpoint: "http://op.example/x"})


async def test_a_browser_that_never_opened_does_not_hold_the_program(colour: Any, dev: DevProvider) -> None:
    """B31: a blocked popup left the login pending for ever; there was no deadline and no cancel."""
    clock = VirtualClock()
    made = colour([dev.settings("acme")], clock=clock)
    opened = threading.Event()

    def blocked(url: str) -> None:
        opened.set()

    def login() -> asyncio.Task[Any]:
        opened.clear()
        if isinstance(made, AsyncSessionManager):
            return asyncio.create_task(made["acme"].login(open_url=blocked, timeout=300.0))
        return asyncio.create_task(asyncio.to_thread(made["acme"].login, open_url=blocked, timeout=300.0))

    waiting = login()
    await asyncio.to_thread(opened.wait, 10)
    await clock.aadvance(301.0)
    with pytest.raises(LoginTimedOut):
        await asyncio.wait_for(waiting, 10)

    waiting = login()
    await asyncio.to_thread(opened.wait, 10)
    assert await go(made["acme"].cancel()) is True
    with pytest.raises(LoginCancelled):
        await asyncio.wait_for(waiting, 10)
    await go(made.close())


async def test_an_opener_that_says_no_ends_the_login_at_once(manager: Any) -> None:
    """B31: what the opener answered was not looked at."""
    with pytest.raises(LoginFailed) as failed:
        await go(manager["acme"].login(open_url=lambda url: False))
    assert failed.value.code == "browser_unavailable"
    assert manager["acme"].state is State.IDLE


async def test_the_page_in_the_browser_needs_no_window_that_opened_it(manager: Any, browser: ScriptedBrowser) -> None:
    """B32: the popup's opener is cut off by the framework's own headers; what relied on it did not work."""
    await go(manager["acme"].login(open_url=browser))
    text = (await asyncio.to_thread(browser.result)).text
    assert "opener" not in text
    assert "postMessage" not in text


async def test_what_is_saved_is_sealed_unless_the_application_insists(manager: Any, browser: ScriptedBrowser) -> None:
    """B33: the documentation's own example put the token in clear into the browser's local storage."""
    session = await go(manager["acme"].login(open_url=browser))
    token = await go(session.token())
    sealed = session.dump()
    for secret in (token.access_token, token.refresh_token, token.id_token):
        assert secret not in sealed
        assert secret not in repr(token)
        assert secret in session.dump_plaintext()
    without_a_key = type(manager)([session.provider])
    await go(without_a_key["acme"].restore(session.dump_plaintext()))
    with pytest.raises(Exception, match="sealing_key"):
        without_a_key["acme"].dump()
    await go(without_a_key.close())


async def test_the_presets_ask_for_what_a_lasting_login_needs() -> None:
    """B9, B18: Google and Azure never gave a refresh token, and no preset but GitHub's had groups."""
    assert Google("id", "secret").authorization_params["access_type"] == "offline"
    assert "offline_access" in Microsoft("id").scopes
    assert Microsoft("id").groups_claim == "groups"


async def test_a_sync_opener_is_as_good_as_an_async_one(dev: DevProvider, browser: ScriptedBrowser) -> None:
    """B31: a plain function as opener ended in "NoneType can't be used in 'await' expression"."""

    async def later(url: str) -> None:
        browser(url)

    async with AsyncSessionManager([dev.settings("acme")]) as manager:
        await manager["acme"].login(open_url=browser)
        await manager["acme"].logout(end_session=False)
        await manager["acme"].login(open_url=later)
        assert manager["acme"].live


async def test_a_saved_token_that_cannot_be_used_is_an_error_of_the_login(manager: Any) -> None:
    """B10: what `saved_token` raised was whatever some parser had raised."""
    with pytest.raises(InvalidCall, match="saved token"):
        await go(manager["acme"].login(saved_token="no json"))
    assert manager["acme"].state is State.IDLE


# ── nothing is left out ──────────────────────────────────────────────────────────────────────────────


def rows_of(function: Any) -> set[str]:
    """The rows that a test is about: what stands before the colon of its docstring."""
    head, colon, _ = (inspect.getdoc(function) or "").partition(":")
    return set(re.findall(r"\bB\d+\b", head)) if colon else set()


def test_every_row_has_a_test_or_a_reason() -> None:
    tests = [thing for name, thing in globals().items() if name.startswith("test_")]
    tested = set().union(*(rows_of(test) for test in tests))
    assert tested | set(ADAPTER) == {f"B{row}" for row in range(1, LAST_ROW + 1)}
    beside = (Path(__file__).parent / "integrations" / "flet").glob("test_*.py")
    told = "".join(path.read_text(encoding="utf-8") for path in beside)
    assert [row for row in ADAPTER if f'"""{row}: ' not in told] == []


def test_every_test_here_says_what_an_application_saw() -> None:
    tests = [thing for name, thing in globals().items() if name.startswith("test_") and inspect.isfunction(thing)]
    silent = [test.__name__ for test in tests if not rows_of(test)]
    assert silent == ["test_every_row_has_a_test_or_a_reason", "test_every_test_here_says_what_an_application_saw"]
