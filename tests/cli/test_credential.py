"""Tokens for other tools, asked for by the tools themselves: git, kubectl, the SDKs of Docker and of AWS."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from authflow.testing import DevProvider
from authflow.testing.served import Served

from ..certificates import make_pair
from .conftest import ROOT, configure

Typed = Callable[..., subprocess.CompletedProcess[str]]

ROLE = "arn:aws:iam::123456789012:role/dev"
STS_ANSWER = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleWithWebIdentityResult><Credentials>
    <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret+key</SecretAccessKey>
    <SessionToken>session/token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>
  </Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
STS_REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
  <Code>AccessDenied</Code><Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error>
</ErrorResponse>"""


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """The URL at which `app` answers."""
    served = Served(app)
    served.start()
    try:
        yield served.url
    finally:
        served.stop()


@pytest.fixture
def environment(acme: DevProvider, browser, tmp_path: Path) -> dict[str, str]:
    """Where ada is signed in to acme, and tools find the programs `authflow` and `docker-credential-authflow`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, words in (("authflow", ""), ("docker-credential-authflow", "credential docker ")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -m authflow.cli {words}"$@"\n')
        program.chmod(0o755)
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "GIT_", "AWS_"))},
        **configure(tmp_path, acme, 'scopes = ["offline_access"]\n'),
        "BROWSER": browser(),
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Typed:
    """Runs a program there; `send` is its standard input."""

    def type_(*words: str, send: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, cwd=tmp_path, env={**environment, **more}, input=send, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    assert type_("authflow", "login", "acme").returncode == 0
    return type_


@pytest.fixture
def token(run: Typed) -> str:
    return run("authflow", "token", "acme").stdout.strip()


def missing(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is missing: apt install {package}")


# ── what no tool can use ──


@pytest.fixture
def bound(run: Typed, tmp_path: Path) -> str:
    """The access token of a session whose tokens are bound to a key."""
    file = tmp_path / "authflow.toml"
    file.write_text(file.read_text() + 'dpop = true\n\n[credential.docker]\n"ghcr.example" = "acme"\n')
    assert run("authflow", "logout", "acme", "--local").returncode == 0
    assert run("authflow", "login", "acme").returncode == 0
    return run("authflow", "token", "acme").stdout.strip()


@pytest.mark.parametrize(
    ("words", "send"),
    [
        ("git acme get --host git.example", "protocol=https\nhost=git.example\n\n"),
        ("docker get", "ghcr.example"),
        ("kubectl acme --access-token", ""),
    ],
)
def test_a_token_that_is_bound_to_a_key_is_no_tools(run: Typed, bound: str, words: str, send: str) -> None:
    told = run("authflow", "credential", *words.split(), send=send)

    assert (told.returncode, told.stdout) == (1, "")
    assert "its tokens are bound to a key" in told.stderr
    assert "Take dpop and profile out of [providers.acme]" in told.stderr
    assert bound not in told.stderr


def test_an_id_token_is_bound_to_no_key(run: Typed, bound: str) -> None:
    told = run("authflow", "credential", "kubectl", "acme")

    assert json.loads(told.stdout)["status"]["token"] != bound


# ── git ──


@missing("git", "git")
def test_git_gets_the_token_as_its_password(run: Typed, acme: DevProvider, token: str) -> None:
    host = acme.issuer.removeprefix("http://")
    helper = ("-c", "credential.helper=", "-c", "credential.helper=!authflow credential git acme --username oauth2")

    told = run("git", *helper, "credential", "fill", send=f"protocol=https\nhost={host}\n\n")

    answer = dict(line.split("=", 1) for line in told.stdout.split())
    assert (answer["username"], answer["password"]) == ("oauth2", token)


@missing("git", "git")
def test_git_gets_no_token_for_another_host_unless_it_is_named(run: Typed, token: str) -> None:
    line = "credential.helper=!authflow credential git acme"
    asked = ("credential", "fill")

    told = run("git", "-c", "credential.helper=", "-c", line, *asked, send="protocol=https\nhost=evil.example\n\n")
    assert told.returncode != 0
    assert token not in told.stdout + told.stderr
    assert "its token is not meant for evil.example" in told.stderr

    named = f"{line} --host git.example"
    told = run("git", "-c", "credential.helper=", "-c", named, *asked, send="protocol=https\nhost=git.example\n\n")
    assert f"password={token}" in told.stdout


def test_git_gets_no_token_in_clear(run: Typed, acme: DevProvider, token: str) -> None:
    host = acme.issuer.removeprefix("http://")

    told = run("authflow", "credential", "git", "acme", "get", send=f"protocol=http\nhost={host}\n\n")

    assert told.returncode == 2
    assert token not in told.stdout + told.stderr


def test_a_password_that_the_server_refused_is_renewed(run: Typed, acme: DevProvider, token: str) -> None:
    host = acme.issuer.removeprefix("http://")

    run("authflow", "credential", "git", "acme", "erase", send=f"protocol=https\nhost={host}\npassword={token}\n\n")

    assert run("authflow", "token", "acme").stdout.strip() != token


# ── Docker ──


def test_docker_gets_the_token_for_the_registries_of_the_configuration(
    run: Typed, environment: dict[str, str], token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from docker.credentials import CredentialsNotFound, Store

    with open(tmp_path / "authflow.toml", "a") as file:
        file.write('[credential.docker]\n"ghcr.io" = {provider = "acme", username = "ada"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", environment["PATH"])
    store = Store("authflow", environment=environment)

    assert store.get("ghcr.io") == {"ServerURL": "ghcr.io", "Username": "ada", "Secret": token}
    assert store.get("https://ghcr.io")["Secret"] == token
    assert store.list() == {"ghcr.io": "ada"}
    with pytest.raises(CredentialsNotFound):
        store.get("evil.example")


def test_a_registry_without_a_provider_is_refused_with_its_line(run: Typed, tmp_path: Path) -> None:
    with open(tmp_path / "authflow.toml", "a") as file:
        file.write('[credential.docker]\n"ghcr.io" = 7\n')

    told = run("docker-credential-authflow", "get", send="ghcr.io")

    assert told.returncode == 2
    assert "ghcr.io names no provider" in told.stderr


# ── kubectl ──


class Cluster(BaseHTTPRequestHandler):
    """An API server that answers whatever it is asked, and remembers the Authorization headers."""

    seen: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("authorization", ""))
        body = b'{"major": "1", "minor": "34", "gitVersion": "v1.34.0"}'
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """pytest's output is for pytest."""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """The URL of an API server, the file of its certificate, and what it saw. To http kubectl sends no token."""
    pair = make_pair(tmp_path, "127.0.0.1")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certfile, pair.keyfile)
    Cluster.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}", pair.certfile, Cluster.seen
        finally:
            server.shutdown()
            thread.join()


