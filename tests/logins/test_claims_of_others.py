"""Claims that lie elsewhere (OpenID Connect Core §5.6.2), fetched over real sockets: an endpoint that the provider
named leads into no private network, to no other place, and to no more than a token's size."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.responses import RedirectResponse, Response

from authflow.claim_sources import with_claims_of_others
from authflow.operations.wire import reach
from authflow.protocol.jwt import LONGEST_JWT
from authflow.protocol.messages import Granted
from authflow.providers import OpenIDConnect
from authflow.records import Profile, Token
from authflow.testing import DevProvider, ScriptedBrowser
from tests.testing.hosting import Host, hosted

from .conftest import go

TOKEN = "a-token-for-the-source"


@pytest.fixture
def host() -> Iterator[Host]:
    with hosted() as made:
        yield made


@pytest.fixture
async def make(colour: Any) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:

        def manager(provider: Any) -> Any:
            made = colour([provider], single_user=True)

            async def close() -> None:
                await go(made.close())

            stack.push_async_callback(close)
            return made

        yield manager


def told(endpoint: str) -> dict[str, Any]:
    return {
        "_claim_names": {"credit_score": "bank"},
        "_claim_sources": {"bank": {"endpoint": endpoint, "access_token": TOKEN}},
    }


async def collected(manager: Any, endpoint: str) -> Granted:
    """What a login at a public issuer would collect: its flow, on the wire of the session."""
    session = manager["acme"]
    profile = Profile(id="user-1", data={"sub": "user-1", **told(endpoint)})
    granted = Granted(token=Token("at"), subject="user-1", profile=profile)
    flow = with_claims_of_others(session.provider, manager._house.directory, granted, now=manager._house.clock.time())
    outcome: Granted = await go(manager._house.shell.run(str(session.key), reach(session, flow)))
    return outcome


def public_issuer() -> OpenIDConnect:
    return OpenIDConnect(
        "https://id.example", "client", "secret", name="acme", allow_insecure_loopback=True,
        claims_issuers=["https://bank.example"],
    )  # fmt: skip


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:PORT/claims", "http://localhost:PORT/claims", "http://[::1]:PORT/claims",
        "https://127.0.0.1:PORT/claims", "https://2130706433:PORT/claims", "https://0x7f.1:PORT/claims",
        "https://[::ffff:127.0.0.1]:PORT/claims", "https://169.254.169.254/latest", "https://10.0.0.1/claims",
        "https://inside.example:PORT/claims",
    ],
)  # fmt: skip
async def test_a073_a_public_issuers_sources_lead_into_no_private_network(
    make: Any, host: Host, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo

    def resolve(name: Any, *args: Any, **more: Any) -> Any:
        return real("127.0.0.1" if "inside" in str(name) else name, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    port = host.url("").rsplit(":", 1)[1]
    outcome = await collected(make(public_issuer()), endpoint.replace("PORT", port))
    assert outcome.warning is not None
    assert "private address" in outcome.warning.message
    assert TOKEN not in repr(outcome.warning)
    assert host.asked == []
    assert outcome.profile is not None
    assert "credit_score" not in outcome.profile.data


async def signed_in(make: Any, dev: DevProvider, host: Host, answer: Response) -> Any:
    """Somebody who signed in at a provider that says that a claim lies at `host`."""
    host.put("/claims", answer)
    manager = make(dev.settings(name="acme", claims_issuers=["https://bank.example"]))
    with dev.lie("userinfo", lambda claims: {**claims, **told(host.url("/claims"))}), ScriptedBrowser("ada") as browser:
        return await go(manager.login("acme", open_url=browser))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a045_a_source_that_is_elsewhere_is_not_followed(
    make: Any, dev: DevProvider, host: Host, status: int
) -> None:
    session = await signed_in(make, dev, host, RedirectResponse(host.url("/elsewhere"), status))
    assert session.live
    assert host.asked == ["/claims"]
    assert session.error.code == "redirect_refused"


@pytest.mark.parametrize("size", [LONGEST_JWT + 1, 20_000_000])
async def test_a049_a_source_that_says_too_much_is_not_read(
    make: Any, dev: DevProvider, host: Host, size: int
) -> None:
    session = await signed_in(make, dev, host, Response(b"x" * size, media_type="application/jwt"))
    assert session.live
    assert session.user.name == "Ada Lovelace"
    assert session.error.code == "response_too_large"


@pytest.mark.parametrize("answer", [Response(status_code=500), Response("no.jwt"), Response(b"\xff\xfe"), Response("")])
async def test_a_source_that_fails_costs_its_claims_and_not_the_login(
    make: Any, dev: DevProvider, host: Host, answer: Response
) -> None:
    session = await signed_in(make, dev, host, answer)
    assert session.live
    assert host.asked == ["/claims"]
    assert "_claim_sources" not in session.user
