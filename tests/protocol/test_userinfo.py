"""Userinfo: who signed in, read from any shape of profile, and never somebody else."""

import json

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import (
    AuthflowError,
    MissingEndpoint,
    OAuthError,
    ResponseInvalid,
    ServerError,
    ValidationFailed,
)
from authflow.protocol.step import DOCUMENT_BYTES, limits_of
from authflow.protocol.userinfo import (
    build_userinfo_request,
    fetch_userinfo,
    merge_claims,
    read_groups,
    read_profile,
    read_userinfo_response,
)
from authflow.records import Profile, Token

from .issuer import METADATA, answer, claims, drive, form_of, openid, plain

TOKEN = Token("at")
NO_USERINFO = msgspec.structs.replace(METADATA, userinfo_endpoint=None)


def test_the_token_goes_in_the_header():
    request = build_userinfo_request(openid(timeout=3.0), METADATA, TOKEN)
    assert (request.method, str(request.url)) == ("GET", "https://id.example/userinfo")
    assert request.headers["authorization"] == "Bearer at"
    assert limits_of(request).most_bytes == DOCUMENT_BYTES
    assert limits_of(request).seconds == 3.0


def test_a_provider_may_want_a_post_and_parameters():
    provider = plain(userinfo_method="POST", userinfo_params={"fields": "id,name"})
    request = build_userinfo_request(provider, METADATA, TOKEN)
    assert request.method == "POST"
    assert request.url.params["fields"] == "id,name"
    assert request.content == b""


def test_without_an_endpoint_there_is_no_request():
    with pytest.raises(MissingEndpoint):
        build_userinfo_request(openid(), NO_USERINFO, TOKEN)


@pytest.mark.parametrize("kind", ["application/jwt", "application/jwt; charset=utf-8", "APPLICATION/JWT"])
def test_a_signed_answer_is_refused_with_the_remedy(kind):
    with pytest.raises(ResponseInvalid, match="userinfo_signed_response_alg"):
        read_userinfo_response(openid(), answer(b"a.b.c", content_type=kind))


@pytest.mark.parametrize("body", [b"", b"<html>canary", b"[]", b"null", b'{"a":' + b"[" * 99_999])
def test_what_is_no_object_is_refused_and_not_quoted(body):
    with pytest.raises(ResponseInvalid) as caught:
        read_userinfo_response(openid(), answer(body))
    assert "canary" not in str(caught.value)


def test_a_200_with_an_error_in_it_is_an_error():
    with pytest.raises(OAuthError):
        read_userinfo_response(openid(), answer({"error": "invalid_token"}))
    with pytest.raises(ServerError):
        read_userinfo_response(openid(), answer(b"", 500))


def fetch(provider, claims_, *answers, metadata=METADATA):
    return drive(fetch_userinfo(provider, TOKEN, metadata, claims_), *answers)[0]


def test_userinfo_adds_to_the_claims():
    got = fetch(
        openid(), claims(name="Old", sid="s"),
        answer({"sub": "user-1", "name": "Ada", "email": "a@example.com", "email_verified": "true", "iss": "x"}),
    )  # fmt: skip
    assert got == Profile(
        id="user-1", name="Ada", email="a@example.com", email_verified=True,
        data={"sub": "user-1", "name": "Ada", "email": "a@example.com", "email_verified": "true", "sid": "s"},
    )  # fmt: skip


@pytest.mark.parametrize("sub", ["user-2", "USER-1", "", None, 7, ["user-1"]])
def test_userinfo_about_somebody_else_is_refused(sub):
    with pytest.raises(ValidationFailed) as caught:
        fetch(openid(), claims(), answer({"sub": sub, "name": "Eve"}))
    assert caught.value.check == "userinfo_sub"


def test_userinfo_about_nobody_is_refused():
    with pytest.raises(ValidationFailed):
        fetch(openid(), claims(), answer({"name": "Eve"}))


