"""A client that registers itself, and an API that says where to sign in: from nothing known to a login."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from authflow import LoginFailed, State
from authflow.drive import Recorder
from authflow.errors import ConfigurationError, InsecureURL, NotSupported, OriginNotAllowed, ValidationFailed
from authflow.protocol.registration import ClientMetadata, client_id_document
from authflow.providers import OAuth2, OpenIDConnect
from authflow.stores import MemoryStore, SQLiteStore
from authflow.testing import DevProvider, ScriptedBrowser

from .support import REDIRECT_URI, FaultyStore, Heard, Process, World, go

APP = ClientMetadata(client_name="My application")


def self_registered(world: World, **settings: Any) -> Any:
    return OpenIDConnect(
        world.provider.issuer,
        **{
            "name": "acme",
            "registration": APP,
            "redirect_uri": REDIRECT_URI,
            "allow_insecure_loopback": True,
            **settings,
        },
    )


def for_api(world: World, **settings: Any) -> Any:
    return OAuth2.for_resource(
        world.provider.resource,
        **{
            "name": "acme",
            "client_name": "My agent",
            "redirect_uri": REDIRECT_URI,
            "allow_insecure_loopback": True,
            **settings,
        },
    )


def asked(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def forms(world: World, endpoint: str) -> int:
    return world.provider.count(endpoint)


async def call_api(world: World, session: Any, url: str | None = None) -> httpx.Response:
    url = url or world.provider.resource
    if world.is_async:
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.get(url, auth=session.auth)
    return httpx.get(url, auth=session.auth, trust_env=False)


# ── dynamic registration (RFC 7591) ──────────────────────────────────────────────────────────────────


async def test_the_first_login_registers_the_application(world: World) -> None:
    manager = world.manager(self_registered(world))
    session = manager["acme"]
    url, binding = await world.callback(session)
    await go(session.complete(url, binding=binding))
    assert session.live
    assert session.user.name == "Ada Lovelace"
    assert session.claims["aud"] == session.provider.client_id != ""
    assert session.provider.client_auth == "client_secret_basic"
    assert forms(world, "register") == 1
    assert session.provider.client_secret not in repr(session.provider)


@pytest.mark.parametrize("remembers", [True, False])
async def test_the_provider_of_an_api_signs_out_what_it_signed_in(world: World, remembers: bool) -> None:
    shared = MemoryStore(time=world.clock.time)
    manager = world.manager(for_api(world, openid=True, scopes=["openid"]), store=Process(shared))
    session = manager.owner("ada")["acme"]
    await go_login(world, session)
    assert session.claims["iss"] == world.provider.issuer
    token = world.provider.logout_token("ada", client_id=session.provider.client_id)
    one = manager if remembers else world.manager(for_api(world, openid=True, scopes=["openid"]), store=Process(shared))

    done = await go(one.back_channel_logout(token))

    assert (done.provider, done.ended) == ("acme", (session.key,))


async def test_a_server_that_no_api_has_named_signs_nobody_out(world: World) -> None:
    session = world.manager(for_api(world, openid=True, scopes=["openid"]))["acme"]
    await go_login(world, session)
    token = world.provider.logout_token("ada", client_id=session.provider.client_id)
    stranger = world.manager(for_api(world, openid=True, scopes=["openid"]))
    with pytest.raises(ValidationFailed) as failed:
        await go(stranger.back_channel_logout(token))
    assert failed.value.check == "iss"
    assert session.live


async def test_all_logins_that_follow_use_that_registration(world: World) -> None:
    manager = world.manager(self_registered(world), single_user=False)
    for owner in ("one", "two"):
        await go_login(world, manager.owner(owner)["acme"])
    assert world.provider.count("register") == 1
    await go(manager.owner("one")["acme"].refresh())
    result = await go(manager.owner("two")["acme"].logout())
    assert result.errors == ()


async def go_login(world: World, session: Any, user: str = "ada", **arguments: Any) -> Any:
    url, binding = await world.callback(session, user, **arguments)
    return await go(session.complete(url, binding=binding))


async def test_a_registration_outlives_the_program(world: World, tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "sessions.db")
    first = world.manager(self_registered(world), store=store)
    await go_login(world, first["acme"])
    client_id = first["acme"].provider.client_id
    await go(first.close())

    second = world.manager(self_registered(world), store=store)
    await go(second["acme"].refresh())
    assert second["acme"].provider.client_id == client_id
    assert world.provider.count("register") == 1
    assert client_id.encode() not in (tmp_path / "sessions.db").read_bytes()  # it lies there sealed
    store.close()


async def test_a_login_is_completed_by_a_process_that_did_not_begin_it(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    here = world.manager(self_registered(world), store=Process(shared))
    there = world.manager(self_registered(world), store=Process(shared))
    url, binding = await world.callback(here["acme"])
    await go(there.complete(url, binding=binding))
    assert there["acme"].live


async def test_of_two_registrations_at_once_the_first_stored_counts_and_the_other_is_given_back(world: World) -> None:
    shared = MemoryStore(time=world.clock.time)
    store = Process(shared)
    here = world.manager(self_registered(world), store=store)
    there = world.manager(self_registered(world), store=Process(shared))
    with world.hold("register", after=True) as held:
        slow = world.start(lambda: here.register("acme", redirect_uri=REDIRECT_URI))
        await world.arrived(held)
        world.provider._gate._holds.clear()
        won = await go(there.register("acme", redirect_uri=REDIRECT_URI))
        held.release()
        assert (await slow).client_id == won.client_id
    assert len([name for name in world.provider.clients if name != "dev-app"]) == 1


@pytest.mark.parametrize(
    ("redirect_uri", "kind", "method"),
    [(REDIRECT_URI, "web", "client_secret_basic"), (None, "native", "none"), ("com.example.app:/cb", "native", "none")],
)
async def test_a_program_on_the_users_machine_registers_as_native_and_keeps_no_secret(
    world: World, redirect_uri: str | None, kind: str, method: str
) -> None:
    said: list[Any] = []
    world.provider.tamper["registration"] = said.append
    manager = world.manager(self_registered(world, redirect_uri=None))
    known = await go(manager.register("acme", redirect_uri=redirect_uri))
    assert said[0]["application_type"] == kind
    assert said[0]["redirect_uris"] == [redirect_uri or "http://127.0.0.1/callback/acme"]
    assert said[0]["client_name"] == "My application"
    assert (known.token_endpoint_auth_method, known.client_secret is None) == (method, method == "none")


@pytest.mark.parametrize(
    ("settings", "registered"),
    [
        ({"loopback_port": 8976}, "http://127.0.0.1:8976/callback/acme"),
        ({"loopback_host": "::1"}, "http://[::1]/callback/acme"),
        ({"loopback_host": "::1", "loopback_port": 8976}, "http://[::1]:8976/callback/acme"),
        ({"loopback_host": "localhost", "loopback_port": 8976}, "http://localhost:8976/callback/acme"),
        ({"callback_path": "/here"}, "http://127.0.0.1/here"),
    ],
)
async def test_the_redirect_that_is_registered_beforehand_is_the_one_of_the_settings(
    world: World, settings: dict[str, Any], registered: str
) -> None:
    manager = world.manager(self_registered(world, redirect_uri=None, **settings))
    known = await go(manager.register("acme"))
    assert known.redirect_uris == (registered,)


async def test_a_login_uses_what_was_registered_beforehand_for_its_fixed_port(world: World) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    manager = world.manager(self_registered(world, redirect_uri=None, loopback_port=port))
    await go(manager.register("acme"))
    with ScriptedBrowser("ada") as ada:
        await go(manager["acme"].login(open_url=ada))
    assert manager["acme"].live
    assert world.provider.count("register") == 1


async def test_a_secret_that_has_ended_is_renewed_and_the_session_goes_on(world: World) -> None:
    world.provider.client_secret_ttl = 3600.0
    manager = world.manager(self_registered(world))
    session = manager["acme"]
    await go_login(world, session)
    before = session.provider
    await world.pass_time(4000)
    await go(session.refresh())
    assert session.provider.client_id == before.client_id
    assert session.provider.client_secret != before.client_secret
    assert len(world.provider.clients) == 2


async def test_a_registration_that_is_gone_there_is_made_anew_at_the_next_login(world: World) -> None:
    world.provider.client_secret_ttl = 3600.0
    manager = world.manager(self_registered(world))
    session = manager["acme"]
    await go_login(world, session)
    gone = session.provider.client_id
    await go(session.logout())
    world.provider._registration._tokens.clear()
    await world.pass_time(4000)
    await go_login(world, session)
    assert session.live
    assert session.provider.client_id != gone


async def test_a_client_id_document_comes_before_a_registration(world: World) -> None:
    url = "https://app.example/client.json"
    app = ClientMetadata(client_name="My application", client_id_metadata_url=url)
    document = client_id_document(app, REDIRECT_URI)
    assert (document["client_id"], document["token_endpoint_auth_method"]) == (url, "none")
    world.provider.client_document(document)

    manager = world.manager(self_registered(world, registration=app))
    session = manager["acme"]
    await go_login(world, session)

    assert (session.provider.client_id, session.provider.client_secret) == (url, None)
    assert world.provider.count("register") == 0


async def test_a_server_that_reads_no_documents_registers(world: World) -> None:
    app = ClientMetadata(client_name="My application", client_id_metadata_url="https://app.example/client.json")
    manager = world.manager(self_registered(world, registration=app))
    await go_login(world, manager["acme"])
    assert world.provider.count("register") == 1


@pytest.mark.parametrize("url", ["http://app.example/c", "https://app.example", "https://app.example/../c", "x", ""])
def test_a_document_that_nobody_could_read_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        client_id_document(ClientMetadata(client_name="x", client_id_metadata_url=url), REDIRECT_URI)


async def test_a_server_that_registers_nobody_fails_the_login_with_a_remedy(world: World) -> None:
    world.provider.tamper["metadata"] = lambda told: {**told, "registration_endpoint": None}
    manager = world.manager(self_registered(world))
    heard = Heard(manager)
    with pytest.raises(LoginFailed, match="client_id="):
        await go(manager["acme"].begin())
    assert manager["acme"].state is State.IDLE
    assert heard.names == ["on_login_failed"]


@pytest.mark.parametrize(
    "lie",
    [
        lambda told: {**told, "client_id": None},
        lambda told: {**told, "client_id": 7},
        lambda told: {**told, "client_id": "a\nb"},
        lambda told: {**told, "client_secret": None},
        lambda told: {**told, "client_secret_expires_at": "soon"},
        lambda told: {**told, "redirect_uris": "https://app.example"},
        lambda told: {**told, "token_endpoint_auth_method": "private_key_jwt"},
        lambda told: {**told, "registration_client_uri": "https://evil.example/register/1"},
        lambda told: {**told, "registration_client_uri": "http://10.0.0.1/register/1"},
    ],
)
async def test_a_registration_that_makes_no_sense_is_kept_nowhere(world: World, lie: Any) -> None:
    world.provider.tamper["registration"] = lie
    store = FaultyStore(world.clock)
    manager = world.manager(self_registered(world), store=store)
    with pytest.raises(LoginFailed):
        await go(manager["acme"].begin())
    assert list(store.keys("client/")) == []
    assert manager["acme"].state is State.IDLE


async def test_an_issuer_that_is_configured_twice_has_a_registration_for_each(world: World) -> None:
    manager = world.manager(self_registered(world), self_registered(world, name="other"))
    for name in ("acme", "other"):
        await go_login(world, manager[name])
    assert manager["acme"].provider.client_id != manager["other"].provider.client_id


# ── managing it (RFC 7592) ───────────────────────────────────────────────────────────────────────────


async def test_a_registration_is_read_changed_and_deleted(world: World) -> None:
    manager = world.manager(self_registered(world))
    made = await go(manager.register("acme", redirect_uri=REDIRECT_URI))
    read = await go(manager.read_registration("acme"))
    assert read.client_id == made.client_id
    assert read.registration_access_token != made.registration_access_token  # another one each time, and kept

    more = ClientMetadata(client_name="A better name", redirect_uris=(REDIRECT_URI, "https://app.example/second"))
    changed = await go(manager.update_registration("acme", more))
    assert changed.redirect_uris == more.redirect_uris
    assert world.provider._registration._members[made.client_id]["client_name"] == "A better name"

    await go(manager.delete_registration("acme"))
    assert made.client_id not in world.provider.clients
    with pytest.raises(ConfigurationError, match="not known any more"):
        await go(manager.read_registration("acme"))
    assert made.client_secret not in repr(made)
    assert made.registration_access_token not in repr(made)


async def test_a_registration_that_cannot_be_managed_says_so(world: World) -> None:
    world.provider.tamper["registration"] = lambda told: {
        name: value for name, value in told.items() if not name.startswith("registration_")
    }
    manager = world.manager(self_registered(world))
    await go(manager.register("acme", redirect_uri=REDIRECT_URI))
    with pytest.raises(NotSupported):
        await go(manager.read_registration("acme"))


async def test_a_client_that_was_registered_by_hand_is_not_managed_here(world: World) -> None:
    with pytest.raises(NotSupported):
        await go(world.manager().read_registration("acme"))


# ── protected resources (RFC 9728) ───────────────────────────────────────────────────────────────────


async def test_from_the_401_of_an_api_to_a_login(world: World) -> None:
    manager = world.manager(for_api(world))
    session = manager["acme"]
    request = await go(session.begin())
    assert asked(request.url)["resource"] == world.provider.resource
    await go(session.complete(world.walk(request.url), binding=request.binding))

    answer = await call_api(world, session)
    assert (answer.status_code, answer.json()["login"]) == (200, "ada")
    assert (session.user, session.claims) == (None, {})
    assert [one.path for one in world.provider.requests][:3] == [
        "/api/me", "/.well-known/oauth-protected-resource/api/me", "/.well-known/oauth-authorization-server",
    ]  # fmt: skip


async def test_the_resource_goes_along_in_all_three_requests(world: World) -> None:
    seen: list[tuple[str, str]] = []

    class Seen(Recorder):
        def request(self, key: Any, story: str, asked: Any) -> None:
            request = asked.request
            if request.method == "POST" and request.url.path == "/token":
                form = dict(httpx.QueryParams(request.content.decode()))
                seen.append((form["grant_type"], form["resource"]))

    manager = world.manager(for_api(world), trace=Seen())
    await go_login(world, manager["acme"])
    await go(manager["acme"].refresh())
    resource = world.provider.resource
    assert seen == [("authorization_code", resource), ("refresh_token", resource)]


async def test_what_the_401_asks_for_is_asked_for_and_to_stay_signed_in(world: World) -> None:
    session = world.manager(for_api(world))["acme"]
    request = await go(session.begin())
    assert asked(request.url)["scope"].split() == ["profile", "offline_access"]

    own = world.manager(for_api(world, scopes=["email"]))["acme"]
    assert asked((await go(own.begin())).url)["scope"] == "email"


async def test_an_api_that_says_nothing_in_its_401_is_found_by_its_well_known_metadata(world: World) -> None:
    world.provider.fail_next("api", 401)
    manager = world.manager(for_api(world))
    await go_login(world, manager["acme"])
    assert manager["acme"].live


async def test_an_api_whose_metadata_lie_at_its_root_is_found(world: World) -> None:
    world.provider.fail_next("api", 405)
    world.provider.fail_next("resource_metadata", 404)
    manager = world.manager(for_api(world))
    await go_login(world, manager["acme"])
    paths = [one.path for one in world.provider.requests if "protected-resource" in one.path]
    assert paths == ["/.well-known/oauth-protected-resource/api/me", "/.well-known/oauth-protected-resource"]


async def test_more_scope_is_a_step_up_with_the_union_for_whoever_it_is(world: World) -> None:
    manager = world.manager(for_api(world))
    session = manager["acme"]
    await go_login(world, session)
    world.provider.demand(scope=["files:write"])
    assert (await call_api(world, session)).status_code == 403
    assert session.step_up_required.scope == ("files:write",)

    request = await go(session.begin(step_up=True))
    assert set(asked(request.url)["scope"].split()) == {"profile", "offline_access", "files:write"}
    assert asked(request.url)["resource"] == world.provider.resource
    await go(session.complete(world.walk(request.url), binding=request.binding))
    assert (await call_api(world, session)).status_code == 200


async def test_a_server_that_does_not_say_that_it_does_pkce_is_refused(world: World) -> None:
    world.provider.tamper["metadata"] = lambda told: {**told, "code_challenge_methods_supported": None}
    with pytest.raises(LoginFailed, match="PKCE"):
        await go(world.manager(for_api(world))["acme"].begin())
    request = await go(world.manager(for_api(world, assumes_s256=True))["acme"].begin())
    assert asked(request.url)["code_challenge_method"] == "S256"


@pytest.mark.parametrize(
    ("lie", "check"),
    [
        ({"resource": "https://other.example/api"}, "resource"),
        ({"resource": "RESOURCE/elsewhere"}, "resource"),
        ({"resource": None}, None),
        ({"resource": 7}, None),
        ({"authorization_servers": []}, None),
        ({"authorization_servers": None}, None),
        ({"authorization_servers": "https://as.example"}, None),
        ({"authorization_servers": ["https://as.example"] * 50}, None),
        ({"authorization_servers": ["http://as.example"]}, None),
        ({"authorization_servers": ["javascript:alert(1)"]}, None),
    ],
)
async def test_metadata_that_are_not_this_apis_or_lead_nowhere_are_not_used(
    world: World, lie: dict[str, Any], check: str | None
) -> None:
    def told(document: dict[str, Any]) -> dict[str, Any]:
        changed = {**document, **lie}
        if isinstance(changed["resource"], str):
            changed["resource"] = changed["resource"].replace("RESOURCE", world.provider.resource)
        return changed

    world.provider.tamper["resource_metadata"] = told
    manager = world.manager(for_api(world))
    with pytest.raises(LoginFailed) as failed:
        await go(manager["acme"].begin())
    assert failed.value.check == check
    assert world.provider.count("register") == 0
    assert manager["acme"].state is State.IDLE


@pytest.mark.parametrize(
    ("where", "server"),
    [
        ("https://169.254.169.254/latest", "https://as.example"),
        ("http://localhost/x", "https://as.example"),
        ("https://api.example/.well-known/oauth-protected-resource/mcp", "https://10.0.0.1"),
        ("https://api.example/.well-known/oauth-protected-resource/mcp", "https://2130706433"),
    ],
)
async def test_an_api_on_the_public_network_leads_into_no_private_one(world: World, where: str, server: str) -> None:

    def api(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/mcp":
            return httpx.Response(401, headers={"www-authenticate": f'Bearer resource_metadata="{where}"'})
        document = {"resource": "https://api.example/mcp", "authorization_servers": [server]}
        return httpx.Response(200, json=document)

    http: Any = httpx.MockTransport(api)
    manager = world.manager(OAuth2.for_resource("https://api.example/mcp", redirect_uri=REDIRECT_URI), http=http)
    with pytest.raises(LoginFailed) as failed:
        await go(manager["api.example"].begin())
    assert failed.value.code == InsecureURL.code


async def test_a_provider_by_its_api_trusts_the_apis_own_host_only(world: World) -> None:
    from authflow.operations.wire import trusted_hosts

    assert trusted_hosts(OAuth2.for_resource("https://api.example/mcp")) == {"api.example"}


async def test_a067_credentials_stay_with_the_issuer_that_gave_them(world: World) -> None:
    """The API names another server: the registered client, and what this session holds, are not sent there."""
    store = MemoryStore(time=world.clock.time)
    manager = world.manager(for_api(world), store=store)
    session = manager["acme"]
    await go_login(world, session)
    held = {session.provider.client_id, (await go(session.token())).refresh_token}

    with DevProvider(label="Other", auto="ada", algorithm="ES256", clock=world.provider._clock).serve() as other:
        world.provider.tamper["resource_metadata"] = lambda told: {**told, "authorization_servers": [other.issuer]}

        with pytest.raises(LoginFailed, match="another authorization server"):
            await go(session.begin(prompt="login"))
        await go(session.refresh())  # the live session goes on where it signed in
        assert other.count("token") == 0

        await go(session.logout())
        assert other.count("revoke") == 0
        request = await go(session.begin())
        assert request.url.startswith(other.url)
        assert session.provider.client_id not in held
        answer = httpx.get(request.url, trust_env=False)
        await go(session.complete(answer.headers["location"], binding=request.binding))
        assert not held & other.secrets
        assert len(list(store.keys("client/"))) == 2


async def test_a067_a_client_that_was_registered_by_hand_is_sent_to_its_own_server_only(world: World) -> None:
    client = world.provider.clients["dev-app"]
    client.redirect_uris.append(REDIRECT_URI)
    provider = for_api(world, client_id="dev-app", client_secret=client.client_secret, issuer=world.provider.issuer)
    manager = world.manager(provider)
    await go_login(world, manager["acme"])
    assert manager["acme"].provider.client_id == "dev-app"
    await go(manager["acme"].logout())

    world.provider.tamper["resource_metadata"] = lambda told: {**told, "authorization_servers": ["https://as.example"]}
    with pytest.raises(LoginFailed) as failed:
        await go(manager["acme"].begin())
    assert failed.value.check == "issuer"


def test_a067_a_client_id_without_its_server_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="issuer="):
        OAuth2.for_resource("https://api.example/mcp", client_id="x")


async def test_a071_a_token_for_an_api_goes_to_no_other(world: World) -> None:
    manager = world.manager(for_api(world))
    await go_login(world, manager["acme"])
    for url in ("https://counterfeit.example/mcp", "http://127.0.0.1:1/api/me", f"https://{world.provider.url[7:]}"):
        with pytest.raises(OriginNotAllowed):
            await call_api(world, manager["acme"], url)


async def test_a071_a_redirect_to_a_counterfeit_api_loses_the_token(world: World) -> None:
    manager = world.manager(for_api(world))
    session = manager["acme"]
    await go_login(world, session)
    seen: list[str | None] = []

    def api(request: httpx.Request) -> httpx.Response:
        if request.url.host == "counterfeit.example":
            seen.append(request.headers.get("authorization"))
            return httpx.Response(401, headers={"www-authenticate": "Bearer"})
        return httpx.Response(307, headers={"location": "https://counterfeit.example/mcp"})

    transport = httpx.MockTransport(api)
    if world.is_async:
        async with httpx.AsyncClient(transport=transport, follow_redirects=True) as client:
            await client.get(world.provider.resource, auth=session.auth)
    else:
        with httpx.Client(transport=transport, follow_redirects=True) as client:
            client.get(world.provider.resource, auth=session.auth)
    assert seen == [None]


async def test_a071_a_token_that_was_made_for_another_api_opens_nothing_here(world: World) -> None:
    """The other side of it: the API takes only tokens that name it (RFC 8707)."""
    session = await world.sign_in(world.manager(world.settings(authorization_params={"resource": "https://x.example"}))["acme"])
    assert (await call_api(world, session)).status_code == 401


async def test_what_is_known_of_a_server_is_asked_for_as_the_client_that_is_registered_there(world: World) -> None:
    manager = world.manager(self_registered(world))
    with pytest.raises(ConfigurationError):
        await go(manager.discover("acme"))
    await go_login(world, manager["acme"])
    assert (await go(manager.discover("acme"))).issuer == world.provider.issuer
