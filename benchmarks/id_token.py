"""The check of an RS256 ID token with everything OpenID Connect asks for, against its bare signature."""

from __future__ import annotations

import base64
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from joserfc import jwk, jwt

from authflow.protocol.expected import Expected
from authflow.protocol.id_token import verify_id_token
from authflow.protocol.jwks import read_key
from authflow.protocol.messages import ServerMetadata
from authflow.providers import OpenIDConnect

from .measure import Run, in_turn, repeat, show
from .provider import CLIENT_ID, CLIENT_SECRET, Issuer

ISSUER = "https://op.example"


def main() -> None:
    signer = Issuer(ISSUER)
    access_token = signer.fresh("access")
    id_token = signer.id_token(access_token, "the-nonce")
    provider, metadata = OpenIDConnect(ISSUER, CLIENT_ID, CLIENT_SECRET, name="op"), ServerMetadata(issuer=ISSUER)
    key = read_key(signer.jwks["keys"][0])
    if key is None:
        raise SystemExit("the key cannot be read")
    joserfc_key = jwk.RSAKey.import_key(signer.jwks["keys"][0])
    public = signer.key.public_key()
    signed, _, signature = id_token.rpartition(".")
    signature_bytes = base64.urlsafe_b64decode(signature + "==")
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": CLIENT_ID},
        nonce={"essential": True, "value": "the-nonce"},
    )  # fmt: skip

    def bare() -> None:
        public.verify(signature_bytes, signed.encode(), padding.PKCS1v15(), hashes.SHA256())

    def joserfc() -> None:
        rules.validate(jwt.decode(id_token, joserfc_key, algorithms=["RS256"]).claims)

    def ours() -> None:
        verify_id_token(
            provider, metadata, (key,), id_token, Expected(nonce="the-nonce", access_token=access_token),
            now=time.time(),
        )  # fmt: skip

    contestants: dict[str, Run] = {
        "the bare RS256 signature": repeat(bare),
        "joserfc: decode and claims": repeat(joserfc),
        "authflow: verify_id_token": repeat(ours),
    }
    show("an ID token", in_turn(contestants, calls=300, rounds=15))


if __name__ == "__main__":
    main()
