"""Conversations driven by hand: what is asked, in which order, and what is made of the answers."""

import pickle

import httpx
import msgspec
import pytest

from authflow.errors import (
    ConfigurationError,
    ConnectFailed,
    DeadlineExceeded,
    ErrorInfo,
    InsecureURL,
    InvalidCall,
    InvalidGrant,
    OAuthError,
    Phase,
    Recovery,
    RedirectRefused,
    ResponseInvalid,
    Sent,
    ServerError,
    ServiceUnavailable,
    ValidationFailed,
)
from authflow.flows import (
    Directory,
    TokensRefused,
    discover,
    exchange,
    fetch_profile,
    refresh,
    revoke,
)
from authflow.protocol.expected import Expected
from authflow.providers.base import Provider
from authflow.records import Group, Token
from tests.protocol.issuer import (
    ISSUER,
    METADATA,
    NONCE,
    NOW,
    VERIFIER,
    answer,
    claims,
    drive,
    form_of,
    half_hash,
    jwks,
    openid,
    plain,
    rsa,
    sign,
)

CANARY = "canary-access-token"
DOCUMENT = {
    name: value for name, value in msgspec.to_builtins(METADATA).items() if isinstance(value, str)
}  # fmt: skip


def granted(id_token=None, **more):
    """A good token response."""
    body = {
        "access_token": CANARY,
        "token_type": "bearer",
        "expires_in": 3600,
        "refresh_token": "canary-refresh",
        **more,
    }
    return answer({**body, "id_token": id_token} if id_token else body)


def keys(*several):
    return answer(jwks(*(several or (rsa(),))))


def user(**more):
    return answer({"sub": "user-1", "name": "Ada", **more})


def log_in(provider, *answers, directory=None, metadata=METADATA, expected=None, nonce=NONCE, **changes):
    given = {
        "code": "code-of-the-attempt", "redirect_uri": "https://app.example/cb", "code_verifier": VERIFIER,
        "expected": expected or Expected(nonce=nonce), "scope": ["openid"], "now": NOW, **changes,
    }  # fmt: skip
    return drive(exchange(provider, metadata, directory or Directory(), **given), *answers)


def paths(requests):
    return [request.url.path for request in requests]


# ── discover ──


def test_the_openid_document_is_asked_for_first_and_kept():
    directory = Directory()
    metadata, asked = drive(discover(openid(), directory, NOW), answer(DOCUMENT))
    assert metadata == METADATA
    assert paths(asked) == ["/.well-known/openid-configuration"]
    assert drive(discover(openid(), directory, NOW + 299)) == (METADATA, [])


def test_after_five_minutes_it_is_asked_for_again():
    directory = Directory()
    drive(discover(openid(), directory, NOW), answer(DOCUMENT))
    _, asked = drive(discover(openid(), directory, NOW + 300), answer(DOCUMENT))
    assert len(asked) == 1


@pytest.mark.parametrize("first", [answer(b"", 404), answer(b"<html>welcome</html>"), answer({"error": "x"}, 400)])
def test_where_there_is_none_the_oauth_document_is_asked_for(first):
    metadata, asked = drive(discover(openid(), Directory(), NOW), first, answer(DOCUMENT))
    assert metadata == METADATA
    assert paths(asked) == ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]


def test_where_there_is_neither_the_first_error_counts():
    with pytest.raises(ResponseInvalid, match="404"):
        drive(discover(openid(), Directory(), NOW), answer(b"", 404), answer(b"<html>"))


@pytest.mark.parametrize("first", [answer(b"", 404), answer(b"<html>welcome</html>"), answer(b"", 302)])
def test_where_there_is_neither_the_issuer_is_doubted(first):
    with pytest.raises((ResponseInvalid, RedirectRefused)) as caught:
        drive(discover(openid(), Directory(), NOW), first, answer(b"", 404))
    assert f"Is '{ISSUER}' the issuer?" in caught.value.hint
    assert caught.value.recovery is Recovery.FIX_CONFIGURATION


@pytest.mark.parametrize("first", [RedirectRefused("to a login page"), answer(b"", 302)])
def test_a_redirect_instead_of_the_first_document_is_no_document(first):
    assert drive(discover(openid(), Directory(), NOW), first, answer(DOCUMENT))[0] == METADATA
    with pytest.raises(RedirectRefused):
        drive(discover(openid(), Directory(), NOW), first, answer(b"", 404))


