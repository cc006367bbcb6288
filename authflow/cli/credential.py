"""`authflow credential git|docker|kubectl|aws`: a valid token for the tools people use, in each tool's own words.

    git      git config --global credential.https://git.example.com.helper '!authflow credential git work'
    docker   ~/.docker/config.json: "credHelpers": {"ghcr.io": "authflow"}, and [credential.docker] in authflow.toml
    kubectl  kubeconfig: exec: {command: authflow, args: [credential, kubectl, work]}
    aws      ~/.aws/config: credential_process = authflow credential aws work --role-arn arn:aws:iam::…

Rule 1: standard output is the tool's. Whatever goes wrong is said on standard error, for the human behind it.
Rule 2: a token goes to the hosts of its provider and to those that the configuration names, over https only.
Rule 3: a tool gets what it can use. A token that is bound to a key (RFC 9449) is good for nothing without that key.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from ..errors import ConfigurationError, InvalidCall, OriginNotAllowed, SessionError, printable
from .config import Config
from .workspace import Workspace, account_option, config_option, open_workspace, provider_argument, require_kept

if TYPE_CHECKING:
    from ..providers import Provider
    from ..records import Token
    from ..session import Session

MOST_READ: Final = 64 * 1024  # characters of what a tool writes to us
KUBERNETES: Final = "client.authentication.k8s.io"
KUBERNETES_VERSIONS: Final = ("v1", "v1beta1")


@click.group("credential")
def command() -> None:
    """Give a valid token to git, docker, kubectl or the AWS tools, in their own protocol.

    \b
    Example:
        git config --global credential.https://github.com.helper '!authflow credential git github'
    """


def bearer_token(session: Session) -> Token:
    """A valid access token that works for whoever holds it. Raises `SessionError` for one that is bound to a key."""
    token = session.token()
    if token.token_type == "DPoP":
        name = session.provider.name
        raise SessionError(
            f"{name}: its tokens are bound to a key (DPoP): without the key no tool can use them.",
            hint=f"Take dpop and profile out of [providers.{name}] and sign in again, if {name} gives such tokens; "
            "otherwise call the API from a program, with session.auth.",
        )
    return token


# ── git ──────────────────────────────────────────────────────────────────────────────────────────────


@command.command("git")
@provider_argument
@click.argument("action", type=click.Choice(["get", "store", "erase"]))
@config_option
@account_option
@click.option("--username", default="x-access-token", show_default=True, help='GitLab wants "oauth2".')
@click.option("--host", "hosts", multiple=True, help="A further host that gets the token; may be given several times.")
def git(
    provider: str, action: str, file: Path | None, account: str | None, username: str, hosts: tuple[str, ...]
) -> None:
    """Answer git (gitcredentials(7)): the token as the password. ACTION is appended by git itself.

    \b
    Example:
        git config --global credential.https://github.com.helper '!authflow credential git github'
    """
    asked = read_git(sys.stdin.read(MOST_READ))
    with open_workspace(file, only=provider) as work:
        session = require_kept(work.session(provider, account))
        if asked.get("protocol") != "https" or not allows(session.provider, asked.get("host", ""), hosts):
            host = printable(asked.get("host", ""), 100)
            raise OriginNotAllowed(
                f"{provider}: its token is not meant for {host or 'that address'}.",
                hint=f"If it is, add --host {host} to the helper's line; http:// gets none.",
            )
        if action == "get":
            token = bearer_token(session)
            ends = "" if token.expires_at is None else f"password_expiry_utc={int(token.expires_at)}\n"
            click.echo(f"username={username}\npassword={token.access_token}\n{ends}", nl=False)
        elif action == "erase" and asked.get("password"):
            session.renew_if_current(asked["password"])  # the server refused it


def read_git(text: str) -> dict[str, str]:
    """The `name=value` lines of git's request, up to the first empty one."""
    found = {}
    for line in text.split("\n"):
        name, equals, value = line.partition("=")
        if not equals:
            break
        found[name] = value
    return found


def allows(provider: Provider, host: str, more: tuple[str, ...] = ()) -> bool:
    """Whether the token of `provider` may go to `host`: its own site, its API, or one that was named."""
    own = (provider.issuer, provider.authorization_endpoint, *provider.api_origins)
    known = {urlsplit(url).netloc for url in own if url}
    return bool(host) and (host in known or host in more)


# ── Docker ───────────────────────────────────────────────────────────────────────────────────────────


@command.command("docker")
@click.argument("action", type=click.Choice(["get", "store", "erase", "list"]))
@config_option
def docker(action: str, file: Path | None) -> None:
    """Answer Docker's credential helper protocol; `docker-credential-authflow` calls this.

    \b
    Example, in authflow.toml:
        [credential.docker]
        "ghcr.io" = {provider = "github", username = "your-name"}
    """
    from .config import find_config

    config = find_config(file)
    registries = docker_registries(config)
    if action == "list":
        click.echo(json.dumps({registry: str(entry["username"]) for registry, entry in registries.items()}))
        return
    server = sys.stdin.read(MOST_READ).strip()
    if action != "get":
        raise InvalidCall(
            "authflow keeps no passwords for Docker.", hint="authflow login PROVIDER, and authflow logout PROVIDER."
        )
    entry = registries.get(server.removeprefix("https://").partition("/")[0])
    if entry is None or server.startswith("http://"):
        click.echo("credentials not found in native keychain")  # the words that Docker's own client looks for
        sys.exit(1)
    with open_workspace(config.path, only=str(entry["provider"])) as work:
        session = require_kept(work.session(str(entry["provider"]), entry.get("account")))
        answer = {"ServerURL": server, "Username": entry["username"], "Secret": bearer_token(session).access_token}
    click.echo(json.dumps(answer))


