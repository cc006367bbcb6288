"""No secret gets out: not by logs, events, errors, reprs, pickles, pages, warnings or names of threads.

Each test acts out one story on a stage whose canary hears everything. The question is asked when the stage is
cleared (`conftest.py`), so most of these have no assertion about secrets in them.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from authflow import LoginDenied, LoginFailed, State
from authflow.errors import (
    BindingRequired,
    CallbackAlreadyUsed,
    CallbackRejected,
    ConfigurationError,
    InvalidCall,
    OriginNotAllowed,
    SealedDataInvalid,
    SignInRequired,
    StoreError,
)
from authflow.protocol.step import LIMITS, Limits
from authflow.providers import OAuth2
from authflow.records import Pending, Token
from authflow.testing import DevProvider

from .canary import Canary, texts_of
from .conftest import KEY, REDIRECT_URI, Stage, go

SECRET = "s3cr3t-of-a-kind/with+odd=characters"


# ── the canary itself sings ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        SECRET[7:19],
        quote(SECRET, safe=""),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"a user:" + SECRET.encode()).decode(),
        base64.b64encode(b"some user:" + SECRET.encode()).decode(),
        SECRET.encode().hex(),
        json.dumps({"access_token": SECRET}),
    ],
)
def test_the_canary_finds_a_secret_in_every_form(form: str) -> None:
    canary = Canary()
    canary.note(SECRET)
    canary.hear("a log", f"before {form} after")
    assert len(canary.leaks()) == 1


def test_the_canary_is_silent_about_what_is_no_secret() -> None:
    canary = Canary()
    canary.note(SECRET)
    canary.hear("a log", "with odd characters, " + SECRET[:11])
    assert canary.leaks() == []


@pytest.mark.parametrize("way", ["cause", "context", "attribute", "argument", "note", "inside"])
def test_the_canary_finds_what_an_error_carries(way: str) -> None:
    carrier = ValueError("nothing")
    error: Exception = LoginFailed("nothing")
    if way == "argument":
        carrier.args = ({"deep": [SECRET]},)
        error.__cause__ = carrier
    elif way == "attribute":
        error.answer = SECRET.encode()  # type: ignore[attr-defined]
    elif way == "note":
        error.add_note(SECRET)
    elif way == "inside":
        error.__context__ = UnicodeDecodeError("utf-8", SECRET.encode() + b"\xff", 36, 37, "bad")
    else:
        setattr(error, f"__{way}__", ValueError(SECRET))
    canary = Canary()
    canary.note(SECRET)
    canary.error(error)
    assert canary.leaks()


def test_the_canary_finds_a_request_behind_an_error() -> None:
    held: list[str] = []
    error = ValueError("nothing")
    error.__context__ = httpx.ConnectError("nothing", request=httpx.Request("POST", "https://op.example/token"))
    list(texts_of(error, "error", held))
    assert held == ["error.__context__._request (httpx.Request)"]


def test_the_canary_hears_logs(caplog: pytest.LogCaptureFixture) -> None:
    canary = Canary()
    canary.note(SECRET)
    with canary.logs():
        logging.getLogger("authflow.anything").debug("here: %s", SECRET)
    assert len(canary.leaks()) == 2


# ── what goes well ───────────────────────────────────────────────────────────────────────────────────


async def test_a043_a_whole_life_of_a_session(stage: Stage) -> None:
    session = await stage.sign_in(fetch_groups=True)
    stage.canary.show("the token", await go(session.token()))
    await go(session.refresh())
    await go(session.token(min_ttl=10))
    await go(session.step_up(open_url=stage.browser(), prompt="login"))
    stage.canary.hear("the dump's name", type(session.dump()).__name__)
    result = await go(session.logout())
    stage.canary.show("the result", result)
    stage.canary.show("the errors", result.errors)
    await stage.fails(session.token, SignInRequired)
    await go(session.forget())
    for signal in ("on_login", "on_refresh", "on_logout", "on_live_changed", "on_transition"):
        assert stage.canary.heard(f"event of {signal}")
    assert stage.canary.heard("log of httpcore")
    assert len(stage.canary.secrets) > 10


async def test_a124_a_web_login(stage: Stage) -> None:
    url, binding = await stage.callback(app_data={"next": "/inbox"})
    completion = await go(stage.manager.complete(url, binding=binding))
    stage.canary.show("the completion", completion)
    stage.canary.event("the completion", completion.event)
    again = await go(stage.manager.complete(url, binding=binding))
    stage.canary.event("the completion again", again.event)
    assert completion.session.live


async def test_the_page_that_the_human_sees(stage: Stage) -> None:
    browser = stage.browser()
    await go(stage.session.login(open_url=browser))
    stage.canary.hear("page", (await asyncio.to_thread(browser.result)).text)


async def test_a_session_that_comes_back_from_the_store(stage: Stage) -> None:
    await stage.sign_in()
    other = stage.make([stage.settings("acme")], store=stage.store)
    for report in await go(other.restore()):
        stage.canary.show("the report", report)
    assert other["acme"].live
    stage.canary.manager(other)


async def test_a_saved_session(stage: Stage) -> None:
    await stage.sign_in()
    sealed, plain = stage.session.dump(), stage.session.dump_plaintext()
    for saved in (sealed, plain, Token.from_json(plain)):
        other = stage.make([stage.settings("acme")])
        await go(other["acme"].restore(saved))
        assert other["acme"].live
        stage.canary.manager(other)


async def test_the_auth_of_a_session(stage: Stage) -> None:
    session = await stage.sign_in()
    stage.canary.show("auth", session.auth)
    stage.dev.fail_next("api", 401)
    if stage.is_async:
        async with httpx.AsyncClient(auth=session.auth, trust_env=False) as client:
            assert (await client.get(f"{stage.dev.url}/api/me")).status_code == 200
            await stage.fails(lambda: client.get("https://elsewhere.example/"), OriginNotAllowed)
    else:
        with httpx.Client(auth=session.auth, trust_env=False) as client:
            assert client.get(f"{stage.dev.url}/api/me").status_code == 200
            await stage.fails(lambda: client.get("https://elsewhere.example/"), OriginNotAllowed)


async def test_a_session_that_the_clock_renews(stage: Stage) -> None:
    await stage.sign_in()
    stage.manager.keep_fresh()
    stage.canary.manager(stage.manager)


# ── what goes wrong in the browser ───────────────────────────────────────────────────────────────────


async def test_a_denied_login(stage: Stage) -> None:
    stage.dev.auto = None
    browser = stage.browser(deny=True)
    error = await stage.fails(lambda: stage.session.login(open_url=browser), LoginDenied)
    assert error.__cause__ is not None
    stage.canary.hear("page", (await asyncio.to_thread(browser.result)).text)


async def test_a_denial_that_repeats_the_state(stage: Stage) -> None:
    def parrot(params: dict[str, str]) -> dict[str, str]:
        state = params["state"]
        return {"state": state, "iss": params["iss"], "error": "access_denied", "error_description": f"not for {state}"}

    stage.dev.tamper["callback_params"] = parrot
    browser = stage.browser()
    await stage.fails(lambda: stage.session.login(open_url=browser), LoginDenied)
    stage.canary.hear("page", (await asyncio.to_thread(browser.result)).text)


@pytest.mark.parametrize("lie", ["iss", "doubled", "code and error", "no code"])
async def test_a_callback_that_lies(stage: Stage, lie: str) -> None:
    stage.dev.tamper["callback_params"] = {
        "iss": lambda params: {**params, "iss": "https://evil.example"},
        "doubled": lambda params: [*params.items(), ("code", params["code"])],
        "code and error": lambda params: {**params, "error": params["code"], "error_description": params["code"]},
        "no code": lambda params: {name: value for name, value in params.items() if name != "code"},
    }[lie]
    browser = stage.browser()
    await stage.fails(lambda: stage.session.login(open_url=browser), LoginFailed)
    stage.canary.hear("page", (await asyncio.to_thread(browser.result)).text)


async def test_callbacks_that_belong_to_nobody(stage: Stage) -> None:
    url, binding = await stage.callback()
    other = url.replace("state=", "state=x")
    await stage.fails(lambda: stage.manager.complete(url), BindingRequired)
    await stage.fails(lambda: stage.manager.complete(url, binding="b" * 43), CallbackRejected)
    await stage.fails(lambda: stage.manager.complete(other, binding=binding), CallbackRejected)
    await stage.fails(lambda: stage.manager.complete(url[: url.index("?")], binding=binding), CallbackRejected)
    await stage.fails(lambda: stage.manager.complete(f"{url}&state=2", binding=binding), CallbackRejected)
    await stage.fails(lambda: stage.manager.complete({"code": "c" * 43}, binding=binding), CallbackRejected)
    await stage.fails(lambda: stage.manager["globex"].complete(url, binding=binding), CallbackRejected)
    await go(stage.manager.complete(url, binding=binding))
    stage.canary.manager(stage.manager)


async def test_an_opener_that_raises_with_the_url_in_its_text(stage: Stage) -> None:
    def broken(url: str) -> None:
        stage.canary.note(*parse_qs(urlsplit(url).query)["state"])
        raise OSError(f"cannot open {url}")

    error = await stage.fails(lambda: stage.session.login(open_url=broken), LoginFailed)
    assert "OSError" in str(error)


async def test_an_awaited_opener_that_raises_with_the_url_in_its_text(stage: Stage) -> None:
    if not stage.is_async:
        return  # a coroutine function is refused there, with a test of its own

    async def broken(url: str) -> None:
        stage.canary.note(*parse_qs(urlsplit(url).query)["state"])
        raise OSError(f"cannot open {url}")

    error = await stage.fails(lambda: stage.session.login(open_url=broken), LoginFailed)
    assert "OSError" in str(error)


# ── what goes wrong at the provider ──────────────────────────────────────────────────────────────────

LIES: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "another nonce": ("id_token_claims", lambda claims: {**claims, "nonce": claims["nonce"][::-1]}),
    "another at_hash": ("id_token_claims", lambda claims: {**claims, "at_hash": "A" * 22}),
    "another issuer": ("id_token_claims", lambda claims: {**claims, "iss": "https://evil.example"}),
    "another audience": ("id_token_claims", lambda claims: {**claims, "aud": "somebody-else"}),
    "an old ID token": ("id_token_claims", lambda claims: {**claims, "exp": 1, "iat": 1}),
    "an unknown key": ("id_token_header", lambda header: {**header, "kid": "nobody's"}),
    "no algorithm": ("id_token_header", lambda header: {**header, "alg": "none"}),
    "a cut ID token": ("id_token", lambda token: token[:-8]),
    "an ID token that is none": ("id_token", lambda token: token.replace(".", "")),
    "an ID token with a broken payload": ("id_token", lambda token: token.replace(".", "._", 1)),
    "no ID token": ("token_response", lambda answer: {k: v for k, v in answer.items() if k != "id_token"}),
    "an access token that is a list": ("token_response", lambda answer: {**answer, "access_token": [*answer.values()]}),
    "a lifetime that is the token": ("token_response", lambda answer: {**answer, "expires_in": answer["access_token"]}),
    "a type that is the token": ("token_response", lambda answer: {**answer, "token_type": answer["refresh_token"]}),
    "a scope that is an object": ("token_response", lambda answer: {**answer, "scope": dict(answer)}),
    "a line break": ("token_response", lambda answer: {**answer, "access_token": answer["access_token"] + "\n"}),
    "an error beside tokens": ("token_response", lambda answer: {**answer, "error": "server_error"}),
    "another subject": ("userinfo", lambda claims: {**claims, "sub": "somebody-else"}),
    "keys that are none": ("jwks", lambda keys: {"keys": [{"kty": "EC", "x": "?"}]}),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_provider_that_lies(stage: Stage, lie: str) -> None:
    name, tell = LIES[lie]
    stage.dev.tamper[name] = tell
    browser = stage.browser()
    await stage.fails(lambda: stage.session.login(open_url=browser), LoginFailed)
    stage.canary.hear("page", (await asyncio.to_thread(browser.result)).text)
    assert not stage.session.live


def parroting(dev: DevProvider, endpoint: str, kind: str, status: int) -> None:
    """The next request to an endpoint is answered with the provider's newest secrets."""
    said = " ".join(sorted(dev.secrets, key=len)[-60:])
    bodies: dict[str, Any] = {
        "html": f"<html>{said}</html>",
        "json": {"access_token": said, "trace": said},
        "list": [said],
        "cut json": json.dumps({"access_token": said})[:-2],
        "bad utf-8": said.encode() + b"\xff",
        "description": {"error": "invalid_request", "error_description": "see the request"},
        "nothing": None,
    }
    # Not there as well: httpcore itself logs the headers of every answer at DEBUG.
    headers = {"location": "https://evil.example/"} if 300 <= status < 400 else {}
    dev.fail_next(endpoint, status, bodies[kind], headers, times=3)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("html", 500), ("json", 500), ("json", 400), ("list", 200), ("cut json", 200), ("bad utf-8", 200), ("html", 307),
     ("nothing", 401), ("description", 400), ("nothing", 503)],
)  # fmt: skip
async def test_a_token_endpoint_that_fails(stage: Stage, kind: str, status: int) -> None:
    parroting(stage.dev, "token", kind, status)
    browser = stage.browser()
    await stage.fails(lambda: stage.session.login(open_url=browser), LoginFailed)
    stage.canary.hear("page", (await asyncio.to_thread(browser.result)).text)