def test_a_document_about_another_issuer_ends_the_search():
    with pytest.raises(ValidationFailed) as caught:
        drive(discover(openid(), Directory(), NOW), answer({**DOCUMENT, "issuer": "https://evil.example"}))
    assert caught.value.check == "issuer"


@pytest.mark.parametrize(
    "failure", [ConnectFailed("no route"), DeadlineExceeded("too slow"), answer(b"", 500), answer(b"", 503)]
)
def test_a_provider_that_cannot_be_reached_is_not_asked_twice_and_not_remembered(failure):
    directory = Directory()
    with pytest.raises((ConnectFailed, DeadlineExceeded, ServerError, ServiceUnavailable)) as caught:
        drive(discover(openid(), directory, NOW), failure)
    assert caught.value.phase is Phase.PREPARE
    assert drive(discover(openid(), directory, NOW), answer(DOCUMENT))[0] == METADATA


@pytest.mark.parametrize("failure", [ConnectFailed("no route"), answer(b"", 500)])
def test_old_metadata_serve_for_a_day_while_the_provider_is_away(failure):
    directory = Directory()
    drive(discover(openid(), directory, NOW), answer(DOCUMENT))
    assert drive(discover(openid(), directory, NOW + 86_399), failure)[0] == METADATA
    with pytest.raises((ConnectFailed, ServerError)):
        drive(discover(openid(), directory, NOW + 86_400), failure)


def test_one_issuers_metadata_are_not_anothers():
    directory = Directory()
    drive(discover(openid(), directory, NOW), answer(DOCUMENT))
    other = "https://other.example"
    _, asked = drive(
        discover(openid(issuer=other), directory, NOW), answer({"issuer": other, "token_endpoint": f"{other}/t"})
    )
    assert asked[0].url.host == "other.example"


def test_metadata_kept_for_one_provider_are_checked_for_the_next():
    directory = Directory()
    issuer = "https://127.0.0.1:9000"
    document = {"issuer": issuer, "token_endpoint": "http://127.0.0.1:9000/token"}
    drive(discover(openid(issuer=issuer, allow_insecure_loopback=True), directory, NOW), answer(document))
    with pytest.raises(InsecureURL):
        drive(discover(openid(issuer=issuer), directory, NOW))


def test_a_provider_without_discovery_is_not_asked():
    metadata, asked = drive(discover(plain(), Directory(), NOW))
    assert metadata.token_endpoint == "https://plain.example/token"
    assert asked == []


def test_discovery_without_an_issuer_is_a_matter_of_configuration():
    provider = openid()
    object.__setattr__(provider, "issuer", None)
    with pytest.raises(ConfigurationError):
        drive(discover(provider, Directory(), NOW))


# ── exchange ──


def test_an_openid_login_asks_for_tokens_then_keys_then_the_user():
    id_token = sign(claims(at_hash=half_hash(CANARY)))
    got, asked = log_in(openid(), granted(id_token, refresh_in=1800), keys(), user())
    assert paths(asked) == ["/token", "/jwks", "/userinfo"]
    assert form_of(asked[0])["code_verifier"] == VERIFIER
    assert (got.issuer, got.subject, got.profile.name) == (ISSUER, "user-1", "Ada")
    assert got.token.expires_at == NOW + 3600
    assert got.token.scope == ("openid",)
    assert got.claims["nonce"] == NONCE
    assert got.refresh_in == 1800.0
    assert got.warning is None
    assert CANARY not in repr(got)


def test_a_login_without_openid_is_known_by_the_profiles_id():
    provider = plain(userinfo_endpoint="https://api.plain.example/me")
    metadata, _ = drive(discover(provider, Directory(), NOW))
    got, _ = log_in(provider, granted(), answer({"id": 7, "name": "Ada"}), metadata=metadata, nonce=None)
    assert (got.issuer, got.subject, got.claims) == ("https://plain.example", "7", None)
    named = plain(userinfo_endpoint="https://api.plain.example/me", issuer="https://plain.example/login")
    got, _ = log_in(named, granted(), answer({"id": 7}), metadata=metadata, nonce=None)
    assert got.issuer == "https://plain.example/login"


