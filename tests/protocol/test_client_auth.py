"""How the client proves itself to the token endpoint."""

import base64

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from authflow.errors import ConfigurationError, InvalidCall
from authflow.protocol.client_auth import ASSERTION_TYPE, authenticate_client, choose_client_auth, client_moment
from authflow.protocol.client_certificate import ClientCertificate
from authflow.protocol.private_key import PrivateKey
from authflow.protocol.step import Call, Fresh, Moment
from authflow.providers.credentials import ClientAssertion

from .issuer import ISSUER, METADATA, MOMENT, NOW, drive, ec, openid, plain, rsa

SECRET = "s3cret-of-client-that-is-long-enough-to-sign"
EC = ec("client-ec")
CERTIFICATE = ClientCertificate("client.crt", "client.key")


def listing(*methods):
    return msgspec.structs.replace(METADATA, token_endpoint_auth_methods_supported=methods or None)


def test_a066_basic_is_form_encoded_before_base64():
    provider = openid(client_secret="a:b%c+d e/é")
    form, headers = authenticate_client(provider, listing(), {"code": "c"}, {"x": "y"}, MOMENT)
    pair = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "client-1:a%3Ab%25c%2Bd+e%2F%C3%A9"
    assert form == {"code": "c"}
    assert headers["x"] == "y"


def test_post_puts_both_into_the_form_under_the_providers_names():
    provider = plain(client_auth="client_secret_post", client_id_param="appid", client_secret_param="secret")
    form, headers = authenticate_client(provider, listing(), {"code": "c"}, {}, MOMENT)
    assert form == {"code": "c", "appid": "client-1", "secret": "s3cret-of-client"}
    assert headers == {}


def test_a_public_client_sends_its_id_only():
    for provider in (openid(client_secret=None), openid(client_auth="none")):
        form, headers = authenticate_client(provider, listing(), {"code": "c"}, {}, MOMENT)
        assert form == {"code": "c", "client_id": "client-1"}
        assert headers == {}


@pytest.mark.parametrize(
    ("settings", "listed", "chosen"),
    [
        ({}, (), "client_secret_basic"),
        ({}, ("client_secret_post", "client_secret_basic"), "client_secret_basic"),
        ({}, ("client_secret_post", "private_key_jwt"), "client_secret_post"),
        ({"client_auth": "client_secret_post"}, ("client_secret_basic",), "client_secret_post"),
        ({"client_secret": None}, ("client_secret_basic",), "none"),
        ({"client_id_param": "appid"}, (), "client_secret_post"),
        ({}, ("private_key_jwt", "client_secret_jwt"), "client_secret_jwt"),
        ({"client_key": EC}, ("client_secret_basic",), "private_key_jwt"),
        ({"client_key": EC, "client_auth": "client_secret_basic"}, ("private_key_jwt",), "client_secret_basic"),
        ({"client_secret": None, "client_certificate": CERTIFICATE}, (), "tls_client_auth"),
        ({"client_certificate": CERTIFICATE}, (), "client_secret_basic"),
        ({"client_auth": ClientAssertion(str)}, ("client_secret_basic",), "client_assertion"),
    ],
)
def test_the_method_is_the_settings_or_the_metadatas(settings, listed, chosen):
    assert choose_client_auth(openid(**settings), listing(*listed)) == chosen


def test_a_provider_that_takes_neither_method_is_a_matter_of_configuration():
    with pytest.raises(ConfigurationError, match="client_auth"):
        choose_client_auth(openid(), listing("private_key_jwt"))


def test_what_was_given_is_not_changed():
    form, headers = {"code": "c"}, {}
    authenticate_client(openid(client_auth="client_secret_post"), listing(), form, headers, MOMENT)
    assert (form, headers) == ({"code": "c"}, {})


# ── assertions ──