@missing("kubectl", "kubernetes-client")
def test_kubectl_sends_the_id_token(run: Typed, cluster: tuple[str, Path, list[str]], tmp_path: Path) -> None:
    url, certificate, seen = cluster
    command = {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "authflow",
        "args": ["credential", "kubectl", "acme"], "interactiveMode": "Never",
    }  # fmt: skip
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": url, "certificate-authority": str(certificate)}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
        "users": [{"name": "me", "user": {"exec": command}}],
    }  # fmt: skip
    (tmp_path / "kubeconfig").write_text(json.dumps(config))

    told = run("kubectl", "--kubeconfig", "kubeconfig", "get", "--raw", "/version")

    assert told.returncode == 0, told.stderr
    assert seen[-1].count(".") == 2
    assert seen[-1].startswith("Bearer ey")


def test_an_exec_credential_says_when_it_ends(run: Typed, token: str) -> None:
    info = json.dumps({"apiVersion": "client.authentication.k8s.io/v1beta1", "kind": "ExecCredential"})

    told = run("authflow", "credential", "kubectl", "acme", "--access-token", KUBERNETES_EXEC_INFO=info)

    answer: dict[str, Any] = json.loads(told.stdout)
    assert answer["apiVersion"] == "client.authentication.k8s.io/v1beta1"
    assert answer["status"]["token"] == token
    assert answer["status"]["expirationTimestamp"].endswith("Z")