def test_whoever_does_not_want_the_user_asks_for_none():
    got, asked = log_in(openid(), granted(sign(claims())), keys(), fetch_user=False)
    assert paths(asked) == ["/token", "/jwks"]
    assert (got.profile, got.subject) == (None, "user-1")
    got, asked = log_in(plain(), granted(), fetch_user=False, nonce=None)
    assert (got.profile, got.issuer, got.subject) == (None, "", "")


@pytest.mark.parametrize("failure", [ConnectFailed("no route"), DeadlineExceeded("too slow")])
def test_an_exchange_is_never_sent_again(failure):
    flow = exchange(
        openid(), METADATA, Directory(), code="c", redirect_uri="https://app.example/cb", code_verifier=VERIFIER,
        expected=Expected(nonce=NONCE), scope=[], now=NOW,
    )  # fmt: skip
    next(flow)
    with pytest.raises(type(failure)) as caught:
        flow.throw(failure)
    assert caught.value.phase is Phase.EXCHANGE
    with pytest.raises(StopIteration):
        next(flow)


@pytest.mark.parametrize(
    ("response", "kind"),
    [(answer({"error": "invalid_grant"}, 400), InvalidGrant), (answer({"error": "invalid_grant"}), InvalidGrant),
     (answer(b"", 502), ServerError), (answer(b"<html>"), ResponseInvalid)],
)  # fmt: skip
def test_a_refused_exchange_is_the_providers_error_and_nothing_more_is_asked(response, kind):
    with pytest.raises(kind) as caught:
        log_in(openid(), response)
    assert caught.value.phase is Phase.EXCHANGE


def test_an_error_that_repeats_the_code_shows_none_of_it():
    with pytest.raises(InvalidGrant) as caught:
        log_in(openid(), answer({"error": "invalid_grant", "error_description": "bad code-of-the-attempt"}, 400))
    assert "code-of-the-attempt" not in str(caught.value)


def refused(provider, *answers, **changes):
    """The check that failed; and the tokens are there for the session to revoke, and nowhere to be seen."""
    with pytest.raises(TokensRefused) as caught:
        log_in(provider, *answers, **changes)
    error = caught.value
    assert (error.token.access_token, error.token.refresh_token) == (CANARY, "canary-refresh")
    assert "canary" not in f"{error!r}{error}{error.cause!r}{error.cause}"
    assert error.__cause__ is not None
    return error.cause


def test_a_missing_id_token_fails_the_login():
    assert refused(openid(), granted()).check == "id_token"


@pytest.mark.parametrize(
    ("changes", "check"),
    [({"nonce": "other"}, "nonce"), ({"iss": "https://evil.example"}, "iss"), ({"aud": "client-2"}, "aud"),
     ({"exp": NOW - 100}, "exp"), ({"at_hash": "x"}, "at_hash"), ({"sub": None}, "sub")],
)  # fmt: skip
def test_a_bad_id_token_fails_the_login_and_the_user_is_not_asked_for(changes, check):
    assert refused(openid(), granted(sign(claims(**changes))), keys()).check == check


def test_userinfo_about_somebody_else_fails_the_login():
    assert refused(openid(), granted(sign(claims())), keys(), user(sub="user-2")).check == "userinfo_sub"


def test_max_age_and_acr_are_obligations():
    id_token = sign(claims(auth_time=NOW - 1000, acr="low"))
    for asked, check in ({"max_age": 60}, "auth_time"), ({"acr_values": ["high"]}, "acr"):
        assert refused(openid(), granted(id_token), keys(), expected=Expected(nonce=NONCE, **asked)).check == check


def test_a_malformed_id_token_costs_no_request_for_keys():
    assert refused(openid(), granted("not.a.token")).check == "format"


def test_tokens_refused_are_not_pickled():
    with pytest.raises(TypeError):
        pickle.dumps(TokensRefused(ResponseInvalid("no"), Token(CANARY)))


