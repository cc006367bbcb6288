"""`authflow providers list` and `show`: what is configured, what to register, and what a provider can do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from ..providers import OpenIDConnect, Provider
from .screen import Screen, told
from .workspace import config_option, open_workspace, provider_argument

if TYPE_CHECKING:
    from ..protocol.messages import ServerMetadata

# What a human registers and chooses; everything else that differs from the generic provider is a quirk.
_NO_QUIRKS: Final = {
    "client_id", "client_secret", "name", "label", "redirect_uri", "callback_path", "scopes", "user_scopes",
    "group_scopes", "api_origins", "issuer", "discovery", "openid", "allow_insecure_loopback", "jwks_uri",
}  # fmt: skip


@click.group("providers")
def command() -> None:
    """The providers of authflow.toml.

    \b
    Example:
        authflow providers list
    """


@command.command("list")
@config_option
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
def list_(file: Path | None, as_json: bool) -> None:
    """List the configured providers, and the redirect URI to register at each.

    \b
    Example:
        authflow providers list
    """
    with open_workspace(file, sessions=False) as work:
        rows = [
            {"name": provider.name, "label": provider.label, "site": site_of(provider), "register": register(provider)}
            for provider in work.manager.providers.values()
        ]
        broken = work.broken
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    screen = Screen()
    screen.table(
        ("name", "provider", "site", "redirect URI to register"),
        [(told(row["name"]), told(row["label"]), told(row["site"]), told(row["register"], 200)) for row in rows],
    )
    for error in broken.values():
        screen.line(("✗ ", "bad"), error.message)


@command.command("show")
@provider_argument
@config_option
@click.option("--json", "as_json", is_flag=True, help="One object.")
def show(provider: str, file: Path | None, as_json: bool) -> None:
    """Show the endpoints, abilities and quirks of PROVIDER; its metadata are fetched.

    \b
    Example:
        authflow providers show github
    """
    with open_workspace(file, only=provider, sessions=False) as work:
        settings = work.manager.providers[provider]
        facts = facts_of(settings, work.manager.discover(provider))
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
        return
    screen = Screen()
    screen.line((told(provider), "head"), f" · {told(settings.label)}")
    for name, value in facts.items():
        if isinstance(value, dict) and value:
            screen.line("  ", (told(name), "head"))
            for inner, text in value.items():
                screen.line("    ", f"{told(inner)}: {told(text, 300)}")
        elif value:
            text = " ".join(value) if isinstance(value, list) else value
            screen.line("  ", (told(name), "head"), f": {told(text, 400)}")


def facts_of(provider: Provider, metadata: ServerMetadata) -> dict[str, Any]:
    """What there is to know of a provider, as plain data. No secret is among it."""
    endpoints = {
        name: value
        for name in metadata.__struct_fields__
        if (name.endswith("_endpoint") or name == "jwks_uri") and (value := getattr(metadata, name))
    }
    return {
        "site": site_of(provider),
        "register": register(provider),
        "scopes": list(provider.requested_scopes()),
        "sends tokens to": list(provider.api_origins),
        "can": list(_abilities(provider, metadata)),
        "endpoints": endpoints,
        "quirks": quirks_of(provider),
    }


def _abilities(provider: Provider, metadata: ServerMetadata) -> Iterator[str]:
    if provider.openid:
        yield "ID tokens"
    for name, what in (
        ("userinfo_endpoint", "userinfo"),
        ("revocation_endpoint", "revocation"),
        ("end_session_endpoint", "sign-out page"),
        ("device_authorization_endpoint", "device code"),
        ("pushed_authorization_request_endpoint", "PAR"),
        ("introspection_endpoint", "introspection"),
        ("registration_endpoint", "registration"),
    ):
        if getattr(metadata, name, None):
            yield what


def quirks_of(provider: Provider) -> dict[str, str]:
    """The settings in which this provider differs from any other, by name."""
    usual = OpenIDConnect("https://usual.example", "usual")
    return {
        one.name: _text(value)
        for one in fields(provider)
        if one.name not in _NO_QUIRKS
        and not one.name.endswith("_endpoint")
        and (value := getattr(provider, one.name)) != getattr(usual, one.name)
    }


def _text(value: object) -> str:
    """A setting for a human: of a mapping the names alone, and of a key or certificate that there is one."""
    if isinstance(value, str):
        return value
    if isinstance(value, (Mapping, tuple, list, frozenset)):
        return " ".join(map(str, value))
    return str(value) if isinstance(value, (bool, int, float)) else "set"


def site_of(provider: Provider) -> str:
    """The host that people know the provider by."""
    return urlsplit(provider.issuer or provider.authorization_endpoint or "").netloc


def register(provider: Provider) -> str:
    """The redirect URI to register for logins on this machine (RFC 8252 §7.3)."""
    from ..agents.redirect import is_loopback_uri, plan_loopback

    if provider.redirect_uri is not None and not is_loopback_uri(provider.redirect_uri):
        return provider.redirect_uri
    plan = plan_loopback(provider)
    return plan.redirect_uri(plan.port) if plan.port else f"{plan.redirect_uri(80)} (any port)"
