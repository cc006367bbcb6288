"""What an ID token says, and by whose signature: nothing that is not wholly right signs anybody in."""

from __future__ import annotations

import pytest

from authflow.errors import ConfigurationError
from authflow.testing import DevProvider, Lie
from tests.security.conftest import go
from tests.security.judge import Judge


@pytest.mark.parametrize(
    "lie",
    [
        Lie.ID_TOKEN_UNSIGNED,
        Lie.ID_TOKEN_UNSIGNED_IN_CAPITALS,
        Lie.ID_TOKEN_WITHOUT_ALGORITHM,
        Lie.ID_TOKEN_ALGORITHM_IS_EMPTY,
        Lie.ID_TOKEN_ALGORITHM_IS_A_LIST,
    ],
)
async def test_a083_an_unsigned_id_token_is_refused(judge: Judge, lie: Lie) -> None:
    error = await judge.refuses(lie, check="alg")
    if "UNSIGNED" in lie.name:
        assert str(error).startswith("The ID token is not signed (alg none).")


async def test_a083_none_is_no_algorithm_that_can_be_set(judge: Judge) -> None:
    with pytest.raises(ConfigurationError):
        judge.stage.settings("acme", algorithms=["none"])


async def test_a084_the_public_key_is_no_shared_secret(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_SIGNED_WITH_THE_PUBLIC_KEY, check="alg")
    agreed = judge.at(algorithms=["ES256", "HS256"])
    await agreed.refuses(Lie.ID_TOKEN_SIGNED_WITH_THE_PUBLIC_KEY, check="signature")


async def test_a084_a_shared_secret_that_was_not_agreed_signs_nothing(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_SIGNED_WITH_THE_CLIENT_SECRET, check="alg")


async def test_a085_a_key_in_the_header_is_not_looked_at(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_BRINGS_ITS_KEY, check="kid")


async def test_a085_a_place_of_keys_in_the_header_is_never_asked(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_NAMES_ITS_KEYS_PLACE, check="kid")
    assert [one.path for one in judge.dev.requests if "planted" in one.path] == []


async def test_a086_an_unknown_extension_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_DEMANDS_AN_EXTENSION, check="crit")


async def test_a087_an_unencoded_payload_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_PAYLOAD_UNENCODED, check="crit")


async def test_a088_an_encrypted_id_token_that_nobody_asked_for_is_not_opened(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_ENCRYPTED, check="format")


async def test_a089_no_password_is_hashed_for_an_id_token(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_ENCRYPTED_WITH_A_PASSWORD, check="format")


async def test_a090_rsa_pkcs1_v15_is_not_decrypted(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_ENCRYPTED_WITH_RSA1_5, check="format")


async def test_a091_a_hundred_thousand_characters_are_refused_before_base64(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_TOO_LONG, check="format")


async def test_a092_a_wrong_at_hash_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_WITH_A_WRONG_AT_HASH, check="at_hash")


async def test_a092_an_at_hash_that_is_no_text_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_AT_HASH_IS_A_NUMBER, check="at_hash")


async def test_a092_a_wrong_c_hash_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_WITH_A_WRONG_C_HASH, check="c_hash")


async def test_a092_in_the_front_channel_a_missing_c_hash_is_refused(judge: Judge) -> None:
    hybrid = judge.at(response_type="code id_token", response_mode="form_post")
    await hybrid.refuses(Lie.ID_TOKEN_WITHOUT_C_HASH, check="c_hash", reached="authorize")


@pytest.mark.parametrize(
    "lie",
    [
        Lie.ID_TOKEN_WITHOUT_ISSUER,
        Lie.ID_TOKEN_OF_ANOTHER_ISSUER,
        Lie.ID_TOKEN_ISSUER_WITH_A_SLASH,
        Lie.ID_TOKEN_ISSUER_GOES_ON,
        Lie.ID_TOKEN_ISSUER_IS_CUT,
    ],
)
async def test_a093_an_issuer_that_is_not_the_very_one_is_refused(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, check="iss")


@pytest.mark.parametrize(
    ("lie", "check"),
    [
        (Lie.ID_TOKEN_WITHOUT_AUDIENCE, "aud"),
        (Lie.ID_TOKEN_FOR_ANOTHER_CLIENT, "aud"),
        (Lie.ID_TOKEN_FOR_STRANGERS_TOO, "azp"),
        (Lie.ID_TOKEN_ASKED_BY_ANOTHER_CLIENT, "azp"),
    ],
)
async def test_a094_an_id_token_for_somebody_else_is_refused(judge: Judge, lie: Lie, check: str) -> None:
    await judge.refuses(lie, check=check)


