"""The OpenID conformance suite's client tests: which names each plan has, and how one is played.

A case is a function in `cases/`, registered under the suite's own name without its prefix. A plan is played by
giving every one of its names to `play`, so a name without a case is an error, and so is a case that nobody plays.

Rule: what is declined is played as well. Its proof is that authflow refuses to begin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from authflow.providers import PrivateKey
from authflow.testing import DevProvider, Lie
from tests.security.conftest import REDIRECT_URI, Stage
from tests.security.judge import Judge

PREFIX = "oidcc-client-test-"
FAPI = "fapi2-security-profile-final-client-test-"
FAPI_CIBA = "fapi-ciba-id1-client-"

BASIC = (
    "", "invalid-iss", "missing-sub", "invalid-aud", "missing-iat", "kid-absent-single-jwks",
    "kid-absent-multiple-jwks", "idtoken-sig-rs256", "idtoken-sig-none", "invalid-sig-rs256",
    "userinfo-bearer-header", "userinfo-bearer-body", "userinfo-invalid-sub", "nonce-invalid",
    "scope-userinfo-claims", "client-secret-basic",
)  # fmt: skip
CONFIG = (
    "discovery-openid-config", "discovery-jwks-uri-keys", "discovery-issuer-mismatch", "idtoken-sig-none",
    "signing-key-rotation-just-before-signing", "signing-key-rotation",
)  # fmt: skip
DYNAMIC = (
    "discovery-webfinger-acct", "discovery-webfinger-url", "discovery-openid-config", "discovery-jwks-uri-keys",
    "discovery-issuer-mismatch", "dynamic-registration", "request-uri-signed-rs256", "request-uri-signed-none",
    "idtoken-sig-none", "signing-key-rotation-just-before-signing", "signing-key-rotation", "userinfo-signed",
)  # fmt: skip
HYBRID = (
    "", "invalid-iss", "missing-sub", "invalid-aud", "missing-iat", "kid-absent-single-jwks",
    "kid-absent-multiple-jwks", "invalid-chash", "missing-chash", "idtoken-sig-rs256", "invalid-sig-rs256",
    "userinfo-bearer-header", "userinfo-bearer-body", "userinfo-invalid-sub", "nonce-unless-code-flow",
    "nonce-invalid", "scope-userinfo-claims", "client-secret-basic", "invalid-athash", "missing-athash",
)  # fmt: skip
IMPLICIT = (
    "", "invalid-iss", "missing-sub", "invalid-aud", "missing-iat", "kid-absent-single-jwks",
    "kid-absent-multiple-jwks", "idtoken-sig-rs256", "invalid-sig-rs256", "nonce-unless-code-flow", "nonce-invalid",
    "scope-userinfo-claims", "invalid-athash", "missing-athash", "userinfo-bearer-header", "userinfo-bearer-body",
    "userinfo-invalid-sub",
)  # fmt: skip
COMPREHENSIVE = (
    "", "nonce-invalid", "client-secret-basic", "scope-userinfo-claims", "kid-absent-single-jwks",
    "kid-absent-multiple-jwks", "missing-iat", "missing-aud", "invalid-aud", "idtoken-sig-none", "idtoken-sig-rs256",
    "missing-sub", "invalid-sig-rs256", "invalid-iss", "userinfo-invalid-sub", "userinfo-bearer-header",
    "userinfo-bearer-body", "form-post-error", "invalid-sig-hs256", "invalid-sig-es256", "aggregated-claims",
    "distributed-claims", "mtls-endpoint-aliases",
    "discovery-openid-config", "discovery-jwks-uri-keys", "discovery-issuer-mismatch",
    "signing-key-rotation-just-before-signing", "signing-key-rotation", "discovery-webfinger-acct",
    "discovery-webfinger-url", "dynamic-registration", "request-uri-signed-rs256", "request-uri-signed-none",
    "userinfo-signed",
)  # fmt: skip
COMPREHENSIVE_HYBRID = (
    "nonce-unless-code-flow", "missing-chash", "invalid-chash", "invalid-athash", "missing-athash",
)  # fmt: skip
REFRESH = ("refresh-token", "refresh-token-invalid-issuer", "refresh-token-invalid-sub")
RP_INITIATED = ("rp-init-logout", "rp-init-logout-other-state", "rp-init-logout-no-state")
BACK_CHANNEL = tuple(
    "rp-backchannel-rpinitlogout" + lie
    for lie in ("", "-alg-none", "-no-event", "-with-nonce", "-wrong-alg", "-wrong-aud", "-wrong-event", "-wrong-iss")
)
SESSION_MANAGEMENT = ("session-management",)
THIRD_PARTY = ("3rd-party-init-login",)
FRONT_CHANNEL = ("rp-frontchannel-rpinitlogout", "rp-frontchannel-opinitlogout")
LOGOUT = (*SESSION_MANAGEMENT, *RP_INITIATED, *FRONT_CHANNEL, *BACK_CHANNEL)
FAPI2_SECURITY_PROFILE = (
    "happy-path", "discovery-issuer-mismatch", "invalid-iss", "invalid-aud", "invalid-secondary-aud",
    "invalid-null-alg", "invalid-alternate-alg", "invalid-expired-exp", "invalid-missing-exp", "invalid-missing-aud",
    "invalid-missing-iss", "valid-aud-as-array", "invalid-nonce", "invalid-missing-nonce",
    "invalid-authorization-response-iss", "remove-authorization-response-iss",
    "ensure-authorization-response-with-invalid-state-fails",
    "ensure-authorization-response-with-invalid-missing-state-fails", "token-endpoint-response-without-expires_in",
    "token-type-case-insensitivity", "rs-dpop-auth-scheme-case-insensitivity", "happy-path-no-dpop-nonce",
    "invalid-openbanking-intent-id",
)  # fmt: skip
FAPI2_REFRESH = "fapi2-security-profile-final-client-refresh-token-test"
JARM = (
    "ensure-jarm-without-iss-fails", "ensure-jarm-with-invalid-iss-fails", "ensure-jarm-without-aud-fails",
    "ensure-jarm-with-invalid-aud-fails", "ensure-jarm-without-exp-fails", "ensure-jarm-with-expired-exp-fails",
    "ensure-jarm-with-invalid-sig-fails", "ensure-jarm-signature-is-not-none",
)  # fmt: skip

CIBA = (
    "test", "refresh-token-test", "valid-aud-as-array-test", "no-scope-in-token-endpoint-response-test",
    "invalid-missing-authreqid-test", "invalid-missing-expiresin-test", "invalid-expired-id-token-hint-test",
    "invalid-unknown-user-id-test", "invalid-id-token-hint-test", "invalid-request-test", "invalid-access-denied-test",
    "invalid-expired-token-test", "invalid-iss-test", "invalid-aud-test", "invalid-secondary-aud-test",
    "invalid-signature-test", "invalid-null-alg-test", "invalid-alternate-alg-test", "invalid-expired-exp-test",
    "invalid-iat-is-week-in-past-test", "invalid-missing-aud-test", "invalid-missing-exp-test",
    "invalid-missing-iss-test", "ping-with-invalid-bearer-token-test",
)  # fmt: skip

# What authflow does not have, and why; `cases/declined.py` plays the proof.
DECLINED = {
    "session-management": "it lives on third-party cookies, which browsers no longer send",
}
# With these response types an ID token comes without an access token through the browser: no at_hash, no userinfo.
WITHOUT_TOKEN = {
    "invalid-athash", "missing-athash", "userinfo-bearer-header", "userinfo-bearer-body", "userinfo-invalid-sub",
}  # fmt: skip

KEY = PrivateKey.generate("ES256")

Case = Callable[["RelyingParty"], Awaitable[Any]]
CASES: dict[str, Case] = {}


def case(*names: str) -> Callable[[Case], Case]:
    """Registers a case under these names of the suite."""

    def register(play_it: Case) -> Case:
        for name in names:
            CASES[name] = play_it
        return play_it

    return register


class RelyingParty:
    """authflow as the suite's client: a judge, at a provider that is configured as the plan wants it."""

    def __init__(self, stage: Stage, settings: Mapping[str, Any]) -> None:
        self.stage = stage
        self.dev = stage.dev
        self.settings = dict(settings)
        self.judge = Judge(stage).at(**settings)

    @property
    def front(self) -> bool:
        """Whether an ID token comes through the browser."""
        return "id_token" in self.settings.get("response_type", "code")

    @property
    def session(self) -> Any:
        return self.judge.session

    async def signs_in(self, *lies: Lie, **asked: Any) -> Any:
        return await self.judge.sign_in(*lies, **asked)

    async def refuses(self, *lies: Lie, check: str | None = None, reached: str = "", **more: Any) -> Any:
        """The login fails, and the client is silent."""
        return await self.judge.refuses(
            *lies, check=check, reached=reached or ("authorize" if self.front else "token"), **more
        )

    def at(self, **settings: Any) -> RelyingParty:
        return RelyingParty(self.stage, {**self.settings, **settings})


