"""Any member of anything that a provider sends may be anything: whoever signs in is ada, or nobody does, and the error
is a typed one. What a single lie is worth stands in `attacks/`; here are the ones that nobody has thought of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authflow import SessionManager
from authflow.agents import CIBA, DeviceCode
from authflow.testing import DevProvider

from .conftest import REDIRECT_URI, human_at_the_browser
from .test_fuzz import DEEP, holds, plain_json, words

bending = settings(
    max_examples=DEEP or 40,
    derandomize=not DEEP,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

REDIRECTED = {
    "metadata": {}, "jwks": {}, "token_response": {}, "userinfo": {}, "id_token_claims": {}, "id_token_header": {},
    "callback_params": {}, "response_claims": {"response_mode": "jwt"},
    "userinfo_header": {"userinfo_signed_response_alg": "ES256"},
}  # fmt: skip
POLLED = {"device_response": DeviceCode(), "ciba_response": CIBA(login_hint="ada")}

urls = st.sampled_from(
    ["https://evil.example/x", "http://169.254.169.254/", "javascript:alert(1)", "//x", "https://[", "http://127.0.0.1:1/"]
)
values = st.one_of(plain_json, words, urls, st.lists(urls, max_size=3)).filter(lambda it: "\\ud" not in json.dumps(it))


@pytest.fixture(scope="module")
def bent() -> Iterator[DevProvider]:
    with DevProvider(label="Acme", auto="ada", algorithm="ES256").serve() as provider:
        yield provider


def members(dev: DevProvider, about: str, sign_in: Any) -> list[str]:
    """What an honest provider says there."""
    said: dict[str, Any] = {}
    dev.tamper[about] = lambda honest: said.update(honest if isinstance(honest, dict) else {})
    sign_in()
    dev.tamper.clear()
    return [*said]


def told(dev: DevProvider, about: str, sign_in: Any, most: int = 3) -> None:
    """Tells lie after lie, each of a few members."""
    names = members(dev, about, sign_in)
    assert names

    @bending
    @given(st.dictionaries(st.sampled_from(names), values, min_size=1, max_size=most))
    def attempt(changes: dict[str, Any]) -> None:
        dev.tamper[about] = lambda honest: {**honest, **changes}
        try:
            holds(sign_in, len(str(changes)))
        finally:
            dev.tamper.clear()

    attempt()


@pytest.mark.parametrize("about", REDIRECTED)
def test_a_login_is_adas_or_nobodys(bent: DevProvider, about: str) -> None:
    ada = bent.known_user("ada").sub

    def sign_in() -> None:
        given = bent.settings("acme", redirect_uri=REDIRECT_URI, **REDIRECTED[about])
        with SessionManager([given], single_user=True, sealing_key=bytes(32)) as manager:
            session = manager["acme"]
            request = session.begin()
            if not request.url.startswith(bent.url):
                return  # the human is led elsewhere, which the metadata may say
            answer = human_at_the_browser().get(request.url)
            manager.complete(answer.headers.get("location", ""), binding=request.binding)
            assert (session.user.id, session.claims["sub"]) == (ada, ada)
            assert (session.claims["iss"], session.claims["aud"]) == (bent.issuer, given.client_id)
            session.explain(), manager.snapshot(), session.dump()

    told(bent, about, sign_in)


@pytest.mark.parametrize("about", POLLED)
def test_a_human_is_shown_what_can_be_shown_or_nothing(bent: DevProvider, about: str) -> None:
    def ask() -> None:
        with SessionManager([bent.settings("acme")], single_user=True) as manager:
            request = manager["acme"].begin(agent=POLLED[about], timeout=30)
            assert 0 < request.expires_at - manager._house.clock.time() <= 30
            for shown in (request.user_code, request.verification_uri, request.verification_uri_complete):
                assert shown is None or (shown.isprintable() and "javascript" not in shown.partition(":")[0])
            request.cancel()

    told(bent, about, ask)
