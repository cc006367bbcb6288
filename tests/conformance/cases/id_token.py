"""ID tokens: good ones sign in, and the others do not."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from authflow.testing import Lie

from ..suite import RelyingParty, case


@case("", "happy-path")
async def a_login(rp: RelyingParty) -> None:
    session = await rp.signs_in()
    assert session.claims["sub"]


@case("invalid-iss")
async def invalid_iss(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_OF_ANOTHER_ISSUER, check="iss")


@case("invalid-missing-iss")
async def missing_iss(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITHOUT_ISSUER, check="iss")


@case("missing-sub")
async def missing_sub(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITHOUT_SUBJECT, check="sub")


@case("invalid-aud")
async def invalid_aud(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_FOR_ANOTHER_CLIENT, check="aud")


@case("missing-aud", "invalid-missing-aud")
async def missing_aud(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITHOUT_AUDIENCE, check="aud")


@case("invalid-secondary-aud")
async def secondary_aud(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_FOR_STRANGERS_TOO, check="azp")


@case("valid-aud-as-array")
async def aud_as_array(rp: RelyingParty) -> None:
    with rp.dev.lie("id_token_claims", lambda claims: {**claims, "aud": [claims["aud"]]}):
        await rp.signs_in()


@case("missing-iat")
async def missing_iat(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITHOUT_IAT, check="iat")


@case("invalid-expired-exp")
async def expired(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_EXPIRED, check="exp")


@case("invalid-missing-exp")
async def missing_exp(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITHOUT_EXPIRY, check="exp")


@case("nonce-invalid", "invalid-nonce")
async def nonce_invalid(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_OF_ANOTHER_ATTEMPT, check="nonce")


@case("invalid-missing-nonce")
async def nonce_missing(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITHOUT_NONCE, check="nonce")


@case("nonce-unless-code-flow")
async def nonce_is_sent(rp: RelyingParty) -> None:
    request = await rp.judge.begin()
    assert len(parse_qs(urlsplit(request.url).query)["nonce"][0]) >= 22


@case("kid-absent-single-jwks")
async def kid_absent(rp: RelyingParty) -> None:
    await rp.signs_in(Lie.KEYS_WITHOUT_NAMES, Lie.ID_TOKEN_WITHOUT_KID)


@case("kid-absent-multiple-jwks")
async def kid_absent_among_many(rp: RelyingParty) -> None:
    await rp.signs_in(Lie.KEYS_OF_STRANGERS_FIRST, Lie.ID_TOKEN_WITHOUT_KID)


@case("idtoken-sig-rs256")
async def signed_by_rs256(rp: RelyingParty) -> None:
    with rp.dev.signing_with("RS256"):
        await rp.at(algorithms=["RS256"]).signs_in()


@case("idtoken-sig-none", "invalid-null-alg")
async def unsigned(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_UNSIGNED, check="alg")


@case("invalid-alternate-alg")
async def another_algorithm(rp: RelyingParty) -> None:
    await rp.at(algorithms=["ES256"]).refuses(Lie.ID_TOKEN_SIGNED_IN_AN_UNLISTED_WAY, check="alg")


@case("invalid-sig-rs256")
async def invalid_rs256(rp: RelyingParty) -> None:
    with rp.dev.signing_with("RS256"):
        await rp.at(algorithms=["RS256"]).refuses(Lie.ID_TOKEN_SIGNED_IN_AN_UNLISTED_WAY, check="signature")


@case("invalid-sig-es256")
async def invalid_es256(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_SIGNED_BY_A_STRANGER, check="signature")


@case("invalid-sig-hs256")
async def invalid_hs256(rp: RelyingParty) -> None:
    await rp.at(algorithms=["HS256"]).refuses(Lie.ID_TOKEN_SIGNED_WITH_THE_PUBLIC_KEY, check="signature")


@case("invalid-chash")
async def invalid_c_hash(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITH_A_WRONG_C_HASH, check="c_hash")


@case("missing-chash")
async def missing_c_hash(rp: RelyingParty) -> None:
    await rp.refuses(Lie.ID_TOKEN_WITHOUT_C_HASH, check="c_hash")


@case("invalid-athash")
async def invalid_at_hash(rp: RelyingParty) -> None:
    """With `code id_token` the access token comes with the second ID token, and so does its hash."""
    await rp.refuses(Lie.ID_TOKEN_WITH_A_WRONG_AT_HASH, check="at_hash", reached="token")


@case("missing-athash")
async def missing_at_hash(rp: RelyingParty) -> None:
    """At the token endpoint the hash is optional (OpenID Connect Core §3.1.3.6)."""
    await rp.signs_in(Lie.ID_TOKEN_WITHOUT_AT_HASH)
