"""`authflow.toml`: which providers a person signs in to, as data. Secrets come from elsewhere.

    [providers.github]
    type = "github"                               # or google, microsoft, auth0, linkedin, openid, oauth2
    client_id = "Iv1.8a61f9b3a7aba766"
    client_secret_env = "GITHUB_CLIENT_SECRET"    # this name is the default; nothing set: a public client
    client_secret_keyring = "authflow"            # or: keyring set authflow CLIENT_ID

    [providers.work]
    type = "openid"
    issuer = "https://idp.example.com"
    client_id = "cli"

Every other key is an argument of the provider's class. The file of the project (`authflow.toml` in the folder one
stands in) goes before the user's own, in the configuration folder of this system.

Rule: an error names the file, the line and the remedy; it never shows a value.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import platformdirs

from .. import providers
from ..errors import ConfigurationError, UnknownProvider
from ..providers import Provider

FILE: Final = "authflow.toml"

TYPES: Final[dict[str, type[Provider]]] = {
    "github": providers.GitHub,
    "google": providers.Google,
    "microsoft": providers.Microsoft,
    "auth0": providers.Auth0,
    "linkedin": providers.LinkedIn,
    "openid": providers.OpenIDConnect,
    "oauth2": providers.OAuth2,
}

TABLES: Final = ("providers", "store", "credential")

# The settings that are this file's and no provider's.
OWN: Final = ("type", "client_secret", "client_secret_env", "client_secret_keyring")

EXAMPLE: Final = '[providers.github], type = "github" and client_id = "…"'


@dataclass(frozen=True)
class Config:
    """A configuration file that was read: its path, its text (for line numbers), and what it says."""

    path: Path
    text: str
    data: Mapping[str, Any]

    @property
    def tables(self) -> Mapping[str, Mapping[str, Any]]:
        """The providers' tables, by name."""
        tables: Mapping[str, Mapping[str, Any]] = self.data.get("providers", {})
        return tables

    def table(self, name: str) -> Mapping[str, Any]:
        """Another table, such as `store` or `credential.docker`; empty if there is none. Raises
        `ConfigurationError` when it is no table."""
        found: dict[str, Any] = dict(self.data)
        for part in name.split("."):
            found = found.get(part, {})
            if not isinstance(found, dict):
                line = line_of(self.text, part) or 1
                raise ConfigurationError(f"{self.path}, line {line}: {part} is no table.", hint=f"Write [{name}].")
        return found

    def provider(self, name: str, env: Mapping[str, str] | None = None) -> Provider:
        """The provider of this name. Raises `UnknownProvider`, or `ConfigurationError` with file and line."""
        if name not in self.tables:
            known = ", ".join(self.tables) or "none"
            raise UnknownProvider(
                f"{self.path} has no provider {name!r}; it has: {known}.",
                hint=meant(name, self.tables) or f"Add a table, such as {EXAMPLE}.",
            )
        table = dict(self.tables[name])
        if "client_secret" in table:
            raise self.error(
                name,
                "client_secret",
                "a secret stands in the file",
                f"Take it out of {self.place(name, 'client_secret')}, put it into the environment as "
                f"{secret_name(name)}, and have the provider issue a new one if the file was ever shared.",
            )
        kind = table.pop("type", name)
        if not isinstance(kind, str) or kind not in TYPES:
            hint = f"{meant(str(kind), TYPES)} Use one of {', '.join(TYPES)}."
            what = "type is none that authflow has" if "type" in self.tables[name] else "type missing"
            raise self.error(name, "type", what, hint.lstrip())
        settings = settings_of(TYPES[kind])
        strange = next((key for key in table if key not in settings), None)
        if strange is not None:
            hint = meant(strange, settings) or "See docs/providers.md for the settings."
            raise self.error(name, strange, f"{TYPES[kind].__name__} has no setting {strange!r}", hint)
        if kind in ("openid", "oauth2"):
            table.setdefault("label", _host_of(table.get("issuer")) or name)
        secret = self._secret(name, table, os.environ if env is None else env)
        if kind == "oauth2" or secret is not None:
            table["client_secret"] = secret
        return self._made(name, TYPES[kind], table)

    def _secret(self, name: str, table: dict[str, Any], env: Mapping[str, str]) -> str | None:
        """The client secret, from the environment or else from the system's keyring; None for a public client."""
        variable, service = table.pop("client_secret_env", None), table.pop("client_secret_keyring", None)
        for key, given, example in (
            ("client_secret_env", variable, secret_name(name)),
            ("client_secret_keyring", service, "authflow"),
        ):
            if given is not None and not (isinstance(given, str) and given):
                raise self.error(name, key, f"{key} is no name", f'Write {key} = "{example}".')
        secret = env.get(variable or secret_name(name)) or None
        if secret is not None:
            return secret
        if service is not None:
            client_id = str(table.get("client_id", ""))
            return self._secret_in_keyring(name, service, client_id, variable or secret_name(name))
        if variable is not None:
            text = f"the environment has no {variable}"
            raise self.error(name, "client_secret_env", text, f"Set it: export {variable}=…")
        return None

    def _secret_in_keyring(self, name: str, service: str, client_id: str, variable: str) -> str:
        """`variable`: what the environment has in its place, where no good keyring can be had."""
        from ..sealing.sources import read_keyring

        instead = f", or set {variable} in the environment."
        try:
            secret = read_keyring(service, client_id)
        except ConfigurationError as error:
            raise self.error(name, "client_secret_keyring", error.message.rstrip("."), error.hint + instead) from error
        if not secret:
            text = f"the system's keyring has nothing under {service} and this client_id"
            hint = f"Put it there: keyring set {service} {client_id}{instead}"
            raise self.error(name, "client_secret_keyring", text, hint)
        return secret

    def _made(self, name: str, kind: type[Provider], table: dict[str, Any]) -> Provider:
        try:
            return kind(**{"name": name, **table})
        except ConfigurationError as error:
            key = next((key for key in table if re.search(rf"\b{re.escape(key)}\b", error.message)), "")
            raise self.error(name, key, error.message.rstrip("."), error.hint) from error
        except (TypeError, ValueError) as error:
            lacks = re.findall(r"'(\w+)'", str(error)) if "required positional" in str(error) else []
            if lacks:
                hint = "Add to the table: " + ", ".join(f'{one} = "…"' for one in lacks)
                raise self.error(name, "", f"{' and '.join(lacks)} missing", f"{hint}.") from error
            text = "a setting has the wrong type" if isinstance(error, TypeError) else "a setting cannot be read"
            hint = f"See docs/providers.md for the settings of type {table.get('type', name)!r}."
            raise self.error(name, "", text, hint) from error

    def place(self, name: str, key: str = "") -> str:
        """`authflow.toml, line 3`: where a provider's key stands, or its table; the file alone if it is not found."""
        line = line_of(self.text, name, key) or line_of(self.text, name)
        return f"{self.path}, line {line}" if line else str(self.path)

    def error(self, name: str, key: str, text: str, hint: str) -> ConfigurationError:
        """What is wrong with a key of a table, with its place in the file."""
        return ConfigurationError(f"{self.place(name, key)}: {name}: {text}.", hint=hint)


