from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from authflow.errors import ConfigurationError
from authflow.testing import DevProvider, DevUser, VirtualClock
from authflow.testing.answers import half_hash
from tests.testing.plain_client import ISSUER, REDIRECT_URI, PlainClient, answer_of


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def provider(clock: VirtualClock) -> DevProvider:
    return DevProvider(issuer=ISSUER, auto="ada", algorithm="ES256", clock=clock)


@pytest.fixture
async def client(provider: DevProvider) -> AsyncIterator[PlainClient]:
    async with PlainClient(provider) as made:
        yield made


# ── the code flow ────────────────────────────────────────────────────────────────────────────────────


async def test_the_code_flow_ends_in_tokens_and_a_valid_id_token(provider: DevProvider, client: PlainClient) -> None:
    back = answer_of(await client.authorize())
    assert (back["state"], back["iss"]) == (client.state, ISSUER)

    answer = (await client.exchange(back["code"])).json()
    keys = KeySet.import_key_set((await client.get("/jwks")).json())
    token = jwt.decode(answer["id_token"], keys, algorithms=["ES256"])

    ada = provider.known_user("ada")
    now = int(provider.now())
    assert token.claims == {
        "iss": ISSUER,
        "sub": ada.sub,
        "aud": "dev-app",
        "iat": now,
        "exp": now + 3600,
        "auth_time": now,
        "nonce": client.nonce,
        "at_hash": half_hash(answer["access_token"], "ES256"),
        "sid": token.claims["sid"],
        "name": "Ada Lovelace",
        "preferred_username": "ada",
        "email": "ada@example.com",
        "email_verified": True,
        "groups": ["engineers", "admins"],
    }
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3600)
    assert answer["scope"] == "openid profile email groups"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_id_tokens_verify_with_the_published_keys(algorithm: str) -> None:
    provider = DevProvider(issuer=ISSUER, auto="ada", algorithm=algorithm)  # type: ignore[arg-type]
    async with PlainClient(provider) as client:
        answer = (await client.exchange()).json()
        published = (await client.get("/jwks")).json()
        metadata = (await client.get("/.well-known/openid-configuration")).json()
    assert metadata["id_token_signing_alg_values_supported"] == [algorithm]
    assert "d" not in published["keys"][0]
    registry = None
    if algorithm == "EdDSA":
        from authflow.testing.signing import Signers

        registry = Signers()
    token = jwt.decode(answer["id_token"], KeySet.import_key_set(published), algorithms=[algorithm], registry=registry)
    assert token.header == {"alg": algorithm, "kid": published["keys"][0]["kid"], "typ": "JWT"}


async def test_metadata_is_served_for_openid_and_for_oauth(client: PlainClient) -> None:
    openid = (await client.get("/.well-known/openid-configuration")).json()
    oauth = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert openid == oauth
    assert openid["issuer"] == ISSUER
    assert openid["code_challenge_methods_supported"] == ["S256"]
    assert openid["authorization_response_iss_parameter_supported"] is True


@pytest.mark.parametrize("way", ["basic", "post"])
async def test_a_client_may_send_its_secret_either_way(provider: DevProvider, client: PlainClient, way: str) -> None:
    secret = provider.clients["dev-app"].client_secret or ""
    form = {
        "grant_type": "authorization_code",
        "code": await client.code(),
        "redirect_uri": REDIRECT_URI,
        "code_verifier": client.verifier,
    }
    if way == "basic":
        answer = await client.http.post("/token", data=form, auth=("dev-app", secret))
    else:
        answer = await client.http.post("/token", data={**form, "client_id": "dev-app", "client_secret": secret})
    assert answer.status_code == 200


async def test_a_public_client_needs_no_secret(provider: DevProvider) -> None:
    provider.client("phone", None, redirect_uris=[REDIRECT_URI])
    async with PlainClient(provider, "phone") as client:
        assert (await client.exchange()).status_code == 200


async def test_a_wrong_secret_is_refused_with_a_challenge(client: PlainClient) -> None:
    answer = await client.token({"grant_type": "authorization_code"}, auth=("dev-app", "wrong-secret"))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_public_client_with_a_secret_is_refused(provider: DevProvider, client: PlainClient) -> None:
    provider.client("phone", None, redirect_uris=[REDIRECT_URI])
    answer = await client.token({"grant_type": "authorization_code"}, auth=("phone", "made-up"))
    assert answer.json()["error"] == "invalid_client"


