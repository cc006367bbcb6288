"""FAPI 2.0 (Security Profile, final): what `profile="fapi2"` turns on, and what it refuses.

Turned on: pushed requests (§5.3.3.2), the issuer in the answer (RFC 9207), tokens bound to a key (DPoP) unless a
certificate binds them, and no signature but PS256, ES256 and EdDSA (§5.4.1). PKCE with S256, one audience for an
assertion, sixty seconds of life for it, tokens in the header, the provider's own metadata and no other (§5.3.3.1):
those are always so, unless a setting says otherwise.

Rule: what weakens one of these is refused when the provider is made, not noticed at the first login.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError
from ..protocol.client_auth import BY_CERTIFICATE
from .credentials import ClientAssertion, read_client_key

if TYPE_CHECKING:
    from .base import Provider

FAPI2: Final = "fapi2"
ALGORITHMS: Final = ("PS256", "ES256", "EdDSA", "Ed25519")


def fapi_preset(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What the profile sets where the application says nothing; nothing without the profile."""
    if settings.get("profile") != FAPI2:
        return {}
    key = read_client_key(settings.get("client_key"))
    return {
        "require_pushed_authorization_requests": True,
        "iss_in_response": True,
        "algorithms": ALGORITHMS,
        "dpop": settings.get("client_certificate") is None,
        # An RSA key can sign in the old way too, and would where only that is listed.
        "assertion_alg": "PS256" if key is not None and "PS256" in key.algorithms else None,
    }


def check_profile(provider: Provider, who: str) -> None:
    """Refuses what the profile forbids. Raises `ConfigurationError`."""
    if provider.profile is None:
        return
    if provider.profile != FAPI2:
        raise ConfigurationError(f"{who}: there is no profile {str(provider.profile)[:40]!r}.", hint="Use 'fapi2'.")
    for fine, what, remedy in _rules(provider):
        if not fine:
            raise ConfigurationError(f"{who}: FAPI 2.0 {what}.", hint=remedy)


def _rules(provider: Provider) -> list[tuple[bool, str, str]]:
    method, key = provider.client_auth, provider.private_key
    proved = isinstance(method, ClientAssertion) or method in ("private_key_jwt", *BY_CERTIFICATE)
    proved = proved or (method is None and (key is not None or provider.client_certificate is not None))
    signing = [*provider.algorithms, provider.request_object_signing_alg, provider.userinfo_signed_response_alg]
    if key is not None:
        signing.append(provider.assertion_alg or key.alg or key.algorithms[0])
    if provider.dpop:
        signing.append(provider.dpop_alg)
    endpoints = [one.name for one in fields(provider) if one.name.endswith("_endpoint") or one.name == "jwks_uri"]
    own = [name for name in endpoints if getattr(provider, name) is not None]
    return [
        (
            proved and provider.client_secret is None,
            "takes no client secret and no public client (§5.3.3.1)",
            "Set client_key= or client_certificate=.",
        ),
        (
            provider.dpop is True or provider.client_certificate is not None,
            "binds tokens to a key or a certificate (§5.3.3.1)",
            "Leave dpop=True, or set client_certificate=.",
        ),
        (
            provider.require_pushed_authorization_requests,
            "pushes its requests (§5.3.3.2)",
            "Leave require_pushed_authorization_requests out.",
        ),
        (provider.response_type == "code", "knows the code flow only (§5.3.3.2)", "Leave response_type out."),
        (provider.iss_in_response is True, "checks the issuer of an answer (§5.3.3.2)", "Leave iss_in_response out."),
        (not provider.refuses_code_verifier, "protects each code with PKCE (§5.3.3.2)", "Use another provider."),
        (
            provider.assertion_audience is None,
            "makes assertions for the issuer alone (§5.3.3.1)",
            "Leave assertion_audience out.",
        ),
        (
            all(alg is None or alg in ALGORITHMS for alg in signing),
            "signs with PS256, ES256 and EdDSA only (§5.4.1)",
            "Use such a key, and leave algorithms= out.",
        ),
        (
            # An API names its server, and the metadata of that one are read, at the first login.
            provider.discovery or provider.resource is not None,
            "takes its metadata from the issuer (§5.3.3.1)",
            "Leave discovery out: OpenIDConnect reads them.",
        ),
        (
            not own,
            f"takes no endpoint but those in the issuer's metadata (§5.3.3.1), and here is {', '.join(own)}",
            f"Leave {' and '.join(own)} out.",
        ),
        (
            not provider.userinfo_token_in_form_body,
            "sends access tokens in the header only (§5.3.3.1)",
            "Leave userinfo_token_in_form_body out.",
        ),
        (provider.token_method == "POST", "posts its token requests (RFC 6749 §3.2)", "Leave token_method out."),
        (
            not provider.omits_nonce,
            "checks the nonce of an ID token (OpenID Connect Core §3.1.3.7)",
            "Leave omits_nonce out.",
        ),
    ]
