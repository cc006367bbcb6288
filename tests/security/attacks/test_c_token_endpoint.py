"""The token endpoint and the wire to it: what it answers, how it answers, and what is never sent a second time."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from authflow import LoginFailed
from authflow.errors import (
    DeadlineExceeded,
    InsecureURL,
    RedirectRefused,
    ResponseInvalid,
    ResponseTooLarge,
    ServiceUnavailable,
    WireError,
)
from authflow.testing import Lie
from tests.security.conftest import go
from tests.security.judge import Judge


@pytest.mark.parametrize("lie", [Lie.TOKEN_ENDPOINT_REDIRECTS_307, Lie.TOKEN_ENDPOINT_REDIRECTS_308])
async def test_a045_a_307_from_the_token_endpoint_never_reposts(judge: Judge, lie: Lie) -> None:
    error = await judge.refuses(lie, cause=RedirectRefused)
    assert error.code == "redirect_refused"


@pytest.mark.parametrize(
    "lie",
    [Lie.TOKEN_ENDPOINT_REDIRECTS_301, Lie.TOKEN_ENDPOINT_REDIRECTS_302, Lie.TOKEN_ENDPOINT_REDIRECTS_303],
)
async def test_a046_a_redirect_from_the_token_endpoint_becomes_no_get(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, cause=RedirectRefused)


async def test_a047_an_endpoint_without_tls_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.METADATA_LEAD_TO_HTTP, cause=InsecureURL, reached="metadata")


async def test_a049_an_answer_without_end_is_cut_off(judge: Judge) -> None:
    await judge.refuses(Lie.TOKEN_ANSWER_NEVER_ENDS, cause=ResponseTooLarge)


async def test_a050_a_bomb_of_gzip_stops_at_the_cap(judge: Judge) -> None:
    await judge.refuses(Lie.TOKEN_ANSWER_IS_A_BOMB, cause=ResponseTooLarge)


async def test_a051_an_answer_by_drops_ends_at_the_deadline(judge: Judge) -> None:
    impatient = judge.at(timeout=0.5)
    await impatient.refuses(Lie.TOKEN_ANSWER_DRIPS, cause=DeadlineExceeded)


@pytest.mark.parametrize(
    "lie",
    [
        Lie.TOKEN_ANSWER_IS_A_PAGE,
        Lie.TOKEN_ANSWER_IS_EMPTY,
        Lie.TOKEN_ANSWER_HAS_A_BOM,
        Lie.TOKEN_ANSWER_IN_UTF16,
    ],
)
async def test_a052_what_is_no_token_answer_is_refused_and_not_quoted(judge: Judge, lie: Lie) -> None:
    error = await judge.refuses(lie, cause=ResponseInvalid)
    assert "<" not in str(error)


@pytest.mark.parametrize(
    "lie",
    [
        Lie.TOKEN_ANSWER_HAS_A_NAN,
        Lie.TOKEN_ANSWER_HAS_INFINITY,
        Lie.TOKEN_ANSWER_HAS_1E400,
        Lie.TOKENS_LIFETIME_IS_TRUE,
    ],
)
async def test_a053_a_lifetime_that_is_no_number_is_refused(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, cause=ResponseInvalid)


async def test_a054_json_without_a_bottom_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.TOKEN_ANSWER_IS_TOO_DEEP, cause=ResponseInvalid)


async def test_a055_of_two_members_of_one_name_the_last_counts(judge: Judge) -> None:
    await judge.refuses(Lie.METADATA_SAY_IT_TWICE, check="issuer", reached="metadata")
    session = await judge.sign_in(Lie.TOKEN_ANSWER_SAYS_IT_TWICE)
    assert (await go(session.token())).access_token.startswith("dev_at_")


async def test_a056_a_token_of_an_unknown_type_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.TOKENS_OF_AN_ODD_TYPE, check="token_type")


async def test_a056_the_type_of_a_token_is_read_in_any_case(judge: Judge) -> None:
    session = await judge.sign_in(Lie.TOKENS_TYPE_IN_CAPITALS)
    assert (await go(session.token())).token_type == "Bearer"


@pytest.mark.parametrize(
    ("lie", "lifetime"),
    [
        (Lie.TOKENS_WITHOUT_LIFETIME, None),
        (Lie.TOKENS_FOR_EVER, 10 * 365 * 86_400),
        (Lie.TOKENS_DEAD_ON_ARRIVAL, 0),
        (Lie.TOKENS_OF_A_NEGATIVE_LIFETIME, 0),
    ],
)
async def test_a057_an_odd_lifetime_is_brought_within_reason(judge: Judge, lie: Lie, lifetime: float | None) -> None:
    session = await judge.sign_in(lie)
    assert session._run.record.token.expires_in == lifetime
    assert (await go(session.token())).access_token.startswith("dev_at_")  # renewed where that is needed


async def test_a057_a_lifetime_of_5000_digits_is_no_lifetime(judge: Judge) -> None:
    error = await judge.stage.fails(lambda: judge.sign_in(Lie.TOKEN_ANSWER_HAS_5000_DIGITS), LoginFailed)
    assert error.code == "response_invalid"


@pytest.mark.parametrize("lie", [Lie.TOKENS_WITH_A_LINE_BREAK, Lie.TOKENS_BEYOND_ASCII])
async def test_a058_a_token_that_no_header_may_carry_is_refused(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, cause=ResponseInvalid)


@pytest.mark.parametrize(
    ("lie", "scopes"),
    [(Lie.TOKENS_OF_LESS_SCOPE, {"openid"}), (Lie.TOKENS_OF_MORE_SCOPE, {"openid", "profile", "email", "admin"})],
)
async def test_a059_what_was_granted_is_told_and_not_what_was_asked(judge: Judge, lie: Lie, scopes: set[str]) -> None:
    session = await judge.sign_in(lie)
    assert set(session.scopes) == scopes


async def test_a059_a_login_that_is_granted_less_than_it_requires_is_refused(judge: Judge) -> None:
    strict = judge.at(required_scopes=["email", "drive"])
    assert "drive" in parse_qs(urlsplit((await strict.begin()).url).query)["scope"][0].split()
    await go(strict.session.cancel())
    strict = judge.at(required_scopes=["email"])
    await strict.refuses(Lie.TOKENS_OF_LESS_SCOPE, check="scope")
    await judge.at(required_scopes=["email"]).sign_in(Lie.TOKENS_WITHOUT_SCOPE)


async def test_a060_a_code_is_never_sent_twice(judge: Judge) -> None:
    judge.dev.fail_next("token", cut=True)
    await judge.refuses(cause=WireError)
    assert len(judge.dev.token_requests("authorization_code")) == 1


async def test_a061_a_provider_that_asks_for_a_pause_without_end_is_asked_again_in_time(judge: Judge) -> None:
    await judge.sign_in()
    judge.heard.forget()
    judge.dev.fail_next("token", 429, headers={"retry-after": "1000000000"}, times=50)
    await judge.stage.fails(lambda: judge.session.refresh(), ServiceUnavailable)
    record = judge.session._run.record
    assert 0 < record.retry_at - judge.session._run.ledger.now() <= 300
    assert judge.session.live
    assert judge.heard.names == ["on_refresh_failed"]
    judge.dev._gate._faults.clear()
