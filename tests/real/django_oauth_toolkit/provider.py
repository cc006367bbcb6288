"""django-oauth-toolkit as an OpenID provider: `python provider.py FOLDER PORT CALLBACK_PORT`. Its one user is ada."""

import sys
from pathlib import Path

import django
from django.conf import settings
from jwcrypto.jwk import JWK

folder, port, callback_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
sys.modules["provider"] = sys.modules[__name__]  # Django imports the URLs by this name
here = f"http://127.0.0.1:{callback_port}"

settings.configure(
    SECRET_KEY="only-tests-know-this-key-of-fifty-characters-or-more",
    ROOT_URLCONF="provider",
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    LOGIN_URL="/login/",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "site.sqlite")}},
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "oauth2_provider",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "DIRS": [str(Path(__file__).parent)],
            "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
        }
    ],
    OAUTH2_PROVIDER={
        "OIDC_ENABLED": True,
        "OIDC_RSA_PRIVATE_KEY": JWK.generate(kty="RSA", size=2048).export_to_pem(True, None).decode(),
        "SCOPES": {"openid": "Who you are", "profile": "Your name", "email": "Your address"},
        "PKCE_REQUIRED": True,
        "ROTATE_REFRESH_TOKEN": True,
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "ACCESS_TOKEN_EXPIRE_SECONDS": 300,
        "OIDC_RP_INITIATED_LOGOUT_ENABLED": True,
        "OIDC_RP_INITIATED_LOGOUT_ALWAYS_PROMPT": False,
        "ALLOWED_REDIRECT_URI_SCHEMES": ["http"],
    },
)
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402 - needs the settings
from django.contrib.auth.views import LoginView  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.urls import include, path  # noqa: E402
from oauth2_provider.models import get_application_model  # noqa: E402

urlpatterns = [
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("login/", LoginView.as_view(template_name="login.html")),
]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    ada = get_user_model().objects.create_user("ada", "ada@example.test", "pw-ada")
    for client_type in ("confidential", "public"):
        get_application_model().objects.create(
            name=client_type,
            client_id=client_type,
            client_secret="secret-that-only-tests-know",
            client_type=client_type,
            authorization_grant_type="authorization-code",
            algorithm="RS256",
            user=ada,
            redirect_uris=f"{here}/callback",
            post_logout_redirect_uris=f"{here}/logged-out",
        )
    call_command("runserver", f"127.0.0.1:{port}", "--noreload")
