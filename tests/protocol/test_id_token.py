"""ID tokens: one small case for each way to lie."""

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import OctKey, RSAKey

from authflow.errors import Phase, Recovery, ValidationFailed
from authflow.protocol.expected import Expected
from authflow.protocol.id_token import verify_id_token
from authflow.protocol.jwt import LONGEST_JWT, UnknownKey

from .issuer import ISSUER, METADATA, NONCE, NOW, claims, ec, forge, half_hash, okp, openid, public, rsa, sign


def verify(id_token, provider=None, keys=None, metadata=METADATA, **changes):
    expected = Expected(**{"nonce": NONCE, **changes})
    keys = public(rsa()) if keys is None else keys
    return verify_id_token(provider or openid(), metadata, keys, id_token, expected, now=NOW)


def refused(id_token, *args, **changes):
    """The name of the check that failed."""
    with pytest.raises(ValidationFailed) as caught:
        verify(id_token, *args, **changes)
    assert caught.value.phase is Phase.VALIDATE
    text = f"{caught.value!r}{caught.value}"
    assert not isinstance(id_token, str) or not id_token or id_token not in text
    return caught.value.check


# ── what is good ──


@pytest.mark.parametrize(
    ("key", "alg"),
    [(rsa(), "RS256"), (rsa(), "PS256"), (rsa(), "RS512"), (ec(), "ES256"), (ec("p384", "P-384"), "ES384"),
     (ec("p521", "P-521"), "ES512"), (okp(), "EdDSA"), (okp(), "Ed25519")],
)  # fmt: skip
def test_a_good_token_of_every_algorithm_is_accepted(key, alg):
    assert verify(sign(claims(), key, alg), keys=public(key)) == claims()


def test_unknown_header_members_and_keys_in_the_header_are_not_looked_at():
    own = RSAKey.generate_key(2048).as_dict(private=False)
    header = {
        "jwk": own,
        "jku": "https://evil.example/jwks",
        "x5u": "ftp://x",
        "x5c": ["A" * 4000],
        "acr": "x",
        "typ": "JWT",
    }
    assert verify(sign(claims(), **header)) == claims()


def test_floats_are_numbers():
    said = claims(exp=NOW + 5.5, iat=NOW - 0.25, auth_time=NOW - 3.5)
    assert verify(sign(said), max_age=10) == said


# ── header and shape ──


@pytest.mark.parametrize("alg", ["none", "nOnE", "NONE", "", None, ["RS256"], {"a": 1}, 7, "RS1", "HS256", "RSA-OAEP"])
def test_an_algorithm_that_is_not_on_the_list_is_refused(alg):
    assert refused(forge({"alg": alg, "kid": "rsa-1"}, claims())) == "alg"


def test_a_missing_algorithm_is_refused():
    assert refused(forge({"kid": "rsa-1"}, claims())) == "alg"


def test_an_unsigned_token_is_refused_with_its_empty_signature():
    unsigned = forge({"alg": "none"}, claims()).rpartition(".")[0] + "."
    assert refused(unsigned) == "alg"


def test_a_public_key_is_no_shared_secret():
    pem = OctKey.import_key(base64.b64decode("c2hhcmVkLXNlY3JldC1vZi10aGUtYXR0YWNrZXI="))
    assert refused(sign(claims(), pem, "HS256", kid="rsa-1")) == "alg"
    wide = openid(algorithms=["RS256", "HS256"])
    assert refused(sign(claims(), pem, "HS256", kid="rsa-1"), wide) == "signature"


def test_hs256_works_with_the_client_secret_where_the_provider_lists_it():
    provider = openid(algorithms=["HS256"], client_secret="0123456789abcdef0123456789abcdef")
    key = OctKey.import_key("0123456789abcdef0123456789abcdef")
    assert verify(sign(claims(), key, "HS256", kid=None), provider, keys=()) == claims()


def test_a_client_secret_that_is_too_short_is_no_key():
    provider = openid(algorithms=["HS256"], client_secret="short")
    assert refused(forge({"alg": "HS256"}, claims()), provider) == "alg"


