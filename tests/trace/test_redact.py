"""What is kept of a value: words are shown, secrets and people are not, and what is unknown is a secret."""

from __future__ import annotations

import base64
import json
import secrets

import httpx
import pytest

from authflow.errors import ErrorInfo
from authflow.protocol.step import build_request
from authflow.trace.redact import MASK, Redactor, is_inside, shown_path

SECRET = "c0rrect-H0rse-battery-Staple-42"


@pytest.fixture
def redact() -> Redactor:
    return Redactor(b"k" * 16)


def jwt(header: dict[str, object], claims: dict[str, object]) -> str:
    parts = (base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (header, claims))
    return ".".join((*parts, "s" * 86))


def test_equal_secrets_have_equal_digits_within_a_story_and_others_in_another(redact: Redactor) -> None:
    other = Redactor(b"x" * 16)
    assert redact.mark(SECRET) == redact.mark(SECRET) != redact.mark(SECRET + "!")
    assert redact.mark(SECRET) != other.mark(SECRET)
    assert len(redact.mark(SECRET)) == len(MASK) + 4


@pytest.mark.parametrize("short", ["WDJB-MJHT", "123456", "1234567890123456", "hunter2"])
def test_what_can_be_guessed_is_not_hashed(redact: Redactor, short: str) -> None:
    assert redact.mark(short) == MASK


def test_a_parameter_of_an_unknown_name_is_a_secret(redact: Redactor) -> None:
    assert redact.sent([("grant_type", "password"), ("pass_phrase", SECRET)]) == {
        "grant_type": "password",
        "pass_phrase": redact.mark(SECRET),
    }


def test_a_name_that_is_no_word_is_not_told(redact: Redactor) -> None:
    assert redact.sent([(SECRET, "")]) == {MASK: "1 more"}


def test_an_answers_member_of_an_unknown_name_is_counted_only(redact: Redactor) -> None:
    assert redact.told([("token_type", "Bearer"), ("weird_member", "x"), (SECRET, 1)]) == {
        "token_type": "Bearer",
        MASK: "2 more",
    }


def test_a_user_is_not_named_and_texts_do_not_name_them_either(redact: Redactor) -> None:
    told = redact.told([("sub", "248289761001"), ("email", "ada@example.com"), ("name", "Ada Lovelace")])
    assert set(told.values()) == {MASK}
    assert redact.text("The user Ada Lovelace (ada@example.com) is locked.") == f"The user {MASK} ({MASK}) is locked."


def test_with_identity_a_user_is_named() -> None:
    redact = Redactor(b"k" * 16, with_identity=True)
    assert redact.told([("email", "ada@example.com")]) == {"email": "ada@example.com"}
    assert redact.host("idp.corp.internal") == "idp.corp.internal"


def test_a_jwt_is_its_header_and_the_names_of_its_claims(redact: Redactor) -> None:
    token = jwt({"alg": "RS256", "kid": "k" * 40, "typ": "JWT"}, {"iss": "https://a", "email": "ada@a", "odd": 1})
    told = redact.jwt(token)
    assert told == f"JWT {redact.mark(token)} alg=RS256 typ=JWT kid={redact.mark('k' * 40)} claims: iss email +1"


@pytest.mark.parametrize("text", ["a.b.c", "eyJ.eyJ.x", "eyJhbGciOjF9.!.", "...", ""])
def test_what_only_looks_like_a_jwt_does_no_harm(redact: Redactor, text: str) -> None:
    assert "ada" not in redact.jwt(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("openid profile https://www.googleapis.com/auth/userinfo.email", None),
        ("urn:ietf:params:oauth:grant-type:jwt-bearer", None),
        ("client_secret_post", None),
        ("AADSTS50105: The signed in user is not assigned to a role.", None),
        ("InvalidAuthenticationToken", None),
        ("Expected 'https://idp.example.com', got 'https://evil.example'.", None),
        ("see https://a.example/x?code=abc#d now", f"see https://a.example/x?{MASK} now"),
    ],
)
def test_words_addresses_and_codes_stay_readable(redact: Redactor, text: str, kept: str | None) -> None:
    assert redact.text(text) == (kept or text)


