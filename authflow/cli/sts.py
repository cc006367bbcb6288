"""AWS's AssumeRoleWithWebIdentity: an ID token against the credentials of a role, as `credential_process` wants them.

Specification: AWS Security Token Service API Reference, AssumeRoleWithWebIdentity; AWS CLI User Guide, "Sourcing
credentials with an external process".
"""

from __future__ import annotations

from typing import Any, Final
from xml.etree import ElementTree

import httpx

from ..errors import InsecureURL, ProviderError, ResponseInvalid, printable
from ..http import Http
from ..protocol.step import build_request
from ..protocol.urls import check_endpoint
from ..protocol.words import harmless

NAMESPACE: Final = "{https://sts.amazonaws.com/doc/2011-06-15/}"
PUBLIC: Final = frozenset({"Action", "Version", "RoleArn", "RoleSessionName", "DurationSeconds"})  # of what is sent
MEMBERS: Final = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")


def assume_role(url: str, id_token: str, role_arn: str, session_name: str, duration: int) -> dict[str, Any]:
    """The credentials, as the AWS tools read them. Raises `ProviderError`, `ResponseInvalid`, `WireError`."""
    http = Http()
    try:
        return read_credentials(http.send(build_sts_request(url, id_token, role_arn, session_name, duration)))
    finally:
        http.close()


def build_sts_request(url: str, id_token: str, role_arn: str, session_name: str, duration: int) -> httpx.Request:
    """`duration`: seconds that the credentials are good for. Raises `InsecureURL` unless https, or this machine."""
    try:
        check_endpoint(url, allow_insecure_loopback=True)
    except InsecureURL as error:
        raise InsecureURL(f"The address of STS: {error.message}", hint=error.hint) from None
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role_arn,
        "RoleSessionName": session_name,
        "DurationSeconds": str(duration),
        "WebIdentityToken": id_token,
    }
    return build_request("POST", url, form=form, headers={"accept": "application/xml"})


def read_credentials(response: httpx.Response) -> dict[str, Any]:
    """The answer's credentials. Raises `ProviderError` with what STS says, `ResponseInvalid`."""
    try:
        # The body is capped, and expat bounds what entities may grow to.
        root = ElementTree.fromstring(response.content)  # noqa: S314
    except ElementTree.ParseError:
        root = None
    if root is None:
        raise ResponseInvalid(
            f"STS answered {response.status_code} with what is no XML.", hint="Check --region and --endpoint-url."
        )
    code = root.findtext(f".//{NAMESPACE}Error/{NAMESPACE}Code")
    if code is not None or not response.is_success:
        said = root.findtext(f".//{NAMESPACE}Error/{NAMESPACE}Message") or ""
        code, said = (harmless(text, response, {}, PUBLIC) for text in (code or str(response.status_code), said))
        raise ProviderError(
            f"STS refuses the role: {printable(code, 80)}. {printable(said, 300)}".strip(),
            hint="The role's trust policy must name this provider, and the ID token's aud.",
        )
    found = {name: root.findtext(f".//{NAMESPACE}Credentials/{NAMESPACE}{name}") for name in MEMBERS}
    if not all(found.values()):
        raise ResponseInvalid("STS's answer has no whole set of credentials.", hint="Check --endpoint-url.")
    return {"Version": 1, **found}
