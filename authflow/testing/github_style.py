"""The development provider posing as GitHub: OAuth 2.0 with its own manners, no OpenID Connect, no discovery.

What GitHub does differently, and this does like it: token errors with status 200, form-encoded answers unless JSON
is asked for, scopes joined by commas, `iss` in the callback, a private e-mail address that only `/user/emails` tells,
teams in pages, revocation by DELETE with a JSON body. The API is also there under `/api/v3`, as on GitHub Enterprise.

https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .grants import Access, Refused
from .messages import NO_STORE, read_client_credentials, read_form, read_token

if TYPE_CHECKING:
    from .dev_provider import DevProvider

REFRESH_SECONDS = 15_897_600  # what GitHub says of its refresh tokens: six months

_ERRORS = {
    "invalid_client": ("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect."),
    "slow_down": ("slow_down", "Too many requests have been made in the same timeframe."),
    "invalid_grant": ("bad_verification_code", "The code passed is incorrect or expired."),
    "bad_refresh_token": ("bad_refresh_token", "The refresh token passed is incorrect or expired."),
    "unsupported_grant_type": ("unsupported_grant_type", "The grant_type is not served."),
}


class GitHubStyle:
    """The endpoints of `style="github"`."""

    def __init__(self, provider: DevProvider) -> None:
        self._provider = provider

    def routes(self) -> list[Route]:
        api = [
            Route(prefix + path, answer)
            for prefix in ("", "/api/v3")
            for path, answer in (("/user", self.user), ("/user/emails", self.emails), ("/user/teams", self.teams))
        ]
        return [
            Route("/login/oauth/access_token", self.access_token, methods=["POST"]),
            *api,
            *(
                Route(f"{prefix}/applications/{{client_id}}/{what}", self.delete, methods=["DELETE"])
                for prefix in ("", "/api/v3")
                for what in ("token", "grant")
            ),
        ]

    # ── tokens ───────────────────────────────────────────────────────────────────────────────────────

    async def access_token(self, request: Request) -> Response:
        """A token, or an error; the status is 200 either way."""
        form, _ = await read_form(request)
        renewing = form.get("grant_type") == "refresh_token"
        try:
            client = self._provider.grants.authenticate(*read_client_credentials(request, form))
            issued, _ = self._provider.issue_tokens({"grant_type": "authorization_code", **form}, client)
        except Refused as refused:
            name = "bad_refresh_token" if renewing and refused.error == "invalid_grant" else refused.error
            error, description = _ERRORS.get(name, (name, refused.description))
            docs = f"{self._provider.url}/docs"
            return self._say(request, {"error": error, "error_description": description, "error_uri": docs})
        answer: dict[str, Any] = {
            "access_token": issued.access_token,
            "token_type": "bearer",
            "scope": ",".join(issued.scope),
        }
        if issued.refresh_token is not None:
            answer |= {"refresh_token": issued.refresh_token, "refresh_token_expires_in": REFRESH_SECONDS}
        if issued.expires_in is not None:
            answer["expires_in"] = int(issued.expires_in)
        answer = self._provider.tamper.apply("token_response", answer)
        self._provider.note_tokens(answer)
        return self._say(request, answer)

    def _say(self, request: Request, answer: dict[str, Any]) -> Response:
        if "json" in request.headers.get("accept", ""):
            return JSONResponse(answer, headers=NO_STORE)
        return Response(urlencode(answer), headers=NO_STORE, media_type="application/x-www-form-urlencoded")

    async def delete(self, request: Request) -> Response:
        """One token, or the whole grant: `DELETE /applications/{client_id}/token` and `…/grant`."""
        client_id, secret = read_client_credentials(request, {})
        try:
            client = self._provider.grants.authenticate(client_id, secret)
        except Refused:
            return _no(401, "Bad credentials")
        if client.client_id != request.path_params["client_id"]:
            return _no(404, "Not Found")
        token = _access_token(await request.body())
        access = self._provider.grants.look_up(token, self._provider.now())
        if access is None or access.grant.client_id != client_id:
            return _no(422, "Validation Failed")
        if request.url.path.endswith("/grant"):
            self._provider.grants.end(access.grant.user.login, client_id)
        else:
            self._provider.grants.revoke(client, token)
        return Response(status_code=204)

    # ── the API ──────────────────────────────────────────────────────────────────────────────────────

    async def user(self, request: Request) -> Response:
        access = self._access(request)
        if access is None:
            return _no(401, "Bad credentials")
        user = access.grant.user
        said = {
            "login": user.login,
            "id": user.number,
            "node_id": f"U_dev{user.number}",
            "avatar_url": f"{self._provider.url}/avatars/{user.number}",
            "html_url": f"{self._provider.url}/{user.login}",
            "type": "User",
            "site_admin": False,
            "name": user.name,
            "email": None,  # private, as most people's is
            **user.claims,
        }
        return self._tell(access, "userinfo", said)

    async def emails(self, request: Request) -> Response:
        access = self._access(request)
        if access is None:
            return _no(401, "Bad credentials")
        if not {"user:email", "user"} & set(access.scope):
            return _no(404, "Not Found")
        user = access.grant.user
        said = [
            {"email": f"{user.number}+{user.login}@users.noreply.example.com", "primary": False, "verified": True},
            {"email": user.email, "primary": True, "verified": user.email_verified},
        ]
        return self._tell(access, "emails", [{**one, "visibility": None} for one in said])

    async def teams(self, request: Request) -> Response:
        access = self._access(request)
        if access is None:
            return _no(401, "Bad credentials")
        if not {"read:org", "write:org", "admin:org", "user", "repo"} & set(access.scope):
            return _no(403, "Resource not accessible without read:org")
        organization = {"login": "dev-hub", "id": 1}
        everything = [
            {"id": number, "name": name.title(), "slug": name, "organization": organization}
            for number, name in enumerate(access.grant.user.groups, 1)
        ]
        size = min(max(_number(request, "per_page", 30), 1), 100)
        page = max(_number(request, "page", 1), 1)
        last = max(1, -(-len(everything) // size))
        response = self._tell(access, "teams", everything[(page - 1) * size : page * size])
        if page < last:
            base = f"{self._provider.url}{request.url.path}?per_page={size}&page="
            response.headers["link"] = f'<{base}{page + 1}>; rel="next", <{base}{last}>; rel="last"'
        return response

    def _access(self, request: Request) -> Access | None:
        return self._provider.grants.look_up(read_token(request)[1], self._provider.now())

    def _tell(self, access: Access, name: str, said: Any) -> Response:
        headers = {"x-oauth-scopes": ", ".join(access.scope), "cache-control": "private, max-age=60"}
        return JSONResponse(self._provider.tamper.apply(name, said), headers=headers)


def _no(status: int, message: str) -> Response:
    return JSONResponse({"message": message, "documentation_url": "https://docs.github.com/rest"}, status)


def _number(request: Request, name: str, default: int) -> int:
    value = request.query_params.get(name, "")
    return int(value) if value.isdecimal() and len(value) < 6 else default


def _access_token(body: bytes) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(said.get("access_token", "")) if isinstance(said, dict) else ""