def docker_registries(config: Config) -> dict[str, dict[str, str]]:
    """By registry: provider, username, and perhaps account. Raises `ConfigurationError` with file and line."""
    table = config.table("credential.docker")
    found = {}
    for registry, entry in table.items():
        given = {"provider": entry} if isinstance(entry, str) else entry
        fits = isinstance(given, dict) and isinstance(given.get("provider"), str)
        if not fits or not all(isinstance(value, str) for value in given.values()):
            raise config.error(
                "credential.docker", registry, f"{registry} names no provider", 'Write "ghcr.io" = "github".'
            )
        found[registry] = {"username": "oauth2accesstoken", **given}
    return found


# ── kubectl ──────────────────────────────────────────────────────────────────────────────────────────


@command.command("kubectl")
@provider_argument
@config_option
@account_option
@click.option("--access-token", is_flag=True, help="The access token; otherwise the ID token, where there is one.")
def kubectl(provider: str, file: Path | None, account: str | None, access_token: bool) -> None:
    """Print an ExecCredential (client.authentication.k8s.io) for kubectl.

    \b
    Example, in a kubeconfig:
        users:
        - name: me
          user:
            exec: {apiVersion: client.authentication.k8s.io/v1, command: authflow,
                   args: [credential, kubectl, work], interactiveMode: Never}
    """
    import os

    version = kubernetes_version(os.environ)
    with open_workspace(file, only=provider) as work:
        session = require_kept(work.session(provider, account))
        if access_token or not session.provider.openid:
            token = bearer_token(session)
            secret, ends = token.access_token, token.expires_at
        else:
            secret, ends = present_id_token(session, work)
    status = {"token": secret, **({} if ends is None else {"expirationTimestamp": rfc3339(ends)})}
    click.echo(json.dumps({"apiVersion": f"{KUBERNETES}/{version}", "kind": "ExecCredential", "status": status}))


def kubernetes_version(env: Mapping[str, str]) -> str:
    """The version of the protocol that kubectl asks for by KUBERNETES_EXEC_INFO; the present one without."""
    try:
        asked: Any = json.loads(env.get("KUBERNETES_EXEC_INFO") or "{}")
        group, _, version = str(asked.get("apiVersion") or f"{KUBERNETES}/v1").partition("/")
    except (ValueError, AttributeError):
        group, version = "", ""
    if group != KUBERNETES or version not in KUBERNETES_VERSIONS:
        raise ConfigurationError(
            "kubectl asks for another kind of credential than an ExecCredential.",
            hint=f"Write apiVersion: {KUBERNETES}/v1 in the kubeconfig.",
        )
    return version


def present_id_token(session: Session, work: Workspace) -> tuple[str, float | None]:
    """An ID token that is still good, and when it ends; renewed if the kept one has ended. Raises `InvalidCall`."""
    for renewed in (False, True):
        token: Token = session.token()
        ends = session.claims.get("exp")
        if token.id_token and (not isinstance(ends, (int, float)) or ends > work.now() + session.provider.leeway):
            return token.id_token, float(ends) if isinstance(ends, (int, float)) else None
        if not renewed and token.refresh_token:
            session.refresh()
    raise InvalidCall(
        f"{session.provider.name} gives no ID token that is still good.",
        hint="Take the access token (--access-token), or sign in again.",
    )


def rfc3339(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 §5.6 writes them."""
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


# ── AWS ──────────────────────────────────────────────────────────────────────────────────────────────


@command.command("aws")
@provider_argument
@config_option
@account_option
@click.option("--role-arn", required=True, help="The role to take on; it trusts this provider.")
@click.option("--session-name", default="authflow", show_default=True, help="As it stands in AWS's own logs.")
@click.option("--duration", type=click.IntRange(900, 43_200), default=3600, show_default=True, help="Seconds.")
@click.option("--region", help="The region whose STS is asked; otherwise the global one.")
@click.option("--endpoint-url", envvar="AWS_ENDPOINT_URL_STS", help="Another address of STS.")
def aws(
    provider: str,
    file: Path | None,
    account: str | None,
    role_arn: str,
    session_name: str,
    duration: int,
    region: str | None,
    endpoint_url: str | None,
) -> None:
    """Print credentials of a role for `credential_process`: STS gives them for the ID token.

    \b
    Example, in ~/.aws/config:
        [profile work]
        credential_process = authflow credential aws work --role-arn arn:aws:iam::123456789012:role/dev
    """
    from .sts import assume_role

    url = endpoint_url or f"https://sts.{f'{region}.' if region else ''}amazonaws.com/"
    with open_workspace(file, only=provider) as work:
        session = require_kept(work.session(provider, account))
        id_token, _ = present_id_token(session, work)
        click.echo(json.dumps(assume_role(url, id_token, role_arn, session_name, duration)))