def test_a_client_secret_that_is_a_public_key_is_no_key():
    pem = rsa().as_pem(private=False).decode().strip()
    provider = openid(algorithms=["HS256"])
    object.__setattr__(provider, "client_secret", pem)
    assert refused(forge({"alg": "HS256"}, claims()), provider) == "alg"


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "x", None, ["alg"]])
def test_a_token_that_demands_an_extension_is_refused(crit):
    assert refused(forge({"alg": "RS256", "kid": "rsa-1", "crit": crit}, claims())) == "crit"


@pytest.mark.parametrize("b64", [False, 0, None, "true"])
def test_an_unencoded_payload_is_refused(b64):
    assert refused(forge({"alg": "RS256", "b64": b64}, claims())) == "crit"


@pytest.mark.parametrize("typ", ["at+jwt", "application/at+jwt", "AT+JWT", "logout+jwt", 7, ["JWT"]])
def test_another_kind_of_token_is_refused(typ):
    assert refused(sign(claims(), typ="at+jwt")) == "typ"
    assert refused(forge({"alg": "RS256", "typ": typ}, claims())) == "typ"


@pytest.mark.parametrize("kid", [7, ["rsa-1"], {"a": 1}, True])
def test_a_kid_that_is_no_text_is_refused(kid):
    assert refused(forge({"alg": "RS256", "kid": kid}, claims())) == "kid"


GOOD = sign(claims())
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")
SHAPES = {
    "nothing": "",
    "no_text": None,
    "a_number": 7,
    "bytes": GOOD.encode(),
    "one_part": HEADER,
    "two_parts": f"{HEADER}.{PAYLOAD}",
    "four_parts": f"{GOOD}.x",
    "five_parts_of_a_jwe": f"{HEADER}.a.b.c.d",
    "an_empty_header": f".{PAYLOAD}.{SIGNATURE}",
    "an_empty_payload": f"{HEADER}..{SIGNATURE}",
    "an_empty_signature": f"{HEADER}.{PAYLOAD}.",
    "padding": f"{HEADER}=.{PAYLOAD}.{SIGNATURE}",
    "a_space": f" {GOOD}",
    "a_newline": f"{GOOD}\n",
    "a_plus": f"{HEADER}.{PAYLOAD}+.{SIGNATURE}",
    "stray_bits": f"{HEADER}.{PAYLOAD}.AB",
    "an_impossible_length": f"{HEADER}.{PAYLOAD}.ABCDE",
    "beyond_ascii": f"{HEADER}.{PAYLOAD}.é",
    "megabytes": f"{HEADER}.{'A' * 2_000_000}.{SIGNATURE}",
    "a_long_header": f"{'A' * 40_000}.{PAYLOAD}.{SIGNATURE}",
    "a_header_that_is_a_list": forge([], claims()),
    "a_payload_that_is_a_list": forge({"alg": "RS256"}, []),
    "a_payload_that_is_a_text": forge({"alg": "RS256"}, "x"),
}


@pytest.mark.parametrize("id_token", SHAPES.values(), ids=SHAPES.keys())
def test_what_has_not_the_shape_of_a_signed_token_is_refused(id_token):
    assert refused(id_token) == "format"


def test_a_token_that_is_too_long_is_refused_though_all_else_is_right():
    assert verify(sign(claims(padding="x" * 40_000)))
    assert refused(sign(claims(padding="x" * LONGEST_JWT))) == "format"


def test_a_payload_nested_without_end_is_refused():
    deep = base64.urlsafe_b64encode(b'{"a":' + b"[" * 30_000).rstrip(b"=").decode()
    assert refused(f"{HEADER}.{deep}.{SIGNATURE}") == "format"


def test_password_based_encryption_is_never_computed():
    header = {"alg": "PBES2-HS256+A128KW", "p2c": 2**31, "p2s": "x", "enc": "A128GCM"}
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    assert refused(f"{encoded}.a.b.c.d") == "format"
    assert refused(forge(header, claims())) == "alg"


# ── signature and keys ──


