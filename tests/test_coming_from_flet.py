"""The page for Flet's users: its code runs as it stands there, and what it says of our names is so."""

from __future__ import annotations

import inspect
import re

import pytest

from authflow import AsyncSession, AuthEvent, Session, Token, User, providers
from authflow.errors import ErrorInfo
from authflow.records import Profile
from authflow.session import LoginArguments
from authflow.signals import SIGNALS

from .test_readme import ROOT, run

PAGE = (ROOT / "docs" / "coming-from-flet.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)

# A token that a Flet program saved: its JSON, by its `encrypt`, written again here.
SAVED_BY_FLET = '''
import base64, json, os
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from authflow import SessionManager

with SessionManager([GitHub.from_env()]) as before:
    token = before.login("github").token()
saved = {"access_token": token.access_token, "scope": list(token.scope), "token_type": token.token_type,
         "expires_in": token.expires_in, "expires_at": token.expires_at, "refresh_token": token.refresh_token}
salt = os.urandom(16)
derived = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=600_000).derive(b"the Flet secret key")
sealed = Fernet(base64.urlsafe_b64encode(derived)).encrypt(json.dumps(saved).encode())
preferences = {"myapp.auth_token": base64.urlsafe_b64encode(salt + sealed).decode()}
'''

RUNS = {
    "def not_signed_in": ("", ["hello Ada Lovelace", r"ada \['Engineers', 'Admins'\]", "bearer", "bye"]),
    "shown = []": ("", [r"1 \(.*'gist'.*\)"]),
    "class Hub": ("", [r"\('profile', 'teams'\)"]),
    "preferences[": (SAVED_BY_FLET, ["Ada Lovelace True"]),
    "def paint": ("", ["Sign in", "Sign out", "Sign in"]),
}


@pytest.mark.parametrize("words", RUNS)
def test_the_code_runs(words: str) -> None:
    (block,) = [one for one in BLOCKS if words in one]
    before, expected = RUNS[words]

    told = run(f"{before}\n{block}")

    assert len(told) == len(expected), told
    for line, pattern in zip(told, expected, strict=True):
        assert re.fullmatch(pattern, line, re.I), told


def test_every_block_is_run_here() -> None:
    assert len(BLOCKS) == len(RUNS)


def test_flets_arguments_of_login_are_ours() -> None:
    own = inspect.signature(Session.login).parameters
    assert {"saved_token", "open_url", "complete_page"} <= set(own)
    assert {"fetch_user", "fetch_groups", "scope", "timeout"} <= set(LoginArguments.__annotations__)
    assert set(own) == set(inspect.signature(AsyncSession.login).parameters)


def test_flets_arguments_of_a_provider_are_ours_in_the_same_order() -> None:
    assert list(inspect.signature(providers.OAuth2).parameters)[:14] == [
        "client_id", "client_secret", "authorization_endpoint", "token_endpoint", "redirect_url", "scopes",
        "user_scopes", "user_endpoint", "user_id_fn", "group_scopes", "code_challenge", "code_challenge_method",
        "code_verifier", "authorization_params",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("provider", "arguments"),
    [
        ("GitHub", ("id", "secret")),
        ("Google", ("id", "secret")),
        ("Microsoft", ("id", "secret")),
        ("Auth0", ("tenant.eu.auth0.com", "id", "secret")),
    ],
)
def test_each_preset_takes_flets_arguments(provider: str, arguments: tuple[str, ...]) -> None:
    more = {"Microsoft": {"tenant": "common"}, "Auth0": {"audience": "https://api.example"}}.get(provider, {})
    made = getattr(providers, provider)(*arguments, redirect_url="https://app.example/oauth_callback", **more)
    assert made.redirect_uri == "https://app.example/oauth_callback"
    assert made.client_id == "id"


def test_flets_members_of_token_user_and_error_are_ours() -> None:
    assert {"access_token", "scope", "token_type", "expires_in", "expires_at", "refresh_token", "id_token", "extra",
            "to_json", "from_json"} <= set(dir(Token))  # fmt: skip
    user = User(Profile(id="1", data={"login": "ada"}))
    assert (user.id, user["login"], user.groups) == ("1", "ada", ())
    assert {"error", "error_description", "code"} <= set(ErrorInfo.__struct_fields__)
    assert {"reason", "live", "recoverable", "error"} <= set(AuthEvent.__struct_fields__)


def test_every_signal_that_the_page_names_is_one() -> None:
    ours = set(re.findall(r"(?<!page\.)\bon_[a-z_]+\b", PAGE)) - {"on_open_authorization_url"}
    assert ours <= set(SIGNALS)