class Parrot(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The wire to the provider, where each token request is refused by repeating it."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.inner = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            return self.inner.handle_request(request)
        sent = request.content.decode()
        return {
            "body": lambda: httpx.Response(400, json={"error": "invalid_grant", "error_description": sent}),
            "values": lambda: httpx.Response(
                400, json={"error": "invalid_grant", "error_description": str(parse_qs(sent))}
            ),
            "header": lambda: httpx.Response(
                400, json={"error": "invalid_client", "error_description": request.headers.get("authorization", "")}
            ),
            "code": lambda: httpx.Response(400, json={"error": sent}),
            "challenge": lambda: httpx.Response(
                401, headers={"www-authenticate": f'Bearer error="invalid_token", error_description="{sent}"'}
            ),
        }[self.how]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.to_thread(self._read, request)

    def _read(self, request: httpx.Request) -> httpx.Response:
        response = self.handle_request(request)
        response.read()
        plain = httpx.Headers([(name, value) for name, value in response.headers.multi_items()
                               if name.lower() not in ("content-length", "content-encoding")])  # fmt: skip
        return httpx.Response(response.status_code, headers=plain, content=response.content)

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        self.inner.close()


@pytest.mark.parametrize("how", ["body", "values", "header", "code", "challenge"])
async def test_a062_a_provider_that_repeats_the_request_in_its_refusal(stage: Stage, how: str) -> None:
    manager = stage.make([stage.settings("acme")], http=stage.lend(Parrot(how)), store=stage.store)
    browser = stage.browser()
    await stage.fails(lambda: manager["acme"].login(open_url=browser), LoginFailed)
    stage.canary.hear("page", (await asyncio.to_thread(browser.result)).text)
    stage.canary.manager(manager)


@pytest.mark.parametrize("endpoint", ["metadata", "jwks", "token", "userinfo"])
async def test_a_connection_that_is_cut(stage: Stage, endpoint: str) -> None:
    stage.manager = stage.make([stage.settings("acme")], store=stage.store)  # nothing is known of the provider yet
    stage.dev.fail_next(endpoint, 200, {"access_token": "a" * 20}, cut=True, times=2)
    browser = stage.browser()
    try:
        await go(stage.manager["acme"].login(open_url=browser))
    except LoginFailed as error:
        stage.canary.error(error)
    stage.canary.session(stage.manager["acme"])


async def test_a_provider_without_openid_connect(stage: Stage) -> None:
    with DevProvider(style="github", auto="ada", refresh_tokens=True).serve() as hub:
        stage.canary.watch(lambda: set(hub.secrets))
        manager = stage.make([hub.settings("hub")])
        session = await go(manager["hub"].login(open_url=stage.browser(), fetch_groups=True))
        await go(session.refresh())
        hub.fail_next("token", 200, {"error": "bad_refresh_token", "error_description": "The token is bad."})
        await stage.fails(session.refresh)
        stage.canary.show("the result", await go(session.logout()))
        stage.canary.manager(manager)


# ── a provider whose secret stands in the URL, and a wire that fails ─────────────────────────────────


class Broken(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A wire that raises, as httpx's own do: with the request in the error."""

    def __init__(self, error: type[httpx.TransportError]) -> None:
        self.error = error

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise self.error(f"failed at {request.url} with {request.content!r}", request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self.error(f"failed at {request.url} with {request.content!r}", request=request)


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, httpx.WriteError])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_wire_that_fails(stage: Stage, error: type[httpx.TransportError], method: Any) -> None:
    stage.canary.note(SECRET)
    odd = OAuth2(
        "an-id", SECRET, "https://op.example/authorize", "https://op.example/token", name="odd", token_method=method,
        redirect_uri=REDIRECT_URI, client_auth="client_secret_post",
    )  # fmt: skip
    manager = stage.make([odd], http=Broken(error), store=stage.store)
    request = await go(manager["odd"].begin())
    stage.canary.note(request.state, request.binding, "c" * 43)
    url = f"{REDIRECT_URI}?code={'c' * 43}&state={request.state}"
    await stage.fails(lambda: manager.complete(url, binding=request.binding), LoginFailed)
    stage.canary.show("provider", odd)
    stage.canary.manager(manager)


async def test_a_call_that_takes_too_long(stage: Stage) -> None:
    slow = stage.make([stage.settings("acme", timeout=0.2)], store=stage.store)
    with stage.dev.hold("token"):
        await stage.fails(lambda: slow["acme"].login(open_url=stage.browser()), LoginFailed)
    stage.canary.manager(slow)


async def test_an_answer_that_is_too_large(stage: Stage) -> None:
    stage.dev.fail_next("token", 200, "x" * 300_000)
    await stage.fails(lambda: stage.session.login(open_url=stage.browser()), LoginFailed)


# ── what goes wrong later ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, None), (500, "trace"), (400, {"error": "invalid_grant"}), (401, None), (200, []), (307, None),
     (400, {"error": "invalid_scope", "error_description": "no such scope"})],
)  # fmt: skip
async def test_a_renewal_that_fails(stage: Stage, status: int, body: Any) -> None:
    session = await stage.sign_in()
    stage.dev.fail_next("token", status, body, {"location": "https://evil.example/"} if status == 307 else None)
    await stage.fails(session.refresh)
    stage.canary.session(session)
    assert stage.canary.heard("event of on_refresh_failed")