@pytest.mark.parametrize(
    "signature", ["AAAA", SIGNATURE[:-4], SIGNATURE[::-1].strip("-_") or "AAAA", "A" * len(SIGNATURE)]
)
def test_a_wrong_signature_is_refused(signature):
    signature = signature[: len(signature) // 4 * 4]
    assert refused(f"{HEADER}.{PAYLOAD}.{signature}") == "signature"


def test_a_changed_payload_is_refused():
    other = sign(claims(sub="user-2")).split(".")[1]
    assert refused(f"{HEADER}.{other}.{SIGNATURE}") == "signature"


def test_a_key_of_the_same_name_and_another_value_is_refused():
    twin = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    assert refused(sign(claims(), twin)) == "signature"


@pytest.mark.parametrize(
    "signature", [bytes(64), b"\x00" * 32 + b"\x01" * 32, b"0D\x02 " + bytes(66), bytes(63), bytes(96)]
)
def test_ecdsa_of_zeroes_in_der_or_of_a_wrong_length_is_refused(signature):
    assert refused(forge({"alg": "ES256", "kid": "ec-1"}, claims(), signature), keys=public(ec())) == "signature"


def test_a_key_on_another_curve_is_refused():
    p384 = ec("p384", "P-384")
    assert refused(forge({"alg": "ES256", "kid": "p384"}, claims()), keys=public(p384)) == "kid"


def test_an_unknown_kid_may_be_cured_by_fetching_the_keys():
    with pytest.raises(UnknownKey) as caught:
        verify(sign(claims(), rsa("rotated")))
    assert caught.value.check == "kid"
    assert verify(sign(claims(), rsa("rotated")), keys=public(rsa(), rsa("rotated"))) == claims()


def test_without_a_kid_each_fitting_key_is_tried():
    token = sign(claims(), rsa("rsa-2"), kid=None)
    assert verify(token, keys=public(ec(), rsa(), rsa("rsa-2"))) == claims()
    with pytest.raises(UnknownKey):
        verify(token, keys=public(rsa(), ec()))


# ── iss, sub, aud, azp ──


@pytest.mark.parametrize(
    "iss",
    [
        ISSUER + "/",
        ISSUER.upper(),
        "http://id.example",
        "id.example",
        ISSUER + ".evil.example",
        "",
        None,
        7,
        [ISSUER],
    ],
)
def test_another_issuer_is_refused(iss):
    assert refused(sign(claims(iss=iss))) == "iss"


def test_an_alias_of_the_issuer_is_accepted_only_where_it_is_listed():
    token = sign(claims(iss="id.example"))
    assert verify(token, openid(issuer_aliases=["id.example"]))["iss"] == "id.example"
    assert refused(token) == "iss"


def test_without_any_issuer_nothing_is_accepted():
    provider = openid(issuer=None, discovery=False)
    assert refused(sign(claims(iss="")), provider, metadata=msgspec.structs.replace(METADATA, issuer="")) == "iss"


COMMON = {"issuer": "https://login.example/common/v2.0", "issuer_claim_template": "https://login.example/{tid}/v2.0"}
LITERAL = msgspec.structs.replace(METADATA, issuer="https://login.example/{tenantid}/v2.0")
TENANT = msgspec.structs.replace(METADATA, issuer="https://login.example/t-1/v2.0")


def test_an_issuer_of_many_tenants_is_filled_from_the_tokens_own_claims():
    token = sign(claims(iss="https://login.example/t-1/v2.0", tid="t-1"))
    assert verify(token, openid(**COMMON), metadata=LITERAL)["tid"] == "t-1"


@pytest.mark.parametrize(
    "said",
    [{"iss": "https://login.example/t-1/v2.0", "tid": "t-2"}, {"iss": "https://login.example/t-1/v2.0"},
     {"iss": "https://login.example/{tenantid}/v2.0", "tid": "{tenantid}"},
     {"iss": "https://login.example/a/b/v2.0", "tid": "a/b"},
     {"iss": "https://login.example//v2.0", "tid": ""}, {"iss": "https://login.example/7/v2.0", "tid": 7},
     {"iss": "https://login.example/common/v2.0", "tid": "t-1"}],
)  # fmt: skip
def test_but_only_when_they_agree(said):
    assert refused(sign(claims(**said)), openid(**COMMON), metadata=LITERAL) == "iss"


def test_a_tenant_that_names_itself_in_its_metadata_is_the_only_one():
    other = sign(claims(iss="https://login.example/t-2/v2.0", tid="t-2"))
    assert refused(other, openid(**COMMON), metadata=TENANT) == "iss"


@pytest.mark.parametrize("sub", [None, "", 7, True, ["user-1"], "x" * 256])
def test_a_token_that_does_not_say_who_is_refused(sub):
    assert refused(sign(claims(sub=sub))) == "sub"


@pytest.mark.parametrize(
    "aud",
    [None, "", "client-2", "client-11", [], ["client-2"], 7, {"client-1": 1}, [["client-1"]], ["client-1", 7]],
)
def test_a_token_for_somebody_else_is_refused(aud):
    assert refused(sign(claims(aud=aud))) == "aud"


def test_an_audience_may_be_a_list_of_one():
    assert verify(sign(claims(aud=["client-1"])))["aud"] == ["client-1"]


@pytest.mark.parametrize("azp", [None, "client-2", "", 7])
def test_several_audiences_need_us_as_the_party_that_asked(azp):
    assert refused(sign(claims(aud=["client-1", "client-2"], azp=azp))) == "azp"


def test_and_with_us_as_that_party_they_are_accepted():
    said = claims(aud=["client-1", "client-2"], azp="client-1")
    assert verify(sign(said)) == said


def test_a_token_issued_to_another_client_is_refused():
    assert refused(sign(claims(azp="client-2"))) == "azp"


# ── times ──


@pytest.mark.parametrize("name", ["exp", "iat"])
@pytest.mark.parametrize("value", [None, "1800000300", True, [], {}, -1, 10**15])
def test_a_time_that_is_missing_or_no_time_is_refused(name, value):
    assert refused(sign(claims(**{name: value}))) == name


def test_an_expired_token_is_refused_when_the_leeway_is_over():
    assert verify(sign(claims(exp=NOW - 59)))
    assert refused(sign(claims(exp=NOW - 60))) == "exp"
    assert refused(sign(claims(exp=NOW)), openid(leeway=0)) == "exp"


def test_a_token_of_the_future_is_refused():
    assert verify(sign(claims(iat=NOW + 60)))
    assert refused(sign(claims(iat=NOW + 61))) == "iat"
    assert refused(sign(claims(nbf=NOW + 61))) == "nbf"
    assert refused(sign(claims(nbf="soon"))) == "nbf"


# ── nonce, hashes, authentication ──


@pytest.mark.parametrize("nonce", [None, "", "other", NONCE + "x", NONCE.upper(), 7, [NONCE], "é"])
def test_a_token_of_another_attempt_is_refused(nonce):
    assert refused(sign(claims(nonce=nonce))) == "nonce"


def test_a_provider_that_omits_the_nonce_may_omit_it_but_not_change_it():
    provider = openid(omits_nonce=True)
    assert verify(sign(claims(nonce=None)), provider)
    assert refused(sign(claims(nonce="other")), provider) == "nonce"


@pytest.mark.parametrize(
    ("alg", "key", "algorithm"),
    [("RS256", rsa(), "sha256"), ("ES384", ec("p384", "P-384"), "sha384"), ("EdDSA", okp(), "sha512")],
)
def test_the_access_token_must_be_the_one_it_came_with(alg, key, algorithm):
    token = sign(claims(at_hash=half_hash("at", algorithm)), key, alg)
    assert verify(token, keys=public(key), access_token="at")
    assert refused(token, keys=public(key), access_token="at2") == "at_hash"


@pytest.mark.parametrize("name", ["at_hash", "c_hash"])
@pytest.mark.parametrize("value", ["", "x", 7, [], half_hash("x", "sha512"), half_hash("v") + "="])
def test_a_hash_that_does_not_fit_is_refused(name, value):
    assert refused(sign(claims(**{name: value})), access_token="v", code="v") == name


def test_a_code_must_be_the_one_it_came_with():
    assert verify(sign(claims(c_hash=half_hash("c"))), code="c")


def test_an_old_authentication_is_refused_where_max_age_was_asked():
    assert verify(sign(claims(auth_time=NOW - 100)), max_age=60)
    assert refused(sign(claims(auth_time=NOW - 121)), max_age=60) == "auth_time"
    assert refused(sign(claims(auth_time=NOW + 100)), max_age=60) == "auth_time"
    assert refused(sign(claims()), max_age=60) == "auth_time"
    assert refused(sign(claims(auth_time="now"))) == "auth_time"


@pytest.mark.parametrize("acr", [None, "low", ["high"], 7])
def test_a_weaker_authentication_than_was_asked_is_refused(acr):
    with pytest.raises(ValidationFailed) as caught:
        verify(sign(claims(acr=acr)), acr_values=["high", "higher"])
    assert (caught.value.check, caught.value.recovery) == ("acr", Recovery.STEP_UP)
    assert verify(sign(claims(acr="high")), acr_values=["high", "higher"])


def test_acr_values_written_as_one_text_are_several_all_the_same():
    assert verify(sign(claims(acr="high")), acr_values="high higher")
    assert refused(sign(claims(acr="hig")), acr_values="high higher") == "acr"


@pytest.mark.parametrize("hd", [None, "evil.example", "EXAMPLE.com", ["example.com"]])
def test_a_claim_that_is_required_must_be_there(hd):
    provider = openid(required_claims={"hd": "example.com"})
    assert refused(sign(claims(hd=hd)), provider) == "hd"
    assert verify(sign(claims(hd="example.com")), provider)


# ── after a refresh ──


def continued(previous, **changes):
    return verify(sign(claims(nonce=None, **changes)), nonce=None, previous_claims=previous)


def test_a_refreshed_token_continues_the_login():
    before = claims(auth_time=NOW - 500)
    assert continued(before, auth_time=NOW - 500, iat=NOW + 1)
    assert continued(before)
    assert continued(claims(aud=["client-1"]))


@pytest.mark.parametrize(
    ("changes", "check"),
    [({"sub": "user-2"}, "sub"), ({"auth_time": NOW - 1}, "auth_time"), ({"azp": "client-1"}, "azp"),
     ({"aud": ["client-1", "x"], "azp": "client-1"}, "aud")],
)  # fmt: skip
def test_a_refreshed_token_that_speaks_of_another_login_is_refused(changes, check):
    with pytest.raises(ValidationFailed) as caught:
        continued(claims(auth_time=NOW - 500), **changes)
    assert caught.value.check == check


def test_a_refreshed_token_of_another_issuer_is_refused():
    provider = openid(issuer_aliases=["id.example"])
    token = sign(claims(iss="id.example", nonce=None))
    assert refused(token, provider, nonce=None, previous_claims=claims()) == "iss"


def test_a_refreshed_token_with_another_nonce_is_refused():
    assert refused(sign(claims(nonce="other")), nonce=None, previous_claims=claims()) == "nonce"


# ── anything ──

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.one_of(st.text(max_size=60), st.text("AQabc-_.=+ ", max_size=60), st.binary(max_size=9)))
def test_no_text_breaks_the_verifier(text):
    with pytest.raises(ValidationFailed):
        verify(text)


@given(
    st.dictionaries(st.sampled_from(["alg", "kid", "typ", "crit", "b64", "x"]), JSON),
    st.binary(min_size=1, max_size=300),
)
def test_no_header_and_no_signature_pass_for_one(header, signature):
    with pytest.raises(ValidationFailed):
        verify(forge({"alg": "RS256", **header}, claims(), signature))


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*claims(), "nbf", "azp", "at_hash", "c_hash", "auth_time", "acr"]), JSON, min_size=1
    )
)
def test_claims_of_any_shape_are_accepted_whole_or_refused_with_a_name(changes):
    said = {**claims(), **changes}
    try:
        got = verify(sign(said, okp(), "EdDSA"), keys=public(okp()), access_token="at", code="c")
    except ValidationFailed as error:
        check = error.check
    else:
        check = None
        assert (got["iss"], got["nonce"]) == (ISSUER, NONCE)
    assert check is None or check in said or check in ("format",)
