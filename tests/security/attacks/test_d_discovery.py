"""The metadata and the keys: whose they are, where they lead, and how often they are asked for."""

from __future__ import annotations

from typing import Any

import pytest

from authflow.errors import InsecureURL, OAuthError, RedirectRefused, ResponseInvalid, ServerError, ValidationFailed
from authflow.flows import Directory
from authflow.protocol.discovery import read_metadata
from authflow.providers import OpenIDConnect
from authflow.testing import DevProvider, Lie
from tests.security.conftest import go
from tests.security.judge import Judge


@pytest.mark.parametrize("lie", [Lie.METADATA_OF_ANOTHER_ISSUER, Lie.METADATA_ISSUER_WITH_A_SLASH])
async def test_a072_metadata_of_another_issuer_are_refused(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, check="issuer", reached="metadata")


PRIVATE = [
    "https://169.254.169.254/latest",
    "https://10.0.0.8/token",
    "https://127.0.0.1/token",
    "https://localhost/token",
    "https://2130706433/token",
    "https://0x7f.1/token",
    "https://[::ffff:10.0.0.8]/token",
    "https://[::1]/token",
]


@pytest.mark.parametrize("place", PRIVATE)
def test_a073_a_public_issuer_cannot_send_us_into_a_private_network(place: str) -> None:
    with pytest.raises(InsecureURL, match="private address"):
        read_public(token_endpoint=place)


TRICKS = [
    "https://good.example\t.evil.example/token",
    "https://good.example@evil.example/token",
    "https://good.example\n/token",
    "https://good.example\\.evil.example/token",
    "https://good.example%2f.evil.example/token",
    " https://good.example/token",
]


@pytest.mark.parametrize("place", TRICKS)
def test_a075_a_url_that_parsers_read_differently_is_refused(place: str) -> None:
    with pytest.raises(InsecureURL):
        read_public(token_endpoint=place)


def read_public(**endpoints: str) -> Any:
    """What is made of the metadata of an issuer on the public internet."""
    import httpx

    provider = OpenIDConnect("https://op.example", "an-id", "a-secret-of-the-client")
    honest = {"issuer": "https://op.example", "token_endpoint": "https://op.example/token"}
    return read_metadata(httpx.Response(200, json={**honest, **endpoints}), "https://op.example", provider)


async def test_a076_what_is_known_of_one_issuer_serves_no_other(judge: Judge) -> None:
    with DevProvider(label="Globex", auto="ada", algorithm="ES256").serve() as other:
        judge.stage.canary.watch(lambda: set(other.secrets))
        both = judge.stage.make([judge.stage.settings("acme"), other.settings("globex")])
        await go(both["globex"].begin(redirect_uri="http://127.0.0.1:1/callback/globex"))
        request = await go(both["acme"].begin(redirect_uri="https://app.example/callback"))
        assert request.url.startswith(judge.dev.url)


async def test_a076_a_failure_is_not_kept(judge: Judge) -> None:
    await judge.refuses(Lie.METADATA_FAIL, cause=ServerError, reached="metadata")
    judge.heard.forget()
    await judge.sign_in()


async def test_a077_unknown_keys_have_the_keys_fetched_once_a_minute(judge: Judge) -> None:
    await judge.sign_in()
    judge.dev.forget_requests()
    for _ in range(5):
        with judge.told(Lie.ID_TOKEN_OF_AN_UNKNOWN_KEY):
            await judge.stage.fails(lambda: judge.session.refresh(), ValidationFailed)
        await go(judge.session.logout(end_session=False, revoke=False))
        await judge.sign_in()
    assert judge.dev.count("jwks") == 1


@pytest.mark.parametrize("lie", [Lie.KEYS_IN_CROWDS, Lie.KEYS_WITH_A_SECRET])
async def test_a078_odd_keys_are_passed_over(judge: Judge, lie: Lie) -> None:
    if lie is Lie.KEYS_WITH_A_SECRET:
        await judge.sign_in(lie)
    else:
        error = await judge.stage.fails(lambda: judge.sign_in(lie))
        assert error.check in ("kid", None)
        assert not judge.session.live


async def test_a078_a_symmetric_key_in_a_key_set_signs_nothing(judge: Judge) -> None:
    with judge.told(Lie.KEYS_WITH_A_SECRET):
        await judge.refuses(Lie.ID_TOKEN_SIGNED_WITH_THE_CLIENT_SECRET, check="alg")


async def test_a079_a_key_that_was_just_changed_is_fetched_once(judge: Judge) -> None:
    await judge.sign_in()
    judge.dev.forget_requests()
    judge.dev.rotate_keys(keep_old=False)
    await go(judge.session.refresh())
    assert judge.dev.count("jwks") == 1
    assert judge.heard.names == ["on_login", "on_refresh"]


@pytest.mark.parametrize("lie", [Lie.KEYS_WITHOUT_NAMES, Lie.KEYS_OF_STRANGERS_FIRST])
async def test_a080_without_a_kid_the_fitting_keys_are_tried(judge: Judge, lie: Lie) -> None:
    await judge.sign_in(lie, Lie.ID_TOKEN_WITHOUT_KID)


async def test_a081_keys_that_moved_to_another_host_are_not_fetched(judge: Judge) -> None:
    await judge.refuses(Lie.KEYS_REDIRECT, cause=RedirectRefused)


async def test_a082_keys_that_cannot_be_had_are_a_clear_error(judge: Judge) -> None:
    error = await judge.refuses(Lie.KEYS_FAIL, cause=ServerError)
    assert error.hint


@pytest.mark.parametrize(
    ("lie", "cause"),
    [
        (Lie.METADATA_FAIL, ServerError),
        (Lie.METADATA_ARE_A_PAGE, ResponseInvalid),
        (Lie.METADATA_REDIRECT, RedirectRefused),
    ],
)
async def test_a082_metadata_that_cannot_be_had_are_a_clear_error(
    judge: Judge, lie: Lie, cause: type[OAuthError]
) -> None:
    with judge.told(lie):
        error = await judge.stage.fails(judge.begin)
    assert isinstance(error.__cause__, cause)
    await judge.is_signed_out("on_login_failed", error)


async def test_a082_old_metadata_and_keys_serve_while_new_ones_cannot_be_had(judge: Judge) -> None:
    await judge.sign_in()
    directory: Directory = judge.session._house.directory
    for kept in (directory._metadata, directory._keys):
        assert len(kept) == 1
    issuer, (metadata, at) = next(iter(directory._metadata.items()))
    directory.keep_metadata(issuer, metadata, at - 3600)
    with judge.told(Lie.METADATA_FAIL, Lie.KEYS_FAIL):
        await go(judge.session.refresh())
    assert judge.session.live
