"""Callbacks: what a browser may bring, and what it must not be believed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import AccessDenied, CallbackRejected, LoginRequired, OAuthError, Phase, ValidationFailed
from authflow.protocol.callback import CallbackParams, check_callback, read_callback

from .issuer import ISSUER, METADATA, openid, plain

ANNOUNCED = msgspec.structs.replace(METADATA, authorization_response_iss_parameter_supported=True)


@pytest.mark.parametrize(
    "callback",
    [
        "http://127.0.0.1:8400/callback/example?code=c%2F1&state=s",
        "http://127.0.0.1:8400/callback/example?code=c%2F1&state=s#_=_",
        "/callback/example?code=c%2F1&state=s",
        "?code=c%2F1&state=s",
        "code=c%2F1&state=s",
        {"code": "c/1", "state": "s"},
        {"code": ["c/1"], "state": ["s"]},
    ],
)
def test_a_url_a_query_and_a_form_say_the_same(callback):
    assert read_callback(callback) == CallbackParams(state="s", code="c/1")


def test_a_question_mark_within_a_bare_query_is_part_of_it():
    assert read_callback("state=a?b&code=c?d") == CallbackParams(state="a?b", code="c?d")


@pytest.mark.parametrize("name", ["multi_items", "lists"])
def test_a_frameworks_multi_dict_hides_no_doubled_parameter(name):
    class MultiDict(dict):
        pass

    pairs = [("state", "s"), ("code", "a"), ("code", "b")]
    grouped = [("state", ["s"]), ("code", ["a", "b"])]
    setattr(MultiDict, name, lambda self: pairs if name == "multi_items" else grouped)
    assert read_callback(MultiDict(state="s", code="b")).doubled == ("code",)


@pytest.mark.parametrize("name", ["code", "iss", "error", "error_description"])
def test_a_doubled_parameter_of_ours_is_marked_and_then_refused(name):
    params = read_callback(f"state=s&code=c&{name}=1&{name}=2")
    assert name in params.doubled
    with pytest.raises(ValidationFailed) as caught:
        check_callback(openid(), METADATA, params)
    assert caught.value.check == "callback_parameters"


def test_a_doubled_parameter_of_nobodys_is_ignored():
    check_callback(openid(), METADATA, read_callback("state=s&code=c&session_state=1&session_state=2"))


@pytest.mark.parametrize(
    "callback",
    ["", "?", "https://app.example/cb", "code=c", "state=&code=c", "state=a&state=b", "state=a&state=a&code=c",
     "state=&state=a", "state=%ff%fe", "state=a%00b", "state=a%0d%0ab", "state=s&" + "a=b&" * 100,
     "state=" + "s" * 17_000,
     "state=s\n&code=c", {}, {"state": None}, {"state": 1}, {"state": ["a", "b"]}, {1: "s"}, {"state": b"s"},
     {"state": "s", "x": "y" * 17_000}, None, 7, b"state=s&code=c"],
)  # fmt: skip
def test_a_callback_without_one_readable_state_is_rejected(callback):
    with pytest.raises(CallbackRejected) as caught:
        read_callback(callback)
    assert caught.value.hint


@pytest.mark.parametrize(
    "callback",
    ["https://app.example/cb?state=s&code=c&access_token=leak&id_token=leak2",
     "https://app.example/cb?state=s&code=c#access_token=leak&id_token=leak2"],
)  # fmt: skip
def test_tokens_in_the_front_channel_are_never_read(callback):
    params = read_callback(callback)
    assert "leak" not in str([getattr(params, name) for name in params.__struct_fields__])
    assert params.ignored == (("access_token", "id_token") if "&access" in callback else ())


def test_no_secret_shows_in_the_repr():
    assert repr(read_callback("state=hush1&code=hush2&iss=x")) == "CallbackParams(code=…, state=…, iss=…)"


def failed(provider, metadata, query):
    with pytest.raises(ValidationFailed) as caught:
        check_callback(provider, metadata, read_callback(query))
    assert caught.value.hint
    assert caught.value.phase is Phase.CALLBACK
    return caught.value.check


def test_a_code_beside_an_error_is_refused():
    assert failed(openid(), METADATA, "state=s&code=c&error=access_denied") == "callback_parameters"


def test_a_callback_with_neither_code_nor_error_is_refused():
    assert failed(openid(), METADATA, "state=s") == "callback_parameters"
    assert failed(openid(), METADATA, "state=s&code=") == "callback_parameters"


def test_an_issuer_that_announces_iss_must_send_it():
    assert failed(openid(), ANNOUNCED, "state=s&code=c") == "iss"
    assert failed(plain(iss_in_response=True), METADATA, "state=s&code=c") == "iss"
    check_callback(openid(iss_in_response=False), ANNOUNCED, read_callback("state=s&code=c"))


@pytest.mark.parametrize("iss", ["https://evil.example", ISSUER + "/", ISSUER.upper(), ISSUER + ".evil.example", "x"])
def test_another_issuers_answer_is_refused_announced_or_not(iss):
    assert failed(openid(), ANNOUNCED, f"state=s&code=c&iss={iss}") == "iss"
    assert failed(openid(), METADATA, f"state=s&code=c&iss={iss}") == "iss"


def test_the_right_issuer_is_accepted():
    check_callback(openid(), ANNOUNCED, read_callback(f"state=s&code=c&iss={ISSUER}"))


def test_another_issuers_error_does_not_count():
    assert failed(openid(), METADATA, "state=s&error=access_denied&iss=https://evil.example") == "iss"


def test_a_provider_without_openid_may_have_an_issuer():
    provider = plain(issuer="https://github.com/login/oauth")
    metadata = msgspec.structs.replace(METADATA, issuer="https://github.com/login/oauth")
    check_callback(provider, metadata, read_callback("state=s&code=c&iss=https%3A%2F%2Fgithub.com%2Flogin%2Foauth"))
    assert failed(provider, metadata, "state=s&code=c&iss=https://github.com") == "iss"


def test_without_a_known_issuer_there_is_nothing_to_compare_with():
    metadata = msgspec.structs.replace(METADATA, issuer="")
    check_callback(plain(), metadata, read_callback("state=s&code=c&iss=https://any.example"))


TEMPLATE = "https://login.example/{tid}/v2.0"


@pytest.mark.parametrize("tenant", ["11111111-2222-3333-4444-555555555555", "contoso"])
def test_an_issuer_of_many_tenants_may_answer_for_any_one_of_them(tenant):
    provider = openid(issuer="https://login.example/common/v2.0", issuer_claim_template=TEMPLATE)
    metadata = msgspec.structs.replace(METADATA, issuer="https://login.example/{tenantid}/v2.0")
    check_callback(provider, metadata, read_callback(f"state=s&code=c&iss=https://login.example/{tenant}/v2.0"))


@pytest.mark.parametrize(
    "iss", ["https://login.example/a/b/v2.0", "https://login.example//v2.0", "https://login.example/a/v2.0/",
            "https://evil.example/a/v2.0", "https://login.example/%7Btid%7D/v2.0", "https://login.example/a?/v2.0"],
)  # fmt: skip
def test_but_not_for_more_than_one_path_segment(iss):
    provider = openid(issuer="https://login.example/common/v2.0", issuer_claim_template=TEMPLATE)
    metadata = msgspec.structs.replace(METADATA, issuer="https://login.example/{tenantid}/v2.0")
    assert failed(provider, metadata, {"state": "s", "code": "c", "iss": iss}) == "iss"


def test_a_tenant_that_names_itself_in_its_metadata_is_the_only_one():
    provider = openid(issuer="https://login.example/contoso.example/v2.0", issuer_claim_template=TEMPLATE)
    metadata = msgspec.structs.replace(METADATA, issuer="https://login.example/t-1/v2.0")
    check_callback(provider, metadata, read_callback("state=s&code=c&iss=https://login.example/t-1/v2.0"))
    assert failed(provider, metadata, "state=s&code=c&iss=https://login.example/t-2/v2.0") == "iss"


def test_an_error_is_the_error_of_its_name():
    for code, kind in (("access_denied", AccessDenied), ("login_required", LoginRequired), ("odd", OAuthError)):
        with pytest.raises(kind) as caught:
            check_callback(openid(), METADATA, read_callback(f"state=s&error={code}&error_description=no%20way"))
        assert caught.value.phase is Phase.AUTHORIZE
        assert caught.value.error_description == "no way"


def test_what_the_error_says_is_made_fit_to_print():
    said = {"error": "access_denied", "error_description": "\x1b]0;state-1234\x07\nline two " + "x" * 5000}
    with pytest.raises(AccessDenied) as caught:
        check_callback(openid(), METADATA, read_callback({"state": "state-1234", **said}))
    assert caught.value.error_description.isprintable()
    assert len(caught.value.error_description) <= 512
    assert "state-1234" not in str(caught.value)


QUERIES = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    st.lists(
        st.tuples(st.sampled_from(["state", "code", "iss", "error", "x"]), st.text(max_size=20)), max_size=8
    ).map(lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)),
    st.dictionaries(st.sampled_from(["state", "code", "iss", "error"]), st.one_of(st.text(max_size=9), st.none())),
)


@given(QUERIES)
def test_no_callback_breaks_the_reader(callback):
    try:
        params = read_callback(callback)
    except CallbackRejected:
        return
    try:
        check_callback(openid(), METADATA, params)
    except (ValidationFailed, OAuthError):
        return
    assert params.state
    assert params.code