def test_without_an_endpoint_the_claims_are_the_profile():
    assert fetch(openid(), claims(name="Ada"), metadata=NO_USERINFO).data == {"sub": "user-1", "name": "Ada"}
    assert fetch(plain(), {}, metadata=NO_USERINFO) is None


def test_protocol_claims_are_no_part_of_a_profile():
    merged = merge_claims(claims(at_hash="x", azp="y", locale="fr"), {"exp": 1, "locale": "de"})
    assert merged == {"sub": "user-1", "locale": "de"}
    assert merge_claims(claims(), {"sub": "user-2"}) == {"sub": "user-1"}


@pytest.mark.parametrize(
    ("found", "as_text"), [(583231, "583231"), ("583231", "583231"), (0, "0"), (2**63, str(2**63))]
)
def test_an_id_is_always_a_text(found, as_text):
    assert read_profile(plain(), {"id": found}).id == as_text


@pytest.mark.parametrize("found", [None, "", True, False, 1.5, [], ["x"], {"a": 1}])
def test_a_profile_without_a_usable_id_is_refused(found):
    with pytest.raises(ResponseInvalid, match="id_path"):
        read_profile(plain(), {"id": found})


def test_a_profile_may_lie_deep():
    provider = plain(id_path="data.id", name_path="data.names.0.text", picture_path="data.picture.data.url")
    data = {"data": {"id": 7, "names": [{"text": "Ada"}], "picture": {"data": {"url": "https://p.example"}}}}
    profile = read_profile(provider, data)
    assert (profile.id, profile.name, profile.picture) == ("7", "Ada", "https://p.example")


def test_a_member_of_a_wrong_type_is_left_out():
    profile = read_profile(plain(), {"id": 1, "name": ["Ada"], "email": {"a": 1}, "email_verified": 1, "picture": 7})
    assert (profile.name, profile.email, profile.email_verified, profile.picture) == (None, None, None, None)


@pytest.mark.parametrize(
    ("said", "verified"),
    [(True, True), ("true", True), ("False", False), (False, False), ("yes", None), (None, None)],
)
def test_a_verified_email_is_said_in_several_ways(said, verified):
    assert read_profile(plain(), {"id": 1, "email_verified": said}).email_verified is verified


# ── groups ──


def groups(data, name="groups"):
    found = read_groups(openid(groups_claim=name), data)
    return None if found is None else [group.name for group in found]


def test_groups_are_texts_or_objects():
    assert groups({"groups": ["a", {"name": "b", "id": 1}, {"displayName": "c"}, {"id": 7}, 5, None, {}]}) == [
        "a",
        "b",
        "c",
        "7",
    ]
    assert groups({"groups": "only"}) == ["only"]
    assert groups({"realm_access": {"roles": ["admin"]}}, "realm_access.roles") == ["admin"]


def test_no_groups_are_none_and_not_unknown():
    assert groups({}) == []
    assert groups({"groups": None}) == []
    assert groups({"groups": ["a"]}, None) == []


@pytest.mark.parametrize("data", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": True}, {"hasgroups": "true"}])
def test_more_groups_than_fit_are_unknown(data):
    assert groups(data) is None


def test_overage_of_another_claim_is_not_ours():
    assert groups({"_claim_names": {"roles": "src1"}, "groups": ["a"]}) == ["a"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["sub", "name", "email", "groups", "_claim_names", "hasgroups", "error"]), JSON))
def test_whatever_userinfo_says_it_is_a_profile_or_a_typed_error(data):
    provider = openid(groups_claim="groups")
    response = httpx.Response(200, content=json.dumps(data).encode())
    try:
        profile = fetch(provider, claims(), response)
    except AuthflowError:
        return
    assert profile.id == "user-1"
    read_groups(provider, profile.data)


def test_the_token_goes_into_the_form_only_by_a_setting():
    provider = openid(userinfo_token_in_form_body=True)
    request = build_userinfo_request(provider, METADATA, Token("at-1"))
    assert (request.method, form_of(request)) == ("POST", {"access_token": "at-1"})
    assert "authorization" not in request.headers
