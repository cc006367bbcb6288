"""Each rule of the redaction is needed: with all of them a whole run tells no secret and names nobody; with one of
them switched off it does, and that is found.

The run is made of logins at a provider inside somebody's network, which repeats secrets and names people wherever
it is asked. What people are is told only by a trace that was recorded `with_identity`.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from authflow.errors import AuthflowError
from authflow.testing import DevProvider, DevUser, VirtualClock
from authflow.testing.served import Served
from authflow.trace import redact
from authflow.trace.recorder import Recording
from authflow.trace.redact import Redactor
from tests.session.support import ProviderClock, World, go

from .flows import Flows

WHO = DevUser(
    "ada", "Ada Lovelace", "ada@analytical.example", groups=("Difference-Engineers",),
    claims={
        "given_name": "Ada", "middle_name": "Augusta", "picture": "https://people.analytical.example/ada.png",
        "phone_number": "+44 20 7946 0958", "preferred_username": "countess", "birthdate": "1815-12-10",
    },
)  # fmt: skip
PEOPLE = (
    "Lovelace", "analytical.example", "navy.example", "Augusta", "7946 0958", "countess", "1815-12-10", WHO.sub,
)  # fmt: skip
HOSTS = ("corp.internal", "10.20.30.40", "ldap-7")
SECRET = "correct-horse-battery-staple"  # as a human makes one
PATHS = ("9188040d", "248289761001")
ISSUER = "https://sso.corp.internal"
REDIRECT_URI = "https://intranet.corp.internal/tenants/9188040d-6c67-4c5b-b112-36a304b66dad/248289761001/callback"
SAID = (
    "Ada Lovelace (ada@analytical.example) is locked at sso.corp.internal, by 10.20.30.40 and ldap-7:636; "
    "ask grace@navy.example"
)


class Inside(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The network that the provider is in: its name is known here, and leads to `url`."""

    def __init__(self, url: str) -> None:
        self.url = httpx.URL(url)
        self._inner = httpx.HTTPTransport(trust_env=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        there = request.url.copy_with(scheme="http", host=self.url.host, port=self.url.port)
        sent = httpx.Request(request.method, there, headers=request.headers, content=request.read())
        return self._inner.handle_request(sent)

    def close(self) -> None:
        self._inner.close()


class WorldInside(World):
    def walk(self, url: str, user: str = WHO.login) -> str:
        self.provider.auto = user
        with httpx.Client(transport=Inside(self.served), trust_env=False) as browser:
            return str(browser.get(url).headers["location"])

    served = ""


@contextmanager
def inside() -> Iterator[tuple[WorldInside, Inside]]:
    clock = VirtualClock(patience=1.0)
    its_clock = ProviderClock(clock)
    provider = DevProvider(issuer=ISSUER, users=[WHO], auto=WHO.login, algorithm="ES256", clock=its_clock)
    served = Served(provider.app)
    served.start()
    network = Inside(served.url)
    world = WorldInside("sync", provider, clock, its_clock)
    world.served = served.url
    try:
        yield world, network
    finally:
        for manager in world._managers:
            manager.close()
        network.close()
        served.stop()


@pytest.fixture
def place() -> Iterator[tuple[WorldInside, Inside]]:
    with inside() as made:
        yield made


async def act(world: WorldInside, network: Inside, *, with_identity: bool = False) -> Flows:
    """Everything that a rule has something to say about."""
    provider = world.provider
    provider.client(client_secret=SECRET)
    flows = Flows(world)
    provider.tamper["token_response"] = lambda honest: {
        **honest, "error_uri": f"{ISSUER}/users/248289761001?t={honest['access_token']}",
        "token_type_hint": f"see {honest.get('refresh_token')}", honest["access_token"]: honest["access_token"],
        "issued_token_type": f"plain:{honest['access_token'][-9:]}",
    }  # fmt: skip
    recording = Recording(every=True, with_identity=with_identity)
    session = flows.session(
        http=network, redirect_uri=REDIRECT_URI, client_auth="client_secret_post", trace=recording
    )

    async def sign_in() -> None:
        request = await go(session.begin(redirect_uri=REDIRECT_URI, login_hint=WHO.email))
        flows.canary.note(request.state, request.binding)
        await go(session.complete(world.walk(request.url), binding=request.binding))

    async def tried(call: Callable[[], Any]) -> None:
        with suppress(AuthflowError):
            await go(call())

    await tried(sign_in)
    provider.fail_next("token", 400, {"error": "invalid_request", "error_description": SAID})
    await tried(session.refresh)
    provider.fail_next("token", 400, {"error": "temporarily_unavailable", "error_description": f"not {SECRET}"})
    await tried(session.refresh)
    await tried(session.logout)
    provider.tamper["id_token_claims"] = lambda claims: {**claims, "iss": "https://other.corp.internal"}
    await tried(sign_in)
    provider.tamper["id_token_claims"] = lambda claims: {**claims, "aud": SAID}
    await tried(sign_in)
    flows.search(flows.manager.trace)
    return flows


def named(flows: Flows, words: tuple[str, ...]) -> list[str]:
    """Which of the words stand somewhere in what was given away, and where."""
    return [f"{word!r} in {where}" for where, text in flows.canary.told for word in words if word in text]


async def test_a_whole_run_tells_no_secret_and_names_nobody(place: tuple[WorldInside, Inside]) -> None:
    flows = await act(*place)
    assert flows.canary.leaks() == []
    assert named(flows, (*PEOPLE, *HOSTS, *PATHS, "horse")) == []


async def test_with_identity_people_and_hosts_are_named_and_secrets_are_not(place: tuple[WorldInside, Inside]) -> None:
    flows = await act(*place, with_identity=True)
    assert flows.canary.leaks() == []
    for word in PEOPLE + HOSTS:
        assert named(flows, (word,)), word


async def test_every_story_has_a_key_of_its_own_for_its_hashes_and_none_is_given_away(
    place: tuple[WorldInside, Inside], monkeypatch: pytest.MonkeyPatch
) -> None:
    keys: list[bytes] = []
    honest = Redactor.__init__

    def note(redact: Redactor, key: bytes, **settings: Any) -> None:
        keys.append(key)
        honest(redact, key, **settings)

    monkeypatch.setattr(Redactor, "__init__", note)
    flows = await act(*place)
    random = [key for key in keys if len(key) == 16]
    assert len(set(random)) == len(random) == len(flows.manager.trace.stories) > 3
    flows.canary.note(*(key.hex() for key in random), *(b64encode(key).decode() for key in random))
    assert flows.canary.leaks() == []


RULES: dict[str, tuple[Any, str, Any, tuple[str, ...]]] = {
    "a secret is marked": (Redactor, "mark", lambda redact, text: text, ()),
    "a JWT is its header and the names of its claims": (Redactor, "jwt", lambda redact, token: token, ()),
    "a URL has no query": (redact, "_apart", lambda url: ("", "", url), ()),
    "what looks like a secret in a text is taken out": (redact, "_RUN", re.compile("(?!)"), ()),
    "what repeats the request is cut": (redact, "without_secrets", lambda text, answer: text, ("horse",)),
    "a member of an unknown name is counted": (
        Redactor, "_pairs", lambda redact, pairs, is_name, answer: {str(name): str(value) for name, value in pairs}, (),
    ),
    "what names a human is masked": (Redactor, "person", lambda redact, text: text, PEOPLE),
    "texts do not name who was named before": (Redactor, "_named", lambda redact: set(), ("Lovelace",)),
    "a story knows whose session it is of": (Redactor, "about", lambda redact, *profiles: None, ("Lovelace",)),
    "texts hold no addresses": (redact, "_ADDRESS", re.compile("(?!)"), ("navy.example",)),
    "texts hold no hosts of an own network": (redact, "_HOST", re.compile("(?!)"), HOSTS),
    "a host of an own network is masked": (redact, "is_inside", lambda host: False, HOSTS),
    "ids in paths are masked": (redact, "shown_path", lambda path: path, PATHS),
    "a URL of an own network is masked": (Redactor, "url", lambda redact, url: url, HOSTS),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
async def test_without_any_of_its_rules_it_does_and_is_found(
    place: tuple[WorldInside, Inside], monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    where, name, instead, words = RULES[rule]
    _forget()
    monkeypatch.setattr(where, name, instead)
    try:
        flows = await act(*place)
        assert named(flows, words) if words else flows.canary.leaks()
    finally:
        _forget()


def _forget() -> None:
    """What was judged by other rules is judged anew."""
    redact._harmless.clear()
    redact._repeats_nothing.clear()
    for judged in vars(redact).values():
        if hasattr(judged, "cache_clear"):
            judged.cache_clear()