def assertion_of(provider, metadata=METADATA, moment=MOMENT):
    form, headers = authenticate_client(provider, metadata, {"code": "c"}, {}, moment)
    assert headers == {}
    assert form["client_assertion_type"] == ASSERTION_TYPE
    assert form["client_id"] == "client-1"
    assert "client_secret" not in form
    return form["client_assertion"]


def test_private_key_jwt_says_who_to_whom_and_for_how_long():
    token = jwt.decode(assertion_of(openid(client_key=EC, client_secret=None)), EC)
    assert token.header == {"alg": "ES256", "kid": "client-ec", "typ": "JWT"}
    assert token.claims == {
        "iss": "client-1", "sub": "client-1", "aud": ISSUER, "jti": "jti-of-this-request",
        "iat": int(NOW), "nbf": int(NOW), "exp": int(NOW) + 60,
    }  # fmt: skip


def test_a068_the_audience_of_an_assertion_is_the_issuer_and_nobody_else():
    provider = openid(client_key=EC)
    elsewhere = msgspec.structs.replace(METADATA, token_endpoint="https://evil.example/token")
    assert jwt.decode(assertion_of(provider, elsewhere), EC).claims["aud"] == ISSUER


def test_a068_every_request_has_an_assertion_of_its_own():
    provider = openid(client_key=EC)
    said = {jwt.decode(assertion_of(provider, moment=Moment(NOW, f"jti-{n}")), EC).claims["jti"] for n in range(3)}
    assert said == {"jti-0", "jti-1", "jti-2"}


def test_an_odd_server_gets_the_audience_the_type_and_the_headers_that_it_wants():
    provider = openid(
        client_key=rsa("client-rsa"), assertion_audience="token_endpoint", assertion_typ="client-authentication+jwt",
        assertion_headers={"x5t#S256": "thumb"}, assertion_alg="PS256",
    )  # fmt: skip
    token = jwt.decode(assertion_of(provider), rsa("client-rsa"), algorithms=["PS256"])
    assert token.header == {
        "alg": "PS256", "kid": "client-rsa", "typ": "client-authentication+jwt", "x5t#S256": "thumb"
    }  # fmt: skip
    assert token.claims["aud"] == "https://id.example/token"
    named = openid(client_key=EC, assertion_audience="https://other.example")
    assert jwt.decode(assertion_of(named), EC).claims["aud"] == "https://other.example"


def test_a_provider_without_an_issuer_is_named_by_its_token_endpoint():
    provider = plain(client_key=EC, client_auth="private_key_jwt")
    bare = msgspec.structs.replace(METADATA, issuer="", token_endpoint="https://plain.example/token")
    assert jwt.decode(assertion_of(provider, bare), EC).claims["aud"] == "https://plain.example/token"


@pytest.mark.parametrize(
    ("listed", "alg"), [(None, "PS256"), (("RS256", "ES256"), "RS256"), (("PS512", "PS384"), "PS384")]
)
def test_the_algorithm_is_one_that_the_provider_lists(listed, alg):
    metadata = msgspec.structs.replace(METADATA, token_endpoint_auth_signing_alg_values_supported=listed)
    token = assertion_of(openid(client_key=rsa("client-rsa")), metadata)
    assert jwt.decode(token, rsa("client-rsa"), algorithms=[alg]).header["alg"] == alg


def test_a_key_that_signs_with_nothing_listed_is_a_matter_of_configuration():
    metadata = msgspec.structs.replace(METADATA, token_endpoint_auth_signing_alg_values_supported=("RS256",))
    with pytest.raises(ConfigurationError, match="RS256"):
        assertion_of(openid(client_key=EC), metadata)


def test_client_secret_jwt_signs_with_the_secret_and_does_not_send_it():
    token = assertion_of(openid(client_auth="client_secret_jwt", client_secret=SECRET))
    found = jwt.decode(token, OctKey.import_key(SECRET), algorithms=["HS256"])
    assert (found.header["alg"], found.claims["aud"]) == ("HS256", ISSUER)
    metadata = msgspec.structs.replace(METADATA, token_endpoint_auth_signing_alg_values_supported=("HS512",))
    token = assertion_of(openid(client_auth="client_secret_jwt", client_secret=SECRET), metadata)
    assert jwt.decode(token, OctKey.import_key(SECRET), algorithms=["HS512"]).header["alg"] == "HS512"