async def test_a_renewal_whose_answer_is_lost(stage: Stage) -> None:
    session = await stage.sign_in()
    stage.dev.fail_next("token", 200, {"access_token": "b" * 20}, cut=True, after=True, times=2)
    await stage.fails(session.refresh)
    stage.canary.session(session)


async def test_a_renewal_that_repeats_the_refresh_token(stage: Stage) -> None:
    manager = stage.make([stage.settings("acme")], store=stage.store)
    await stage.sign_in(manager["acme"])
    saved = manager["acme"].dump_plaintext()
    for how in ("body", "values", "header", "code", "challenge"):
        other = stage.make([stage.settings("acme")], http=stage.lend(Parrot(how)))
        await go(other["acme"].restore(saved))
        await stage.fails(other["acme"].refresh)
        stage.canary.manager(other)


async def test_a_renewed_id_token_of_somebody_else(stage: Stage) -> None:
    session = await stage.sign_in()
    stage.dev.tamper["id_token_claims"] = lambda claims: {**claims, "sub": "somebody-else"}
    await stage.fails(session.refresh)
    stage.canary.session(session)


SAVED = "saved-access-token-0123456789"


@pytest.mark.parametrize(
    "text",
    [
        f'{{"access_token": "{SAVED}"',
        f'["{SAVED}"]',
        f'{{"access_token": ["{SAVED}"]}}',
        f'{{"access_token": "{SAVED}", "expires_in": "{SAVED}"}}',
        f'{{"access_token": "", "refresh_token": "{SAVED}"}}',
        f'{{"access_token": "{SAVED}\udc80"}}',
        SAVED,
    ],
)
async def test_a_saved_token_that_cannot_be_read(stage: Stage, text: str) -> None:
    stage.canary.note(SAVED)
    await stage.fails(lambda: stage.session.restore(text), InvalidCall)
    with pytest.raises(ValueError, match="a saved token") as failed:
        Token.from_json(text)
    stage.canary.error(failed.value)
    assert stage.session.state is State.IDLE