@pytest.mark.parametrize(
    ("lie", "check"),
    [
        (Lie.ID_TOKEN_WITHOUT_EXPIRY, "exp"),
        (Lie.ID_TOKEN_EXPIRED, "exp"),
        (Lie.ID_TOKEN_EXPIRY_IS_A_TEXT, "exp"),
        (Lie.ID_TOKEN_EXPIRY_IS_TRUE, "exp"),
        (Lie.ID_TOKEN_EXPIRES_NEVER, "exp"),
        (Lie.ID_TOKEN_WITHOUT_IAT, "iat"),
        (Lie.ID_TOKEN_OF_THE_FUTURE, "iat"),
        (Lie.ID_TOKEN_NOT_YET_VALID, "nbf"),
    ],
)
async def test_a095_a_time_that_is_missing_past_or_nonsense_is_refused(judge: Judge, lie: Lie, check: str) -> None:
    await judge.refuses(lie, check=check)


async def test_a095_no_more_than_five_minutes_of_leeway_can_be_set(judge: Judge) -> None:
    assert judge.session.provider.leeway <= 60
    with pytest.raises(ConfigurationError):
        judge.stage.settings("acme", leeway=301)


@pytest.mark.parametrize("lie", [Lie.ID_TOKEN_SIGNATURE_OF_ZEROES, Lie.ID_TOKEN_SIGNATURE_IN_DER])
async def test_a097_an_ecdsa_signature_of_zeroes_or_in_der_is_refused(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, check="signature")


async def test_a098_a_key_of_1024_bits_is_no_key(judge: Judge) -> None:
    weak = judge.at(algorithms=["RS256"])
    with judge.told(Lie.KEYS_TOO_SHORT):
        await weak.refuses(Lie.ID_TOKEN_SIGNED_BY_A_SHORT_KEY, check="kid")


@pytest.mark.parametrize(
    "lie",
    [
        Lie.ID_TOKEN_WITH_PADDING,
        Lie.ID_TOKEN_WITH_A_SPACE,
        Lie.ID_TOKEN_WITH_STRAY_BITS,
        Lie.ID_TOKEN_IN_TWO_PARTS,
        Lie.ID_TOKEN_IN_FOUR_PARTS,
    ],
)
async def test_a099_what_is_not_written_as_a_token_is_written_is_refused(judge: Judge, lie: Lie) -> None:
    space = lie is Lie.ID_TOKEN_WITH_A_SPACE  # no header could carry it either: the answer itself is wrong
    if space:
        error = await judge.stage.fails(lambda: judge.sign_in(lie))
        assert not judge.session.live
        assert error.code == "response_invalid"
    else:
        await judge.refuses(lie, check="format")


async def test_a100_an_access_token_in_the_id_tokens_place_is_refused(judge: Judge) -> None:
    await judge.refuses(Lie.ID_TOKEN_IS_AN_ACCESS_TOKEN, check="typ")


@pytest.mark.parametrize(
    "lie",
    [
        Lie.ID_TOKEN_WITHOUT_SUBJECT,
        Lie.ID_TOKEN_SUBJECT_IS_EMPTY,
        Lie.ID_TOKEN_SUBJECT_IS_A_NUMBER,
        Lie.ID_TOKEN_SUBJECT_IS_TOO_LONG,
    ],
)
async def test_a101_an_id_token_that_does_not_say_who_is_refused(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, check="sub")


@pytest.mark.parametrize("lie", [Lie.USERINFO_OF_SOMEBODY_ELSE, Lie.USERINFO_WITHOUT_SUBJECT])
async def test_a102_userinfo_about_somebody_else_fails_the_login(judge: Judge, lie: Lie) -> None:
    await judge.refuses(lie, check="userinfo_sub", reached="userinfo")


async def test_a103_a_user_is_issuer_and_subject_and_nothing_that_can_be_changed(judge: Judge) -> None:
    """Somebody else with ada's address and name steps up: it is somebody else."""
    session = await judge.sign_in()
    email = session.user.email
    judge.dev.auto = "grace"
    with judge.dev.lie("userinfo", lambda claims: {**claims, "email": email, "preferred_username": "ada"}):
        request, callback = await judge.callback(prompt="login")
        error = await judge.stage.fails(lambda: judge.complete(request, callback))
    assert error.check == "other_user"
    assert session.user.name == "Ada Lovelace"


async def test_a104_a_token_of_another_provider_is_refused_under_the_same_client_id(judge: Judge) -> None:
    with DevProvider(label="Globex", auto="ada", algorithm="ES256").serve() as other:
        abroad = judge.stage.make([other.settings("globex", redirect_uri="https://app.example/callback")])
        request = await go(abroad["globex"].begin(redirect_uri="https://app.example/callback"))
        await go(abroad.complete(judge.stage.walk(request.url), binding=request.binding))
        foreign = (await go(abroad["globex"].token())).id_token
        judge.stage.canary.watch(lambda: set(other.secrets))
    with judge.dev.lie("id_token", lambda honest: foreign):
        await judge.refuses(check="kid")