def find_config(given: Path | None = None) -> Config:
    """The file that was named, or the project's, or the user's own. Raises `ConfigurationError`."""
    if given is not None:
        return read_config(given)
    places = [Path(FILE), user_file()]
    for path in places:
        if path.is_file():
            return read_config(path)
    raise ConfigurationError(
        f"There is no {FILE} here, nor {places[1]}.", hint=f"Write one: {EXAMPLE}. Or name one: --config FILE."
    )


def user_file() -> Path:
    """Where the user's own configuration is on this system."""
    return platformdirs.user_config_path("authflow", appauthor=False) / FILE


def read_config(path: Path) -> Config:
    """The file at `path`. Raises `ConfigurationError` with the line for what is no TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path} is no text in UTF-8.", hint="Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror or 'unknown reason'}.", hint="Name another: --config FILE."
        ) from error
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"at line (\d+)", str(error))
        line = where.group(1) if where else str(len(text.splitlines()) or 1)
        raise ConfigurationError(
            f"{path}, line {line}: this is no TOML: {str(error).split(' (at ')[0]}.",
            hint='A value is text in quotes, a number, true, false or a list: client_id = "…".',
        ) from None
    tables = data.get("providers", {})
    strange = next((key for key in data if key in ("provider", *TYPES) and "providers" not in data), None)
    if strange is not None:
        own = EXAMPLE if strange == "provider" else f"[providers.{strange}]"
        raise ConfigurationError(
            f"{path}, line {line_of(text, strange) or 1}: authflow looks for providers in tables below 'providers'.",
            hint=f"Write {own}.",
        )
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        line = line_of(text, "providers") or 1
        raise ConfigurationError(f"{path}, line {line}: providers is no table.", hint=f"Write {EXAMPLE}.")
    unknown = next((key for key in data if key not in TABLES), None)
    if unknown is not None:
        hint = meant(unknown, TABLES, "[{}]") or f"It may have {', '.join(TABLES)}."
        raise ConfigurationError(
            f"{path}, line {line_of(text, unknown) or 1}: authflow knows no table {unknown!r}.", hint=hint
        )
    return Config(path, text, data)


def meant(word: str, known: Iterable[str], spelled: str = "'{}'") -> str:
    """`Did you mean 'github'?` for a word that is nearly a known one, else ""."""
    near = difflib.get_close_matches(word, known, 1)
    return f"Did you mean {spelled.format(near[0])}?" if near else ""


def settings_of(kind: type[Provider]) -> set[str]:
    """What may stand in the table of a provider of this kind."""
    arguments = inspect.signature(kind).parameters.values()
    named = {one.name for one in arguments if one.kind is not inspect.Parameter.VAR_KEYWORD}
    return named | {one.name for one in fields(kind)} | set(OWN)


def _host_of(issuer: object) -> str:
    """What people know a provider by that has no other name."""
    try:
        return urlsplit(str(issuer or "")).hostname or ""
    except ValueError:
        return ""


def secret_name(name: str) -> str:
    """The environment variable that a provider's secret is read from unless another is named."""
    return f"{re.sub(r'[^A-Z0-9]', '_', name.upper())}_CLIENT_SECRET"


def line_of(text: str, name: str, key: str = "") -> int | None:
    """The line (from 1) of a provider's table, or of a key in it; None where it is written in another way."""
    spelled = rf"(?:{re.escape(name)}|\"{re.escape(name)}\"|'{re.escape(name)}')"
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[([^\[\]]+)\]", line)
        if header:
            table = header.group(1).strip()
        mine = re.fullmatch(rf"(?:providers\s*\.\s*)?{spelled}(?:\s*\..*)?", table) is not None
        if not key and ((header and mine) or re.match(rf"\s*(?:providers\s*\.\s*)?{spelled}\s*[=.]", line)):
            return number
        if key and mine and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
        inline = key and re.match(rf"\s*(?:providers\s*\.\s*)?{spelled}\s*[=.]", line)
        if inline and re.search(rf"\b{re.escape(key)}\b", line):
            return number
    return None