async def test_a_saved_token_that_is_over(stage: Stage) -> None:
    stage.canary.note(SAVED)
    ended = Token(access_token=SAVED, refresh_token=SAVED[::-1], expires_at=1.0)
    stage.canary.note_token(ended)
    stage.canary.show("token", ended)
    await stage.fails(lambda: stage.session.restore(ended))
    await stage.fails(lambda: stage.session.restore(Token(access_token=SAVED, expires_at=1.0)), SignInRequired)


async def test_a_sealed_session_that_does_not_open(stage: Stage) -> None:
    await stage.sign_in()
    sealed = stage.session.dump()
    stage.canary.note(sealed)
    other = stage.make([stage.settings("acme"), stage.settings("globex")])
    stranger = stage.make([stage.settings("acme")], sealing_key=KEY[::-1])
    await stage.fails(lambda: other["acme"].restore(sealed[:-4]), SealedDataInvalid)
    await stage.fails(lambda: other["globex"].restore(sealed), SealedDataInvalid)
    await stage.fails(lambda: stranger["acme"].restore(sealed), SealedDataInvalid)
    keyless = stage.make([stage.settings("acme")], sealing_key=None)
    await stage.fails(lambda: keyless["acme"].restore(sealed))


async def test_a_logout_that_the_provider_does_not_hear(stage: Stage) -> None:
    session = await stage.sign_in()
    stage.dev.fail_next("revoke", 500, "a trace", times=4)
    result = await go(session.logout())
    assert result.errors
    stage.canary.show("the result", result)
    stage.canary.show("its errors", result.errors)
    again = await go(session.logout())
    stage.canary.show("the second result", again)


