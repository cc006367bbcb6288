"""`Panva`: the certified provider of `panva/provider.mjs` as a process of this test run.

It is started once a run, takes a free port, and ends with its standard input. Its keys are made anew each time.
"""

from __future__ import annotations

import base64
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from authflow.providers import OpenIDConnect
from tests.certificates import make_pair

HERE = Path(__file__).parent / "panva"
SECONDS_TO_START = 20.0
WITHOUT_SECRET = ("public", "private-key-jwt", "ciba-signed", "fapi2", "mtls-self", "mtls-ca")


def missing() -> str:
    """Why the provider cannot run here, with the remedy; empty when it can."""
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "process.exit(URL.parse ? 0 : 1)"], check=False).returncode:
        return "the certified provider needs Node.js 20.19 or later: put its `node` on PATH"
    if not (HERE / "node_modules" / "oidc-provider").is_dir():
        return "the certified provider is not installed: npm ci --prefix tests/real/panva"
    return ""


class Panva:
    """The running provider. Users sign in with any name and the password `pw-NAME`.

    `tls`: it speaks https with the certificate `server`, and asks clients for theirs; `client` is one it knows.
    """

    def __init__(self, folder: Path, *, access_token_seconds: int = 300, tls: bool = False) -> None:
        self.issuer = ""
        self.client_keys = make_client_keys()  # by key type
        self._keys = folder / "provider-keys.json"
        self._log = folder / "provider.log"
        self._environment = {**os.environ, "KEYS": str(self._keys), "AT_TTL": str(access_token_seconds)}
        self._tls_keys: dict[str, Any] = {}
        if tls:
            self.server, self.client = make_pair(folder, "127.0.0.1"), make_pair(folder, "client")
            self._tls_keys = {"keys": [jwk_of(self.client.certfile)]}
            self._environment |= {
                "TLS_CERT": str(self.server.certfile),
                "TLS_KEY": str(self.server.keyfile),
                "CLIENT_CERT": str(self.client.certfile),
            }

    def __enter__(self) -> Self:
        self._keys.touch(mode=0o600)
        client = {"keys": [key.as_dict(private=False) for key in self.client_keys.values()]}
        self._keys.write_text(json.dumps({"provider": make_keys(), "client": client, "tls": self._tls_keys}))
        node = shutil.which("node") or "node"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [node, "provider.mjs"],
                cwd=HERE,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            self.issuer = self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._process.communicate(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _wait_until_ready(self) -> str:
        first_line: queue.SimpleQueue[str] = queue.SimpleQueue()
        output = self._process.stdout
        threading.Thread(target=lambda: first_line.put(output.readline()), daemon=True).start()
        try:
            word, _, issuer = first_line.get(timeout=SECONDS_TO_START).strip().partition(" ")
        except queue.Empty:
            word, issuer = "", ""
        if word != "ready":
            raise RuntimeError(f"the certified provider did not start: {self._log.read_text()[-2000:]}")
        return issuer

    def provider(self, client: str = "basic", **settings: Any) -> OpenIDConnect:
        """authflow's settings for one of the clients in `provider.mjs`, asking for a refresh token.

        `offline_access` is granted with `prompt=consent` only (OpenID Connect Core §11).
        """
        defaults: dict[str, Any] = {
            "name": client,
            "scopes": ["openid", "profile", "email", "offline_access"],
            "authorization_params": {"prompt": "consent"},
            "allow_insecure_loopback": True,
        }
        secret = None if client in WITHOUT_SECRET else secret_of(client)
        return OpenIDConnect(self.issuer, client, secret, **{**defaults, **settings})

    def requests(self, name: str) -> int:
        """How many requests arrived so far: `token:refresh_token`, `userinfo`, `revocation`, …"""
        answer = httpx.get(f"{self.issuer}/-/requests", timeout=5, trust_env=False)
        return int(answer.json().get(name, 0))

    def expire(self, access_token: str) -> None:
        """From now on the provider takes this access token no more; its grant lives on."""
        query = {"access_token": access_token}
        httpx.get(f"{self.issuer}/-/expire", params=query, timeout=5, trust_env=False).raise_for_status()

    def ping(self, where: str) -> None:
        """From now on the client `ciba-ping` is told there that the human has answered."""
        query = {"to": where}
        httpx.get(f"{self.issuer}/-/pings", params=query, timeout=5, trust_env=False).raise_for_status()

    def revoke(self, token: str, client: str = "basic") -> None:
        """Ends a token and its whole grant, from outside (RFC 7009 §2.1)."""
        httpx.post(
            f"{self.issuer}/token/revocation",
            data={"token": token},
            auth=(client, secret_of(client)),
            timeout=5,
            trust_env=False,
        ).raise_for_status()

    def introspect(self, token: str, client: str = "basic") -> dict[str, Any]:
        """What the provider itself says about a token (RFC 7662 §2.2)."""
        answer = httpx.post(
            f"{self.issuer}/token/introspection",
            data={"token": token},
            auth=(client, secret_of(client)),
            timeout=5,
            trust_env=False,
        )
        return dict(answer.raise_for_status().json())


def secret_of(client: str) -> str:
    return f"secret-of-{client}-that-only-tests-know"


def jwk_of(certfile: Path) -> dict[str, Any]:
    """The public key of a certificate, with the certificate (RFC 7517 §4.7)."""
    certificate = x509.load_pem_x509_certificate(certfile.read_bytes())
    spki = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]
    return {**ECKey.import_key(spki).as_dict(private=False), "use": "sig", "x5c": chain}


def make_client_keys() -> dict[str, RSAKey | ECKey | OKPKey]:
    """One key per type, for the clients that sign, and two for what is encrypted to them."""
    return {
        "RSA": RSAKey.generate_key(2048, {"kid": "client-rsa", "use": "sig"}),
        "EC": ECKey.generate_key("P-256", {"kid": "client-ec", "use": "sig"}),
        "OKP": OKPKey.generate_key("Ed25519", {"kid": "client-ed", "use": "sig"}),
        "RSA-enc": RSAKey.generate_key(2048, {"kid": "client-rsa-enc", "use": "enc"}),
        "EC-enc": ECKey.generate_key("P-256", {"kid": "client-ec-enc", "use": "enc"}),
    }


def make_keys() -> dict[str, Any]:
    """A private JWKS with one key per signing algorithm family, and one to encrypt for."""
    made = (
        RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
        ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
        OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
        RSAKey.generate_key(2048, {"kid": "rsa-enc", "use": "enc"}),
    )
    return dict(KeySet(list(made)).as_dict(private=True))