@pytest.mark.parametrize(
    "failure",
    [ConnectFailed("no route"), DeadlineExceeded("slow"), answer(b"", 500), answer(b"", 503), answer(b"", 429)],
)
def test_a_user_that_cannot_be_had_is_a_warning_and_the_claims_stand_in(failure):
    got, _ = log_in(openid(), granted(sign(claims(name="Ada"))), keys(), failure)
    assert isinstance(got.warning, ErrorInfo)
    assert (got.profile.id, got.profile.name) == ("user-1", "Ada")


def test_without_claims_nothing_stands_in():
    provider = plain(userinfo_endpoint="https://api.plain.example/me")
    got, _ = log_in(provider, granted(), answer(b"", 503), nonce=None)
    assert (got.profile, got.subject) == (None, "")
    assert got.warning.code == "temporarily_unavailable"


def test_claims_that_have_not_the_id_do_not_stand_in():
    got, _ = log_in(openid(id_path="oid"), granted(sign(claims())), keys(), ConnectFailed("no route"))
    assert got.profile is None
    assert got.subject == "user-1"


def test_a_user_that_is_denied_fails_the_login():
    assert refused(openid(), granted(sign(claims())), keys(), answer({"error": "insufficient_scope"}, 403)).error == (
        "insufficient_scope"
    )


def test_keys_that_cannot_be_had_fail_the_login():
    cause = refused(openid(), granted(sign(claims())), ConnectFailed("no route"))
    assert isinstance(cause, ConnectFailed)
    assert cause.phase is Phase.VALIDATE


def test_a_hook_that_breaks_is_a_typed_error_without_the_text():
    class Broken(Provider):
        def fetch_user(self, token, metadata, claims):
            raise KeyError(token.access_token)
            yield

    cause = refused(Broken("client-1", token_endpoint=METADATA.token_endpoint), granted(), nonce=None)
    assert isinstance(cause, ResponseInvalid)
    assert "KeyError" in str(cause)


@pytest.mark.parametrize("flow", [exchange, refresh])
def test_a_hook_that_breaks_on_the_token_response_is_a_typed_error_too(flow):
    class Broken(Provider):
        def read_token_response(self, response):
            return response.json()["data"]

    provider = Broken("client-1", token_endpoint=METADATA.token_endpoint)
    with pytest.raises(ResponseInvalid, match="KeyError"):
        log_in(provider, granted()) if flow is exchange else renew(provider, granted())


# ── groups ──


class Grouped(Provider):
    def fetch_groups(self, token, metadata, claims, profile):
        response = yield httpx.Request("GET", "https://api.example/groups")
        if response.status_code == 206:
            return None
        if response.status_code >= 500:
            raise ServerError("down")
        return [Group({"name": "a", "n": 1}, "a")]


def grouped(last, **changes):
    provider = Grouped(
        "client-1", "s3cret-of-client", openid=True, issuer=ISSUER, discovery=True, name="example"
    )
    return log_in(provider, granted(sign(claims())), keys(), user(), last, fetch_groups=True, **changes)[0]


def test_groups_are_part_of_the_profile():
    got = grouped(answer([]))
    assert got.profile.groups == (("a", {"name": "a", "n": 1}),)
    assert got.profile.groups_complete


def test_groups_that_are_too_many_are_incomplete():
    got = grouped(answer([], 206))
    assert (got.profile.groups, got.profile.groups_complete, got.warning) == ((), False, None)


@pytest.mark.parametrize("failure", [ConnectFailed("no route"), answer(b"", 500)])
def test_groups_that_cannot_be_had_are_a_warning(failure):
    got = grouped(failure)
    assert got.profile.name == "Ada"
    assert not got.profile.groups_complete
    assert got.warning is not None


def test_groups_come_from_a_claim_without_a_request():
    got, asked = log_in(
        openid(groups_claim="groups"), granted(sign(claims(groups=["a", "b"]))), keys(), user(), fetch_groups=True
    )
    assert [name for name, _ in got.profile.groups] == ["a", "b"]
    assert len(asked) == 3


# ── keys ──


def known(directory, *several, at=NOW):
    """A directory that has fetched keys once."""
    log_in(
        openid(),
        granted(sign(claims(exp=at + 300))),
        keys(rsa(), *several),
        directory=directory,
        fetch_user=False,
        now=at,
    )
    return directory