async def test_a_logout_whose_page_cannot_be_opened(stage: Stage) -> None:
    browser = stage.browser()
    urls: list[str] = []

    def once(url: str) -> None:
        urls.append(url)
        if len(urls) > 1:
            raise OSError(f"cannot open {url}")
        browser(url)

    await go(stage.session.login(open_url=once))
    result = await go(stage.session.logout())
    assert len(urls) == 2
    stage.canary.show("the result", result)
    stage.canary.show("its errors", result.errors)


# ── what goes wrong here ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("call", ["load", "swap"])
@pytest.mark.parametrize("good", range(6))
async def test_a_store_that_fails_during_a_login(stage: Stage, call: str, good: int) -> None:
    left = [good]

    def fails(one: str, key: str) -> Exception | None:
        left[0] -= one == call
        return StoreError("The disk is gone.", hint="Plug it in.") if left[0] < 0 and one == call else None

    stage.store.fails = fails
    try:
        await go(stage.session.login(open_url=stage.browser()))
    except (StoreError, LoginFailed) as error:
        stage.canary.error(error)
    stage.store.fails = lambda call, key: None
    stage.canary.manager(stage.manager)


async def test_a_store_that_fails_with_a_live_session(stage: Stage) -> None:
    session = await stage.sign_in()
    stage.store.fails = lambda call, key: StoreError("The disk is gone.", hint="Plug it in.")
    await stage.fails(session.refresh)
    stage.canary.session(session)
    stage.canary.show("the result", await go(session.logout()))
    stage.store.fails = lambda call, key: None


