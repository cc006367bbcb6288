"""Tokens, users and records: read generously, shown without their secrets."""

from __future__ import annotations

import copy
import pickle

import pytest

from authflow.records import Key, Pending, Profile, SessionRecord, Token, User

SECRET = "s3cret-value-of-a-token"
TOKEN = Token(
    access_token=SECRET, refresh_token=SECRET, id_token=SECRET, scope=("a", "b"), expires_at=5.0, extra={"k": SECRET}
)
PENDING = Pending(
    attempt="a1", key="//acme/", code_verifier=SECRET, redirect_uri="https://x/cb", created_at=1.0, deadline=2.0,
    nonce=SECRET, app_data=SECRET,
)  # fmt: skip


@pytest.mark.parametrize("held", [TOKEN, PENDING, SessionRecord(token=TOKEN, unrevoked=TOKEN)], ids=repr)
def test_nothing_that_holds_a_secret_shows_or_pickles_it(held: object) -> None:
    assert SECRET not in repr(held)
    assert SECRET not in str(held)
    assert SECRET not in f"{held}"
    with pytest.raises(TypeError, match="dump"):
        pickle.dumps(held)


def test_a_token_is_copied_as_what_it_is() -> None:
    assert copy.copy(TOKEN) == TOKEN
    assert copy.deepcopy({"t": TOKEN})["t"] is TOKEN


def test_a_token_comes_back_from_its_json_whole() -> None:
    assert Token.from_json(TOKEN.to_json()) == TOKEN


def test_a_token_that_flet_saved_is_read() -> None:
    saved = (
        '{"access_token":"at","scope":["a"],"token_type":"bearer","expires_in":3600,"expires_at":9.5,'
        '"refresh_token":"rt"}'
    )
    token = Token.from_json(saved)
    assert (token.access_token, token.scope, token.expires_at, token.refresh_token) == ("at", ("a",), 9.5, "rt")


def test_members_that_nobody_knows_are_kept_as_extra() -> None:
    assert Token.from_json('{"access_token":"at","openid":"u1","scope":"a,b c"}').extra == {"openid": "u1"}


@pytest.mark.parametrize(
    "saved", ["", "[]", "{}", "null", '{"access_token":""}', '{"access_token":7}', "\x00", b"\xff"]
)
def test_what_is_no_token_is_refused(saved: str | bytes) -> None:
    with pytest.raises(ValueError, match="saved token"):
        Token.from_json(saved)


@pytest.mark.parametrize("key", [Key("", "acme", ""), Key("a/b", "x%2Fy", "wörk"), Key("..", "p", " ")])
def test_a_key_survives_its_text(key: Key) -> None:
    assert Key.parse(str(key)) == key
    assert str(key).count("/") == 2


def test_a_user_is_the_providers_profile_with_names_on_it() -> None:
    user = User(Profile(id="7", data={"login": "ada", "id": 7}, name="Ada", groups=(("team", {"name": "team"}),)))
    assert (user.id, user.name, user["login"], len(user)) == ("7", "Ada", "ada", 2)
    assert dict(user) == {"login": "ada", "id": 7}
    assert [group.name for group in user.groups] == ["team"]
    assert "Ada" not in repr(user)


@pytest.mark.parametrize("picture", ["https://acme.test/ada.png", "HTTPS://acme.test/äda?s=1#x", "http://127.0.0.1:80/a"])
def test_a_picture_is_an_address_of_the_web(picture: str) -> None:
    assert User(Profile(id="7", picture=picture)).picture == picture


@pytest.mark.parametrize(
    "picture",
    [
        "javascript:alert(1)//https://acme.test/ada.png", " javascript:alert(1)", "java\nscript:alert(1)",
        "data:image/svg+xml,<svg>", "vbscript:x", "file:///etc/passwd", "blob:https://acme.test/1", "/ada.png",
        "//acme.test/ada.png", "ada.png", "", "https:", "https://", "https:///ada.png", "https:\\\\acme.test",
        "https://acme.test/a b", 'https://acme.test/"onerror=x',
        "https://acme.test/<svg>", "https://acme.test/\n", "https://acme.test/" + "a" * 9000, 7, None,
    ],
    ids=lambda written: repr(written)[:30],
)  # fmt: skip
def test_what_else_is_written_for_a_picture_is_none_and_stays_in_the_profile(picture: object) -> None:
    user = User(Profile(id="7", data={"picture": picture}, picture=picture))  # type: ignore[arg-type]
    assert user.picture is None
    assert user["picture"] == picture