def test_keys_at_hand_are_not_asked_for_again():
    directory = known(Directory())
    _, asked = log_in(openid(), granted(sign(claims())), directory=directory, fetch_user=False, now=NOW + 200)
    assert paths(asked) == ["/token"]


def test_a_key_rotated_just_before_signing_is_found():
    directory = known(Directory())
    token = sign(claims(), rsa("rotated"))
    got, asked = log_in(
        openid(), granted(token), keys(rsa("rotated")), directory=directory, fetch_user=False, now=NOW + 1
    )
    assert got.subject == "user-1"
    assert paths(asked) == ["/token", "/jwks"]


def test_a_storm_of_unknown_kids_asks_once_a_minute():
    directory = known(Directory())
    for second in range(1, 61):
        forged = sign(claims(), rsa("rotated"), kid=f"kid-{second}")
        answers = [keys()] if second == 1 else []
        with pytest.raises(TokensRefused) as caught:
            log_in(openid(), granted(forged), *answers, directory=directory, now=NOW + second)
        assert caught.value.cause.check == "kid"
    token = granted(sign(claims(), rsa("rotated")))
    assert log_in(openid(), token, keys(rsa("rotated")), directory=directory, now=NOW + 62, fetch_user=False)


def test_a_storm_while_the_keys_cannot_be_had_asks_once_a_minute_too():
    directory = known(Directory())
    forged = sign(claims(), rsa("rotated"))
    for second, answers in ((1, [ConnectFailed("no route")]), (2, []), (59, [])):
        with pytest.raises(TokensRefused):
            log_in(openid(), granted(forged), *answers, directory=directory, now=NOW + second)


@pytest.mark.parametrize("failure", [ConnectFailed("no route"), answer(b"", 500), answer(b"<html>")])
def test_old_keys_serve_for_a_day_while_new_ones_cannot_be_had(failure):
    directory = known(Directory())
    for age, served in ((301, True), (86_399, True), (86_401, False)):
        token = granted(sign(claims(exp=NOW + age + 300, iat=NOW + age)))
        if served:
            assert log_in(openid(), token, failure, directory=directory, fetch_user=False, now=NOW + age)
        else:
            with pytest.raises(TokensRefused):
                log_in(openid(), token, failure, directory=directory, fetch_user=False, now=NOW + age)


def test_keys_of_one_issuer_do_not_verify_anothers_tokens():
    directory = known(Directory())
    other = openid(issuer="https://other.example")
    metadata = msgspec.structs.replace(METADATA, issuer="https://other.example", jwks_uri="https://other.example/jwks")
    token = sign(claims(iss="https://other.example"))
    with pytest.raises(TokensRefused) as caught:
        log_in(other, granted(token), keys(rsa("rotated")), directory=directory, metadata=metadata)
    assert caught.value.cause.check == "kid"


def test_a_forgotten_issuer_is_asked_anew():
    directory = known(Directory())
    drive(discover(openid(), directory, NOW), answer(DOCUMENT))
    directory.forget(ISSUER)
    assert directory.metadata(ISSUER, NOW) is None
    assert directory.keys(METADATA) is None


# ── refresh ──

BEFORE = Token(
    "old", scope=("openid",), refresh_token="canary-old-refresh", id_token="old.id.token", extra={"openid": "x"}
)


def renew(provider, *answers, token=BEFORE, claims_=None, directory=None, **changes):
    flow = refresh(
        provider, METADATA, directory or Directory(), token=token, claims=claims_ or claims(), now=NOW, **changes
    )
    return drive(flow, *answers)


def test_a_refresh_brings_new_tokens_and_keeps_the_rest():
    got, asked = renew(openid(), answer({"access_token": "new", "expires_in": 60}))
    assert form_of(asked[0])["refresh_token"] == "canary-old-refresh"
    assert got.token == Token(
        "new", scope=("openid",), expires_in=60.0, expires_at=NOW + 60, refresh_token="canary-old-refresh",
        id_token="old.id.token", extra={"openid": "x"},
    )  # fmt: skip
    assert (got.issuer, got.subject, got.claims) == (ISSUER, "user-1", claims())