async def test_a_stored_session_that_cannot_be_read(stage: Stage) -> None:
    await stage.sign_in()
    data, version = stage.store._entries["session//acme/"][:2]
    stage.store._entries["session//acme/"] = (data[:-7], version, None)
    other = stage.make([stage.settings("acme")], store=stage.store)
    await stage.fails(lambda: other["acme"].state, StoreError)
    stage.store._entries["session//acme/"] = (data.replace(b"\xa6format\x01", b"\xa6format\x63"), version, None)
    stage.store._entries["session//acme/"] = (data, version, None)


async def test_receivers_that_raise_what_they_know(stage: Stage) -> None:
    def tell_all(session: Any, event: Any) -> None:
        token = session._run.record.token
        raise RuntimeError("all I know: " + ("nothing" if token is None else token.access_token))

    async def tell_all_later(session: Any, event: Any) -> None:
        tell_all(session, event)

    for name in ("on_transition", "on_login", "on_refresh", "on_logout"):
        getattr(stage.manager, name).connect(tell_all)
        if stage.is_async:
            getattr(stage.manager, name).connect(tell_all_later)
    session = await stage.sign_in()
    await go(session.refresh())
    await go(session.logout())
    assert stage.canary.heard("log of authflow.signals")
    assert stage.canary.heard("event of on_receiver_error")