def test_a_certificate_proves_itself_and_the_form_names_the_client():
    for method in ("tls_client_auth", "self_signed_tls_client_auth"):
        provider = openid(client_secret=None, client_auth=method, client_certificate=CERTIFICATE)
        assert authenticate_client(provider, METADATA, {}, {}, MOMENT) == ({"client_id": "client-1"}, {})


# ── somebody else's assertion ──


def asked(provider, answer):
    """The moment of a flow whose call for an assertion is answered by hand."""
    flow = client_moment(provider)
    assert isinstance(next(flow), Fresh)
    step = flow.send(MOMENT)
    assert isinstance(step, Call)
    try:
        if isinstance(answer, Exception):
            flow.throw(answer)
        else:
            flow.send(answer)
    except StopIteration as end:
        return end.value
    raise LookupError("the flow asked for more")


def test_an_assertion_of_somebody_else_is_asked_for_anew_for_every_request():
    provider = openid(client_secret=None, client_auth=ClientAssertion(lambda: "signed.by.others"))
    for said in ("one.two.three", "four.five.six"):
        assert assertion_of(provider, moment=asked(provider, said)) == said


@pytest.mark.parametrize("answer", [None, "", b"bytes", "x" * 70_000, "é", ValueError("canary-token"), OSError(2, "x")])
def test_an_assertion_that_cannot_be_had_is_said_without_its_text(answer):
    with pytest.raises(ConfigurationError, match="could not be had") as caught:
        asked(openid(client_auth=ClientAssertion(str)), answer)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_coroutine_function_in_a_sync_program_says_so_itself():
    with pytest.raises(InvalidCall, match="sync"):
        asked(openid(client_auth=ClientAssertion(str)), InvalidCall("a sync program"))


def test_an_assertion_may_lie_in_a_file_that_is_read_each_time(tmp_path):
    file = tmp_path / "token"
    federated = ClientAssertion.from_file(str(file))
    for text in ("first.a.b", "second.a.b"):
        file.write_text(text + "\n")
        assert federated.fn() == text


@pytest.mark.parametrize("content", [None, "nön.a.b".encode()], ids=["no file", "no ASCII"])
def test_a_file_that_gives_no_assertion_is_named(tmp_path, content):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        ClientAssertion.from_file(str(file)).fn()
    assert str(file) in str(caught.value)
    assert "nön" not in str(caught.value)


def test_no_moment_shows_an_assertion():
    assert "signed" not in repr(Moment(NOW, "j", "signed.by.others"))
    assert drive(client_moment(openid())) == (Moment(NOW, "jti-1"), [])


# ── what is refused before anything is sent ──


@pytest.mark.parametrize(
    "settings",
    [
        {"client_auth": "client_secret_jwt", "client_secret": "short"},
        {"client_auth": "client_secret_jwt", "client_secret": None},
        {"client_auth": "client_secret_jwt", "client_secret": SECRET, "assertion_alg": "RS256"},
        {"client_auth": "private_key_jwt"},
        {"client_auth": "password"},
        {"client_auth": "tls_client_auth"},
        {"client_certificate": "client.crt"},
        {"client_key": "no key"},
        {"client_key": EC, "assertion_alg": "RS256"},
        {"client_key": EC, "assertion_headers": {"alg": "none"}},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(settings):
    with pytest.raises(ConfigurationError):
        openid(**settings)


def test_a_client_key_is_imported_once_and_never_shown():
    provider = openid(client_key=EC)
    assert isinstance(provider.client_key, PrivateKey)
    assert provider.replace(name="other").client_key is provider.client_key
    assert EC.as_dict(private=True)["d"] not in repr(provider) + repr(provider.client_key)
