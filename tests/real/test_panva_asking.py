"""How a certified provider is asked, and answers: pushed, signed, encrypted, by form, with an ID token beside."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from authflow import AsyncSessionManager, LoginFailed, SessionManager
from authflow.testing import ScriptedBrowser
from tests.real.panva_provider import Panva

Person = Callable[..., ScriptedBrowser]


@pytest.fixture(params=[SessionManager, AsyncSessionManager], ids=["sync", "async"])
def colour(request: pytest.FixtureRequest) -> Any:
    return request.param


async def go(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


async def signed_in(colour: Any, provider: Any, ada: ScriptedBrowser, **asked: Any) -> tuple[Any, str]:
    """The session after a login that went well, and the URL that the browser was sent to."""
    manager = colour([provider], single_user=True)
    try:
        session = await go(manager[provider.name].login(open_url=ada, timeout=20, **asked))
        assert (session.live, session.user.id, session.claims["sub"]) == (True, "ada", "ada")
        if provider.response_type != "id_token":
            await go(session.refresh())
        return session, ada.opened[0]
    finally:
        await go(manager.close())


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


async def test_a070_a_request_is_pushed_where_the_client_must(panva: Panva, person: Person, colour: Any) -> None:
    provider = panva.provider("par", require_pushed_authorization_requests=True)
    _, url = await signed_in(colour, provider, person("ada"))
    assert query(url).keys() == {"client_id", "request_uri"}


async def test_one_who_does_not_push_is_refused(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider("par")], single_user=True) as manager, pytest.raises(LoginFailed):
        manager["par"].login(open_url=person("ada"))


@pytest.mark.parametrize(("kind", "alg"), [("RSA", "PS256"), ("RSA", "RS256"), ("EC", "ES256"), ("OKP", "EdDSA")])
async def test_a_request_is_signed_where_the_client_must(
    panva: Panva, person: Person, colour: Any, kind: str, alg: str
) -> None:
    provider = panva.provider(
        "jar", client_auth="client_secret_basic", client_key=panva.client_keys[kind], request_object_signing_alg=alg
    )
    _, url = await signed_in(colour, provider, person("ada"), max_age=600)
    assert query(url).keys() == {"client_id", "response_type", "scope", "request"}


async def test_a_signed_request_is_pushed_too(panva: Panva, person: Person, colour: Any) -> None:
    provider = panva.provider(
        "jar", client_auth="client_secret_basic", client_key=panva.client_keys["EC"],
        request_object_signing_alg="ES256", require_pushed_authorization_requests=True,
    )  # fmt: skip
    _, url = await signed_in(colour, provider, person("ada"))
    assert query(url).keys() == {"client_id", "request_uri"}


async def test_a_signed_request_is_encrypted(panva: Panva, person: Person, colour: Any) -> None:
    provider = panva.provider(
        "jar-encrypted", client_auth="client_secret_basic", client_key=panva.client_keys["EC"],
        request_object_signing_alg="ES256", request_object_encryption_alg="RSA-OAEP-256",
    )  # fmt: skip
    _, url = await signed_in(colour, provider, person("ada"))
    assert query(url)["request"][0].count(".") == 4


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt"])
async def test_a_signed_answer_is_read(panva: Panva, person: Person, colour: Any, mode: str) -> None:
    await signed_in(colour, panva.provider("jarm", response_mode=mode), person("ada"))


async def test_an_encrypted_answer_is_read(panva: Panva, person: Person, colour: Any) -> None:
    provider = panva.provider(
        "jarm-encrypted", response_mode="jwt", decryption_keys=[panva.client_keys["RSA-enc"]],
        authorization_encrypted_response_alg="RSA-OAEP-256", authorization_encrypted_response_enc="A256GCM",
    )  # fmt: skip
    await signed_in(colour, provider, person("ada"))


async def test_an_answer_by_form_is_read(panva: Panva, person: Person, colour: Any) -> None:
    await signed_in(colour, panva.provider(response_mode="form_post"), person("ada"))


@pytest.mark.parametrize("response_type", ["code id_token", "id_token"])
async def test_an_id_token_comes_through_the_browser(
    panva: Panva, person: Person, colour: Any, response_type: Any
) -> None:
    provider = panva.provider("hybrid", response_type=response_type, response_mode="form_post")
    session, url = await signed_in(colour, provider, person("ada"))
    assert query(url)["response_type"] == [response_type]
    assert session.user.id == "ada"


@pytest.mark.parametrize(
    ("client", "alg", "enc"),
    [
        ("id-rsa-gcm", "RSA-OAEP-256", "A256GCM"),
        ("id-rsa-cbc", "RSA-OAEP", "A128CBC-HS256"),
        ("id-ec", "ECDH-ES", "A128GCM"),
        ("id-ec-a128kw", "ECDH-ES+A128KW", "A256CBC-HS512"),
        ("id-ec-a256kw", "ECDH-ES+A256KW", "A128CBC-HS256"),
    ],
)
async def test_an_encrypted_id_token_is_opened(
    panva: Panva, person: Person, colour: Any, client: str, alg: str, enc: str
) -> None:
    keys = [panva.client_keys["RSA-enc"], panva.client_keys["EC-enc"]]
    provider = panva.provider(
        client, decryption_keys=keys, id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc
    )
    await signed_in(colour, provider, person("ada"))


def test_an_encrypted_id_token_that_nobody_asked_for_is_refused_unopened(panva: Panva, person: Person) -> None:
    with SessionManager([panva.provider("id-rsa-gcm")], single_user=True) as manager:
        with pytest.raises(LoginFailed) as caught:
            manager["id-rsa-gcm"].login(open_url=person("ada"))
        assert caught.value.__cause__.check == "format"


async def test_an_id_token_signed_with_the_client_secret_needs_the_setting(
    panva: Panva, person: Person, colour: Any
) -> None:
    await signed_in(colour, panva.provider("hs256", algorithms=["HS256"]), person("ada"))
    with pytest.raises(LoginFailed):
        await signed_in(colour, panva.provider("hs256"), person("ada"))


@pytest.mark.parametrize("settings", [{}, {"userinfo_signed_response_alg": "ES256"}], ids=["as it comes", "demanded"])
async def test_signed_userinfo_is_verified(
    panva: Panva, person: Person, colour: Any, settings: dict[str, str]
) -> None:
    session, _ = await signed_in(colour, panva.provider("userinfo-signed", **settings), person("ada"))
    assert session.user.name == "ada Example"


async def test_encrypted_userinfo_is_opened_and_verified(panva: Panva, person: Person, colour: Any) -> None:
    provider = panva.provider(
        "userinfo-encrypted", decryption_keys=[panva.client_keys["EC-enc"]],
        userinfo_signed_response_alg="PS256", userinfo_encrypted_response_alg="ECDH-ES",
    )  # fmt: skip
    session, _ = await signed_in(colour, provider, person("ada"))
    assert session.user.name == "ada Example"


def test_plain_userinfo_is_refused_where_a_signature_was_asked_for(panva: Panva, person: Person) -> None:
    provider = panva.provider("basic", userinfo_signed_response_alg="RS256")
    with SessionManager([provider], single_user=True) as manager:
        with pytest.raises(LoginFailed) as caught:
            manager["basic"].login(open_url=person("ada"))
        assert caught.value.__cause__.check == "userinfo"


def test_single_claims_are_asked_for_by_name(panva: Panva, person: Person) -> None:
    provider = panva.provider(scopes=["openid"], authorization_params={}, user_scopes=[])
    asked = {"id_token": {"auth_time": {"essential": True}, "sub": {"value": "ada"}}, "userinfo": {"email": None}}
    with SessionManager([provider], single_user=True) as manager:
        session = manager["basic"].login(open_url=person("ada"), claims=asked)
        assert session.claims["auth_time"]
        assert session.user.email == "ada@example.test"
