"""Identity providers as data: presets for the well-known ones, `OpenIDConnect` and `OAuth2` for the rest."""

from __future__ import annotations

from ..protocol.private_key import PrivateKey
from ..protocol.registration import ClientMetadata
from .auth0 import Auth0
from .base import Provider
from .credentials import ClientAssertion, ClientCertificate
from .github import GitHub
from .google import Google
from .linkedin import LinkedIn
from .microsoft import Microsoft
from .oauth2 import OAuth2
from .openid_connect import OpenIDConnect

__all__ = [
    "Auth0",
    "ClientAssertion",
    "ClientCertificate",
    "ClientMetadata",
    "GitHub",
    "Google",
    "LinkedIn",
    "Microsoft",
    "OAuth2",
    "OpenIDConnect",
    "PrivateKey",
    "Provider",
]