async def test_two_ways_of_client_authentication_at_once_are_refused(client: PlainClient) -> None:
    answer = await client.exchange(await client.code(), client_secret="another")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


async def test_a_secret_with_odd_characters_is_form_decoded(provider: DevProvider, client: PlainClient) -> None:
    provider.client("dev-app", "a:b%c+d e", redirect_uris=[REDIRECT_URI])
    auth = ("dev-app", "a%3Ab%25c%2Bd+e")
    form = {"code": await client.code(), "redirect_uri": REDIRECT_URI, "code_verifier": client.verifier}
    answer = await client.token({"grant_type": "authorization_code", **form}, auth=auth)
    assert answer.status_code == 200


# ── what it refuses ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("changes", [{"code_challenge": None}, {"code_challenge_method": "plain"},
                                     {"code_challenge_method": None}, {"code_challenge": "short"}])  # fmt: skip
async def test_a_request_without_an_s256_challenge_is_refused(
    client: PlainClient, changes: dict[str, str | None]
) -> None:
    back = answer_of(await client.authorize(**changes))
    assert (back["error"], back["state"], back["iss"]) == ("invalid_request", client.state, ISSUER)


async def test_a_wrong_verifier_is_refused_and_spends_the_code(client: PlainClient) -> None:
    code = await client.code()
    wrong = await client.exchange(code, code_verifier="w" * 43)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")
    assert (await client.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_missing_verifier_is_refused(client: PlainClient) -> None:
    form = {"grant_type": "authorization_code", "code": await client.code(), "redirect_uri": REDIRECT_URI}
    assert (await client.token(form)).json()["error"] == "invalid_request"


async def test_a_code_works_once_and_its_second_use_revokes_what_it_gave(
    provider: DevProvider, client: PlainClient
) -> None:
    code = await client.code()
    answer = (await client.exchange(code)).json()
    assert provider.accepts(answer["access_token"])
    assert (await client.exchange(code)).json()["error"] == "invalid_grant"
    assert not provider.accepts(answer["access_token"])
    assert not provider.accepts(answer["refresh_token"])


async def test_a_code_lives_for_a_minute(client: PlainClient, clock: VirtualClock) -> None:
    code = await client.code()
    clock.advance(60)
    assert (await client.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_code_belongs_to_one_client(provider: DevProvider, client: PlainClient) -> None:
    code = await client.code()
    provider.client("other", redirect_uris=[REDIRECT_URI])
    client.client_id = "other"
    assert (await client.exchange(code)).json()["error"] == "invalid_grant"


async def test_a_code_belongs_to_one_redirect_uri(client: PlainClient) -> None:
    answer = await client.exchange(await client.code(), redirect_uri="http://127.0.0.1:1/callback")
    assert answer.json()["error"] == "invalid_grant"


async def test_a_token_request_that_says_a_thing_twice_is_refused(client: PlainClient) -> None:
    answer = await client.token({"grant_type": ["refresh_token", "authorization_code"]})  # type: ignore[dict-item]
    assert answer.json()["error"] == "invalid_request"


@pytest.mark.parametrize(("grant_type", "error"), [("password", "unsupported_grant_type"), ("", "invalid_request")])
async def test_another_grant_type_is_refused(client: PlainClient, grant_type: str, error: str) -> None:
    assert (await client.token({"grant_type": grant_type})).json()["error"] == error


# ── refresh ──────────────────────────────────────────────────────────────────────────────────────────


async def test_a_refresh_gives_new_tokens_for_the_same_login(
    provider: DevProvider, client: PlainClient, clock: VirtualClock
) -> None:
    first = (await client.exchange()).json()
    clock.advance(100)
    second = (await client.refresh(first["refresh_token"])).json()
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]

    before, after = (provider.read_hint(one["id_token"]) or {} for one in (first, second))
    assert {name: after[name] for name in ("iss", "sub", "aud", "auth_time", "sid")} == {
        name: before[name] for name in ("iss", "sub", "aud", "auth_time", "sid")
    }
    assert after["iat"] == before["iat"] + 100
    assert "nonce" not in after


async def test_strict_rotation_ends_the_family_at_the_second_use(provider: DevProvider, client: PlainClient) -> None:
    first = (await client.exchange()).json()
    second = (await client.refresh(first["refresh_token"])).json()
    assert (await client.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await client.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    assert not provider.accepts(second["access_token"])


async def test_within_the_grace_a_used_refresh_token_still_works(
    provider: DevProvider, client: PlainClient, clock: VirtualClock
) -> None:
    provider.rotation, provider.grace = "grace", 10
    first = (await client.exchange()).json()
    second = (await client.refresh(first["refresh_token"])).json()
    clock.advance(9)
    again = (await client.refresh(first["refresh_token"])).json()
    assert provider.accepts(again["refresh_token"])
    assert provider.accepts(second["refresh_token"])


async def test_after_the_grace_a_used_refresh_token_ends_the_family(
    provider: DevProvider, client: PlainClient, clock: VirtualClock
) -> None:
    provider.rotation, provider.grace = "grace", 10
    first = (await client.exchange()).json()
    second = (await client.refresh(first["refresh_token"])).json()
    clock.advance(10)
    assert (await client.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert not provider.accepts(second["refresh_token"])


async def test_without_rotation_the_refresh_token_stays_and_is_not_repeated(
    provider: DevProvider, client: PlainClient
) -> None:
    provider.rotation = "none"
    first = (await client.exchange()).json()
    for _ in range(3):
        answer = await client.refresh(first["refresh_token"])
        assert answer.status_code == 200
        assert "refresh_token" not in answer.json()


async def test_a_refresh_may_ask_for_less_but_not_for_more(client: PlainClient) -> None:
    first = (await client.exchange()).json()
    more = await client.refresh(first["refresh_token"], scope="openid admin")
    assert more.json()["error"] == "invalid_scope"
    less = await client.refresh(first["refresh_token"], scope="openid email")
    assert less.json()["scope"] == "openid email"


async def test_an_access_token_expires(provider: DevProvider, client: PlainClient, clock: VirtualClock) -> None:
    provider.access_token_ttl = 30
    token = (await client.exchange()).json()["access_token"]
    assert (await client.get("/api/me", token)).status_code == 200
    clock.advance(30)
    assert (await client.get("/api/me", token)).status_code == 401


async def test_a_provider_may_give_no_refresh_token_and_no_expiry(provider: DevProvider, client: PlainClient) -> None:
    provider.refresh_tokens, provider.access_token_ttl = False, None
    answer = (await client.exchange()).json()
    assert not {"refresh_token", "expires_in"} & set(answer)


async def test_ended_grants_are_dead_at_once(provider: DevProvider, client: PlainClient) -> None:
    answer = (await client.exchange()).json()
    assert provider.end_grants("grace") == 0
    assert provider.end_grants("ada") == 1
    assert not provider.accepts(answer["access_token"])
    assert (await client.refresh(answer["refresh_token"])).json()["error"] == "invalid_grant"


# ── userinfo, the API, revocation ────────────────────────────────────────────────────────────────────


async def test_userinfo_tells_what_the_scope_opens(client: PlainClient) -> None:
    token = (await client.exchange(await client.code(scope="openid email"))).json()["access_token"]
    claims = (await client.get("/userinfo", token)).json()
    assert set(claims) == {"sub", "email", "email_verified"}


async def test_userinfo_wants_the_openid_scope(client: PlainClient) -> None:
    answer = (await client.exchange(await client.code(scope="email"))).json()
    assert "id_token" not in answer
    assert (await client.get("/userinfo", answer["access_token"])).status_code == 403


async def test_the_api_wants_a_bearer_token_and_says_so(client: PlainClient) -> None:
    bare = await client.get("/api/me")
    wrong = await client.get("/api/me", "no-such-token")
    where = f"{client.provider.url}/.well-known/oauth-protected-resource/api/me"
    assert bare.headers["www-authenticate"] == f'Bearer realm="dev", resource_metadata="{where}"'
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    assert (bare.status_code, wrong.status_code) == (401, 401)


async def test_revoking_a_refresh_token_takes_the_grant_with_it(provider: DevProvider, client: PlainClient) -> None:
    answer = (await client.exchange()).json()
    auth = ("dev-app", provider.clients["dev-app"].client_secret or "")
    revoked = await client.http.post("/revoke", data={"token": answer["refresh_token"]}, auth=auth)
    assert revoked.status_code == 200
    assert not provider.accepts(answer["access_token"])


async def test_revoking_an_access_token_leaves_the_refresh_token(provider: DevProvider, client: PlainClient) -> None:
    answer = (await client.exchange()).json()
    auth = ("dev-app", provider.clients["dev-app"].client_secret or "")
    await client.http.post("/revoke", data={"token": answer["access_token"]}, auth=auth)
    assert not provider.accepts(answer["access_token"])
    assert provider.accepts(answer["refresh_token"])


async def test_revoking_an_unknown_token_is_no_error(provider: DevProvider, client: PlainClient) -> None:
    auth = ("dev-app", provider.clients["dev-app"].client_secret or "")
    assert (await client.http.post("/revoke", data={"token": "never-issued"}, auth=auth)).status_code == 200


async def test_a_client_cannot_revoke_the_token_of_another(provider: DevProvider, client: PlainClient) -> None:
    answer = (await client.exchange()).json()
    other = provider.client("other")
    auth = ("other", other.client_secret or "")
    refused = await client.http.post("/revoke", data={"token": answer["access_token"]}, auth=auth)
    assert refused.status_code == 400
    assert provider.accepts(answer["access_token"])


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_after_a_rotation_old_and_new_keys_are_published(provider: DevProvider, client: PlainClient) -> None:
    old = (await client.get("/jwks")).json()["keys"]
    provider.rotate_keys()
    both = (await client.get("/jwks")).json()["keys"]
    assert both[1:] == old
    assert provider.read_hint((await client.exchange()).json()["id_token"]) is not None


async def test_a_key_may_vanish_at_its_rotation(provider: DevProvider, client: PlainClient) -> None:
    old = (await client.get("/jwks")).json()["keys"]
    provider.rotate_keys(keep_old=False)
    new = (await client.get("/jwks")).json()["keys"]
    assert len(new) == 1
    assert new != old


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


def test_two_providers_have_no_secret_in_common() -> None:
    secrets = [DevProvider().clients["dev-app"].client_secret for _ in range(2)]
    assert len(set(secrets)) == 2
    assert all(secret and len(secret) > 40 for secret in secrets)


def test_no_secret_is_in_a_repr(provider: DevProvider) -> None:
    shown = f"{provider!r} {provider.clients!r}"
    assert not [secret for secret in provider.secrets if secret in shown]


@pytest.mark.parametrize(
    "settings",
    [{"style": "saml"}, {"algorithm": "HS256"}, {"rotation": "odd"}, {"auto": "nobody"}, {"issuer": "op.example"},
     {"issuer": "https://op.example/realm"}],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        DevProvider(**settings)  # type: ignore[arg-type]


def test_one_name_is_no_list_of_users() -> None:
    with pytest.raises(ConfigurationError, match=r"Write users=\['linus'\]"):
        DevProvider(users="linus")


def test_users_may_be_given_by_name() -> None:
    provider = DevProvider(users=["linus", DevUser("guido", email="guido@example.org")])
    assert provider.user("linus@example.com") == DevUser("linus", "Linus", "linus@example.com")
    assert provider.user("guido@example.org") is provider.users[1]
    assert provider.user("ada") is None


def test_a_provider_that_is_nowhere_has_no_issuer() -> None:
    with pytest.raises(ConfigurationError, match="not being served"):
        _ = DevProvider().issuer


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_its_extra_it_names_the_line_that_installs_it(missing: str) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from authflow.errors import MissingExtra\n"
        "from authflow.testing import VirtualClock, ScriptedBrowser\n"
        "try:\n    from authflow.testing import DevProvider\n"
        "except MissingExtra as error:\n    print(error.hint)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "Install it: pip install 'authflow-sessions[testing]'"


async def test_in_process_it_needs_no_socket(provider: DevProvider) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(provider.app)) as http:
        assert (await http.get(f"{ISSUER}/jwks")).status_code == 200
