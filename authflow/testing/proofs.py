"""What a client proves to the development provider: itself by a signature (RFC 7523 §3), and a key (RFC 9449 §4.3).

Rule: a proof works once. Its `jti` is remembered while it could be used again.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey, import_key
from starlette.requests import Request

from .grants import Access, DevClient, Grants, Refused, random_secret
from .messages import read_client_credentials, read_token

ALGORITHMS: Final = ("ES256", "ES384", "ES512", "EdDSA", "Ed25519", "PS256", "RS256")
SHARED: Final = ("HS256", "HS384", "HS512")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_ASSERTION_SECONDS: Final = 300.0
PROOF_SECONDS: Final = 60.0
REQUEST_TYPE: Final = "oauth-authz-req+jwt"


class _Verifier(jws.JWSRegistry):
    """One kind of algorithm; joserfc would warn of EdDSA's old name."""

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise JoseError(f"{name} is not taken")
        return self.algorithms[name]


class Proofs:
    """Checks them, and remembers which it has seen. `nonces`: a proof must hold the present `nonce`."""

    def __init__(self, grants: Grants, now: Callable[[], float], audiences: Callable[[], tuple[str, ...]]) -> None:
        self.nonces = False
        self.nonce = random_secret()
        self._grants = grants
        self._now = now
        self._audiences = audiences
        self._seen: dict[str, float] = {}

    # ── the client ───────────────────────────────────────────────────────────────────────────────────

    def client(self, request: Request, form: Mapping[str, str]) -> DevClient:
        """The client that a request proves, in whatever way. Raises `Refused` with `invalid_client`."""
        if "client_assertion" not in form:
            client = self._grants.authenticate(*read_client_credentials(request, form))
            if client.keys:
                raise Refused("invalid_client", "This client has a key and must sign an assertion.", 401)
            return client
        if "client_secret" in form or request.headers.get("authorization"):
            raise Refused("invalid_request", "Use one way to authenticate the client, not two.")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise Refused("invalid_client", "This client_assertion_type is not taken.", 401)
        assertion = form["client_assertion"]
        client_id = str(unverified(assertion).get("sub", ""))
        known = self._grants.clients.get(client_id)
        if known is None or form.get("client_id", client_id) != client_id:
            raise Refused("invalid_client", "The assertion is nobody's.", 401)
        claims = verify_jws(assertion, *_keys_of(known)) if known.keys or known.client_secret else None
        if claims is None:
            raise Refused("invalid_client", "The assertion is not signed by this client.", 401)
        self._check_assertion(client_id, claims)
        return known

    def _check_assertion(self, client_id: str, claims: Mapping[str, Any], what: str = "assertion") -> None:
        now, exp = self._now(), claims.get("exp")
        if claims.get("iss") != client_id:
            raise Refused("invalid_client", f"The {what}'s iss is not this client.", 401)
        if claims.get("aud") not in self._audiences():
            raise Refused("invalid_client", f"The {what} is meant for somebody else, or for several.", 401)
        if not isinstance(exp, (int, float)) or not now < exp <= now + LONGEST_ASSERTION_SECONDS:
            raise Refused("invalid_client", f"The {what} has expired, or lives too long.", 401)
        if not self._is_new(f"{client_id} {claims.get('jti')}", exp):
            raise Refused("invalid_client", f"The {what} was used before.", 401)

    def grant_claims(self, client: DevClient, assertion: str) -> dict[str, Any]:
        """The claims of an assertion that `client` signed about somebody (RFC 7523 §3). Raises `Refused`."""
        claims: dict[str, Any] | None = verify_jws(assertion, *_keys_of(client)) if client.keys else None
        if claims is None:
            raise Refused("invalid_grant", "The assertion is not signed by a key of this client.")
        try:
            self._check_assertion(client.client_id, claims)
        except Refused as refused:
            raise Refused("invalid_grant", refused.description) from None
        return claims

    def request_claims(self, client: DevClient, request: str) -> dict[str, Any]:
        """The claims of a request that `client` signed (RFC 9101 §4). Raises `Refused`."""
        typ = header_of(request).get("typ")
        claims: dict[str, Any] | None = verify_jws(request, keys_of_requests(client), ALGORITHMS)
        if claims is None or typ != REQUEST_TYPE:
            raise Refused("invalid_request", "The request is not signed by a key of this client, or is no request.")
        try:
            self._check_assertion(client.client_id, claims, "signed request")
        except Refused as refused:
            raise Refused("invalid_request", refused.description) from None
        return claims

    # ── a key ────────────────────────────────────────────────────────────────────────────────────────

    def jkt(self, request: Request, access_token: str | None = None) -> str | None:
        """The thumbprint of the key that a request proves; None without a proof. Raises `Refused`."""
        proofs = request.headers.getlist("dpop")
        if not proofs:
            return None
        try:
            header = json.loads(_decode(proofs[0].partition(".")[0]))
            key = import_key(header["jwk"])
        except (ValueError, KeyError, TypeError, JoseError):
            raise Refused("invalid_dpop_proof", "The proof is no JWT with a key.") from None
        claims = None if key.is_private or isinstance(key, OctKey) else verify_jws(proofs[0], key, ALGORITHMS)
        if claims is None or len(proofs) != 1 or header.get("typ") != "dpop+jwt":
            raise Refused("invalid_dpop_proof", "The proof is not signed by the key in it.")
        if claims.get("htm") != request.method or claims.get("htu") != str(request.url.replace(query="")):
            raise Refused("invalid_dpop_proof", "The proof was made for another request.")
        if access_token is not None and claims.get("ath") != _hash(access_token):
            raise Refused("invalid_dpop_proof", "The proof was made for another token.")
        iat = claims.get("iat")
        if not isinstance(iat, (int, float)) or abs(self._now() - iat) > PROOF_SECONDS:
            raise Refused("invalid_dpop_proof", "The proof is too old, or of the future.")
        if self.nonces and claims.get("nonce") != self.nonce:
            raise Refused("use_dpop_nonce", "The proof must hold the present nonce.")
        if not self._is_new(f"dpop {claims.get('jti')}", iat + PROOF_SECONDS):
            raise Refused("invalid_dpop_proof", "The proof was used before.")
        return str(key.thumbprint())

    def access(self, request: Request, in_form: str = "") -> Access | None:
        """The usable access token that a request brings (RFC 6750 §2.1, or §2.2 `in_form`), with the proof that it
        needs; None without.

        Raises `Refused` for a proof that is none.
        """
        scheme, token = read_token(request)
        token = token or in_form
        found = self._grants.look_up(token, self._now())
        if found is None or (scheme == "dpop") is not (found.jkt is not None):
            return None
        if found.jkt is not None and self.jkt(request, token) != found.jkt:
            raise Refused("invalid_dpop_proof", "The proof is of another key than the token's.")
        return found

    def _is_new(self, name: str, until: float) -> bool:
        now = self._now()
        self._seen = {seen: end for seen, end in self._seen.items() if end > now}
        if name in self._seen:
            return False
        self._seen[name] = until
        return True