def test_what_looks_like_a_secret_in_a_text_is_taken_out(redact: Redactor) -> None:
    for _ in range(500):
        secret = secrets.token_urlsafe(24)
        assert secret not in redact.text(f"The code {secret} was used already.")


def test_names_of_an_own_network_are_masked(redact: Redactor) -> None:
    for host in ("keycloak", "idp.corp.internal", "10.0.0.7", "sso.home.arpa", "printer.local"):
        assert is_inside(host), host
        assert host not in redact.text(f"{host}:8443 refused the connection.")
        if "." in host:  # a bare word is a word
            assert host not in redact.text(host)
            assert host not in redact.text(f"cannot reach {host} now")
        assert host not in redact.url(f"https://{host}/token")
    for host in ("accounts.example.com", "127.0.0.1", "localhost", "login.microsoftonline.com"):
        assert not is_inside(host), host


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/.well-known/openid-configuration", None),
        ("/oauth2/v2.0/token", None),
        ("/realms/master/protocol/openid-connect/token", None),
        ("/v1.0/me/getMemberGroups", None),
        ("/users/12345/teams", f"/users/{MASK}/teams"),
        ("/9188040d-6c67-4c5b-b112-36a304b66dad/token", f"/{MASK}/token"),
    ],
)
def test_ids_in_paths_are_masked(path: str, shown: str | None) -> None:
    assert shown_path(path) == (shown or path)


def test_a_request_shows_how_the_client_was_authenticated_and_no_secret(redact: Redactor) -> None:
    request = build_request(
        "POST", "https://op.example/token?api_key=abc", form={"grant_type": "authorization_code", "code": SECRET},
        headers={"authorization": f"Basic {base64.b64encode(b'id:' + SECRET.encode()).decode()}", "dpop": "a.b.c"},
    )  # fmt: skip
    told = redact.request(request)
    assert told["authorization"] == f"Basic {MASK}"
    assert told["code"] == redact.mark(SECRET)
    assert told["api_key"] == MASK
    assert SECRET not in str(told)


def test_an_answer_that_repeats_what_was_sent_does_not_tell_it(redact: Redactor) -> None:
    request = build_request("POST", "https://op.example/token", form={"code": "only-plain-words-here"})
    response = httpx.Response(400, json={"error": "only-plain-words-here!"}, request=request)
    assert "plain-words" not in str(redact.response(response))


BODIES = (b"", b"{", b"[1]", b"\xff{", b'{"a":' + b"[" * 900 + b"]" * 900 + b"}", b"{" * 70_000)


@pytest.mark.parametrize("body", BODIES)
def test_a_body_of_any_kind_does_no_harm(redact: Redactor, body: bytes) -> None:
    redact.response(httpx.Response(200, content=body, headers={"content-type": "application/json"}))
    redact.request(httpx.Request("POST", "https://op.example/", content=body))


def test_an_error_is_redacted_and_keeps_its_words(redact: Redactor) -> None:
    info = ErrorInfo(
        code="invalid_grant", message=f"The provider answered invalid_grant: {SECRET}", hint="Sign in again.",
        error="invalid_grant", error_description=f"ada@example.com used {SECRET}",
    )  # fmt: skip
    kept = redact.error(info)
    assert kept is not None
    assert SECRET not in str(kept) + str(kept.error_description)
    assert "ada" not in str(kept.error_description)
    assert (kept.code, kept.hint) == ("invalid_grant", "Sign in again.")


def test_who_is_known_by_another_story_is_not_named_by_a_text_either(redact: Redactor) -> None:
    redact.about(b'{"sub": "248289761001", "name": "Ada Lovelace", "given_name": "Ada"}', b"{", None)
    assert redact.text("Ada Lovelace (Ada, 248289761001) is locked.") == f"{MASK} ({MASK}, {MASK}) is locked."
    redact.forget()
    assert redact.text("Ada is locked.") == "Ada is locked."


def test_a_secret_of_plain_words_is_not_told_by_an_answer_that_repeats_it(redact: Redactor) -> None:
    request = build_request("POST", "https://op.example/token", form={"client_secret": "correct horse battery"})
    for told in ("not correct horse battery", "correct horse battery"):
        answer = httpx.Response(401, json={"error_description": told, "scope": told}, request=request)
        assert "horse" not in str(redact.response(answer))