@pytest.mark.parametrize("info", ["{", "[]", '{"apiVersion": "client.authentication.k8s.io/v9"}', '{"apiVersion": 7}'])
def test_what_kubectl_never_asks_is_refused(run: Typed, info: str) -> None:
    told = run("authflow", "credential", "kubectl", "acme", KUBERNETES_EXEC_INFO=info)

    assert (told.returncode, told.stdout) == (2, "")
    assert "Traceback" not in told.stderr


# ── AWS ──


@pytest.fixture
def sts() -> Iterator[tuple[str, list[dict[str, str]], list[tuple[int, str]]]]:
    """A stand-in for AWS's STS, with its documented answers; what it was asked, and what it says next."""
    asked: list[dict[str, str]] = []
    says = [(200, STS_ANSWER)]

    async def answer(request: Request) -> Response:
        asked.append({name: values[0] for name, values in parse_qs((await request.body()).decode()).items()})
        status, text = says[0]
        return Response(text.replace("{token}", asked[-1]["WebIdentityToken"]), status, media_type="text/xml")

    with serving(Starlette(routes=[Route("/", answer, methods=["POST"])])) as url:
        yield f"{url}/", asked, says


def test_the_aws_sdk_gets_credentials_of_the_role(
    run: Typed, environment: dict[str, str], sts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import botocore.session

    url, asked, _ = sts
    line = f"authflow credential aws acme --role-arn {ROLE} --endpoint-url {url}"
    (tmp_path / "aws").write_text(f"[profile work]\ncredential_process = {line}\n")
    monkeypatch.chdir(tmp_path)
    for name, value in {**environment, "AWS_CONFIG_FILE": str(tmp_path / "aws"), "AWS_PROFILE": "work"}.items():
        monkeypatch.setenv(name, value)

    found = botocore.session.Session().get_credentials().get_frozen_credentials()

    assert (found.access_key, found.secret_key, found.token) == ("ASIAEXAMPLE", "secret+key", "session/token")
    assert (asked[0]["Action"], asked[0]["RoleArn"]) == ("AssumeRoleWithWebIdentity", ROLE)
    assert asked[0]["WebIdentityToken"].count(".") == 2


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ((403, STS_REFUSAL), "STS refuses the role: AccessDenied."),
        ((200, "<html>"), "what is no XML"),
        ((200, STS_ANSWER.replace("SessionToken", "Session")), "no whole set of credentials"),
    ],
)
def test_what_sts_says_is_told(run: Typed, sts, says: tuple[int, str], said: str) -> None:
    url, _, answers = sts
    answers[0] = says

    told = run("authflow", "credential", "aws", "acme", "--role-arn", ROLE, "--endpoint-url", url)

    assert (told.returncode, told.stdout) == (1, "")
    assert said in told.stderr


def test_what_sts_says_of_the_token_shows_none_of_it(run: Typed, sts) -> None:
    url, asked, answers = sts
    said = f"The token {{token}} does not fit AssumeRoleWithWebIdentity of {ROLE}; nor does ASIA{'x7Q' * 9}"
    answers[0] = (400, STS_REFUSAL.replace("Not authorized to perform sts:AssumeRoleWithWebIdentity", said))

    told = run("authflow", "credential", "aws", "acme", "--role-arn", ROLE, "--endpoint-url", url)

    assert f"The token … does not fit AssumeRoleWithWebIdentity of {ROLE}; nor does …" in " ".join(told.stderr.split())
    assert not any(part in told.stderr for part in asked[0]["WebIdentityToken"].split("."))


def test_an_id_token_goes_nowhere_in_clear(run: Typed) -> None:
    told = run("authflow", "credential", "aws", "acme", "--role-arn", ROLE, "--endpoint-url", "http://sts.example/")

    assert (told.returncode, told.stdout) == (2, "")