async def test_a_second_use_of_a_callback_after_a_minute(stage: Stage) -> None:
    from authflow.testing import VirtualClock

    clock = VirtualClock()
    manager = stage.make([stage.settings("acme")], clock=clock)
    request = await go(manager["acme"].begin(redirect_uri=REDIRECT_URI))
    stage.canary.note(request.state, request.binding)
    url = stage.walk(request.url)
    stage.canary.show("pending", manager["acme"].explain())
    await stage.fails(lambda: manager.complete(url, binding=request.binding), LoginFailed)  # the clock is far ahead
    clock.jump(90)
    await stage.fails(lambda: manager.complete(url, binding=request.binding), CallbackAlreadyUsed)


# ── what is at rest ──────────────────────────────────────────────────────────────────────────────────


def test_no_struct_with_a_secret_shows_it() -> None:
    canary = Canary()
    canary.note(SECRET)
    for thing in (
        Token(access_token=SECRET, refresh_token=SECRET, id_token=SECRET, extra={"openid": SECRET}),
        Pending(attempt="a", key="//acme/", code_verifier=SECRET, redirect_uri=REDIRECT_URI, created_at=0.0,
                deadline=1.0, nonce=SECRET, app_data={"a": SECRET}),
        OAuth2("an-id", SECRET, "https://op.example/authorize", "https://op.example/token"),
    ):  # fmt: skip
        canary.show(type(thing).__name__, thing)
        canary.hear("formatted", f"{[thing]} {({'thing': thing})}")
    assert canary.leaks() == []


@pytest.mark.parametrize("field", ["client_id", "client_secret", "redirect_uri", "scopes", "authorization_params"])
def test_a_wrong_setting_is_refused_without_showing_the_secret(field: str) -> None:
    canary = Canary()
    canary.note(SECRET)
    wrong: dict[str, Any] = {"client_secret": f"{SECRET}\n", "client_id": "", "redirect_uri": "http://evil.example",
                             "scopes": "one two", "authorization_params": {"state": SECRET}}  # fmt: skip
    settings = {"client_id": "an-id", "client_secret": SECRET, field: wrong[field]}
    with pytest.raises(ConfigurationError) as refused:
        OAuth2(authorization_endpoint="https://op.example/a", token_endpoint="https://op.example/t", **settings)
    canary.error(refused.value)
    canary.hear("traceback", traceback.format_exc())
    assert canary.leaks() == []


def test_a_request_carries_its_limits_and_nothing_else_beside_it() -> None:
    from authflow.protocol.step import build_request

    request = build_request("POST", "https://op.example/token", form={"code": SECRET})
    assert set(request.extensions) == {LIMITS}
    assert isinstance(request.extensions[LIMITS], Limits)