def unverified(token: str) -> dict[str, Any]:
    """The claims of a JWT, not to be believed; empty when it is none."""
    try:
        claims = json.loads(_decode(token.split(".")[1]))
    except (ValueError, IndexError):
        return {}
    return claims if isinstance(claims, dict) else {}


def header_of(token: str) -> dict[str, Any]:
    """The header of a JWT, not to be believed; empty when it is none."""
    try:
        header = json.loads(_decode(token.partition(".")[0]))
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def keys_of_requests(client: DevClient) -> KeySet:
    """What a client signs its requests with."""
    return KeySet([import_key(dict(key)) for key in client.request_keys])


def _keys_of(client: DevClient) -> tuple[Any, tuple[str, ...]]:
    if not client.keys:
        return OctKey.import_key(client.client_secret or ""), SHARED
    return KeySet([import_key(dict(key)) for key in client.keys]), ALGORITHMS


def verify_jws(token: str, keys: RSAKey | ECKey | OKPKey | OctKey | KeySet, algorithms: tuple[str, ...]) -> Any:
    """The claims, if one of the keys has signed them; None otherwise."""
    registry = _Verifier(algorithms=algorithms, strict_check_header=False)
    for key in keys.keys if isinstance(keys, KeySet) else [keys]:
        try:
            claims = json.loads(jws.deserialize_compact(token, key, registry=registry).payload or b"")
        except (JoseError, ValueError, TypeError):
            continue
        return claims if isinstance(claims, dict) else None
    return None


def _decode(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _hash(text: str) -> str:
    return urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
