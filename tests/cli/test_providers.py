"""`authflow providers`: what is configured, what to register, what a provider can do. As typed, through pipes."""

from __future__ import annotations

import json
from pathlib import Path

from authflow.testing import DevProvider

from .conftest import Run, configure


def test_the_list_says_what_to_register(authflow: Run, acme: DevProvider, tmp_path: Path) -> None:
    env = configure(tmp_path, acme)
    told = authflow("providers", "list", env=env)
    assert told.returncode == 0
    assert "acme" in told.stdout
    assert "http://127.0.0.1/callback/acme (any port)" in told.stdout

    (row,) = json.loads(authflow("providers", "list", "--json", env=env).stdout)
    assert row["register"] == "http://127.0.0.1/callback/acme (any port)"
    assert row["site"] == acme.issuer.partition("://")[2]


def test_a_provider_is_shown_with_its_endpoints_and_abilities(
    authflow: Run, acme: DevProvider, tmp_path: Path
) -> None:
    env = configure(tmp_path, acme)
    shown = json.loads(authflow("providers", "show", "acme", "--json", env=env).stdout)
    assert shown["endpoints"]["token_endpoint"] == f"{acme.issuer}/token"
    assert {"ID tokens", "userinfo", "revocation"} <= set(shown["can"])

    told = authflow("providers", "show", "acme", env=env)
    assert f"token_endpoint: {acme.issuer}/token" in told.stdout
    (client,) = acme.clients.values()
    assert client.client_secret not in told.stdout


def test_the_quirks_of_a_vendor_are_named(authflow: Run, tmp_path: Path) -> None:
    (tmp_path / "authflow.toml").write_text('[providers.github]\ntype = "github"\nclient_id = "id"\n')
    shown = json.loads(authflow("providers", "show", "github", "--json", env={"GITHUB_CLIENT_SECRET": "s3"}).stdout)
    assert shown["endpoints"]["token_endpoint"] == "https://github.com/login/oauth/access_token"
    assert shown["quirks"]
    assert "s3" not in json.dumps(shown)


def test_a_provider_that_is_not_configured_is_named_with_those_that_are(
    authflow: Run, acme: DevProvider, tmp_path: Path
) -> None:
    told = authflow("providers", "show", "acmee", env=configure(tmp_path, acme))
    assert told.returncode != 0
    assert "acmee" in told.stderr
    assert "acme" in told.stderr.replace("acmee", "")
