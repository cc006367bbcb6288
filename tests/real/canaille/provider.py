"""Canaille as an OpenID provider: `python provider.py FOLDER PORT CALLBACK_PORT`. Its one user is ada."""

import asyncio
import sys
from pathlib import Path

from authlib.common.security import generate_token
from canaille import create_app
from canaille.app import models
from canaille.app.installation import install
from canaille.backends import Backend
from canaille.oidc import provider as oidc
from hypercorn.asyncio import serve
from hypercorn.config import Config
from joserfc.jwk import RSAKey

folder, port, callback_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
here = f"http://127.0.0.1:{callback_port}"

# Its own access tokens of one client and user are equal within a second, and its database refuses the second one.
oidc.generate_access_token = lambda *_, **__: generate_token(48)

app = create_app(
    {
        "SECRET_KEY": "only-tests-know-this-key",
        "SERVER_NAME": f"127.0.0.1:{port}",
        "PREFERRED_URL_SCHEME": "http",
        "CANAILLE": {
            "NAME": "Canaille",
            "DATABASE": "sql",
            "HTMX": False,
            "JAVASCRIPT": False,
            "ACL": {"DEFAULT": {"PERMISSIONS": ["edit_self", "use_oidc"], "READ": ["user_name"], "WRITE": []}},
        },
        "CANAILLE_SQL": {"DATABASE_URI": f"sqlite:///{folder / 'canaille.sqlite'}"},
        "CANAILLE_OIDC": {
            "ACTIVE_JWKS": [RSAKey.generate_key(2048, {"kid": "rsa"}).as_dict(private=True)],
            "DYNAMIC_CLIENT_REGISTRATION_OPEN": True,
            "REQUIRE_NONCE": False,
        },
    }
)
with app.app_context():
    install(app)
with app.app_context(), Backend.instance.session():
    ada = models.User(
        user_name="ada",
        password="pw-ada",
        formatted_name="Ada Example",
        given_name="Ada",
        family_name="Example",
        emails=["ada@example.test"],
    )
    Backend.instance.save(ada)
    for name in ("web", "no-audience"):
        client = models.Client(
            client_id=name,
            client_secret="secret-that-only-tests-know",
            client_name=name,
            redirect_uris=[f"{here}/callback"],
            post_logout_redirect_uris=[f"{here}/logged-out"],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="client_secret_basic",
            scope=["openid", "profile", "email"],
        )
        Backend.instance.save(client)
        if name == "web":  # the other one's ID tokens are meant for nobody
            client.audience = [client]
            Backend.instance.save(client)

listening = Config()
listening.bind = [f"127.0.0.1:{port}"]
asyncio.run(serve(app, listening))