def test_a_new_refresh_token_replaces_the_old():
    got, _ = renew(openid(), answer({"access_token": "new", "refresh_token": "new-refresh"}))
    assert got.token.refresh_token == "new-refresh"


def test_a_refreshed_id_token_is_checked_and_taken():
    token = sign(claims(nonce=None, iat=NOW + 1))
    got, asked = renew(openid(), granted(token), keys())
    assert got.token.id_token == token
    assert got.claims["iat"] == NOW + 1
    assert paths(asked) == ["/token", "/jwks"]


@pytest.mark.parametrize(
    ("changes", "check"),
    [({"sub": "user-2"}, "sub"), ({"iss": "https://evil.example"}, "iss"), ({"aud": "client-2"}, "aud")],
)
def test_a_refreshed_id_token_of_somebody_else_is_refused_with_the_new_tokens_at_hand(changes, check):
    with pytest.raises(TokensRefused) as caught:
        renew(openid(), granted(sign(claims(nonce=None, **changes))), keys())
    assert caught.value.cause.check == check
    assert caught.value.token.refresh_token == "canary-refresh"


@pytest.mark.parametrize("failure", [ConnectFailed("no route"), DeadlineExceeded("slow"), answer(b"", 500)])
def test_keys_that_cannot_be_had_do_not_lose_refreshed_tokens(failure):
    got, _ = renew(openid(), granted(sign(claims(nonce=None))), failure)
    assert got.token.refresh_token == "canary-refresh"
    assert got.token.id_token == "old.id.token"
    assert got.claims == claims()
    assert got.warning is not None


def test_a_provider_without_openid_refreshes_too():
    got, asked = renew(plain(), answer({"access_token": "new"}), claims_=None)
    assert got.token.access_token == "new"
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("failure", "kind", "sent"),
    [(answer({"error": "invalid_grant"}, 400), InvalidGrant, Sent.YES), (answer(b"", 502), ServerError, Sent.UNKNOWN),
     (ConnectFailed("no route"), ConnectFailed, Sent.NO), (DeadlineExceeded("slow"), DeadlineExceeded, Sent.UNKNOWN)],
)  # fmt: skip
def test_a_failed_refresh_says_whether_it_may_have_arrived(failure, kind, sent):
    with pytest.raises(kind) as caught:
        renew(openid(), failure)
    assert (caught.value.phase, caught.value.sent) == (Phase.REFRESH, sent)
    assert pickle.loads(pickle.dumps(caught.value)).phase is Phase.REFRESH


def test_without_a_refresh_token_there_is_no_refresh():
    with pytest.raises(InvalidCall):
        renew(openid(), token=Token("old"))


# ── profile and revocation ──


def test_the_profile_can_be_asked_for_later_and_nothing_is_softened():
    flow = fetch_profile(
        openid(), METADATA, Directory(), token=BEFORE, claims=claims(), fetch_groups=True, now=NOW
    )
    answered = user(_claim_names={"score": "one"}, _claim_sources={"one": {"access_token": "of-another"}})
    profile = drive(flow, answered)[0]
    assert profile.name == "Ada"
    assert "_claim_sources" not in profile.data
    with pytest.raises(ServiceUnavailable):
        drive(fetch_profile(openid(), METADATA, Directory(), token=BEFORE, claims=claims(), now=NOW), answer(b"", 503))


def test_a_revoked_token_is_dead():
    done, asked = drive(revoke(openid(), METADATA, token="rt", token_type_hint="refresh_token"), answer(b""))
    assert done is True
    assert form_of(asked[0]) == {"token": "rt", "token_type_hint": "refresh_token"}


def test_a_provider_that_has_no_way_to_revoke_says_so():
    metadata = msgspec.structs.replace(METADATA, revocation_endpoint=None)
    assert drive(revoke(openid(), metadata, token="rt", token_type_hint="refresh_token")) == (False, [])


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (answer({"error": "unsupported_token_type"}, 400), OAuthError),
        (ConnectFailed("no route"), ConnectFailed),
    ],
)
def test_a_failed_revocation_is_an_error_of_that_phase(failure, kind):
    with pytest.raises(kind) as caught:
        drive(revoke(openid(), METADATA, token="rt", token_type_hint="refresh_token"), failure)
    assert caught.value.phase is Phase.REVOKE