def fapi2(stage: Stage, **settings: Any) -> dict[str, Any]:
    """The settings of a client that keeps FAPI 2.0, registered at the provider."""
    stage.dev.client("fapi-client", None, [REDIRECT_URI], keys=[KEY.public_jwk()], dpop=True)
    return {"profile": "fapi2", "client_id": "fapi-client", "client_key": KEY, **settings}


def fapi_ciba(dev: DevProvider) -> dict[str, Any]:
    """The settings of a client that signs its questions and proves itself by its key (FAPI-CIBA §5.2.2); the provider
    takes nothing else of it."""
    dev.client("ciba-client", None, [REDIRECT_URI], keys=[KEY.public_jwk()])
    return {"client_id": "ciba-client", "client_key": KEY, "request_object_signing_alg": "ES256"}


def named(names: tuple[str, ...], prefix: str = PREFIX) -> list[Any]:
    """The names as the suite writes them, which are the ids of the tests."""
    full = [(prefix + name).removesuffix("-") for name in names]
    return [pytest.param(name, id=name) for name in full]


async def play(name: str, stage: Stage, prefix: str = PREFIX, **settings: Any) -> None:
    """Plays the case of this name of the suite, with the plan's settings of the client."""
    from . import cases  # registers them

    short = name.removeprefix(prefix.removesuffix("-")).removeprefix("-")
    if settings.get("response_type") == "id_token" and short in WITHOUT_TOKEN:
        short = "response-type-with-token"
    await (cases.CASES.get(name) or cases.CASES[short])(RelyingParty(stage, settings))
