"""`authflow.toml`: what it may say, and that every mistake in it is named with file, line and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keyring
import pytest

from authflow.cli.config import TYPES, find_config, line_of, read_config, secret_name, user_file
from authflow.errors import ConfigurationError, UnknownProvider

GITHUB = """# my logins
[providers.github]
type = "github"
client_id = "abc"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "authflow.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(folder: Path, text: str, name: str = "github", **env: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read_config(written(folder, text)).provider(name, env)
    assert "hunter2" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("github", ""),
        ("google", ""),
        ("microsoft", 'tenant = "organizations"'),
        ("auth0", 'domain = "tenant.eu.auth0.com"'),
        ("linkedin", ""),
        ("openid", 'issuer = "https://idp.example.com"'),
        ("oauth2", 'authorization_endpoint = "https://i.example/a"\ntoken_endpoint = "https://i.example/t"'),
    ],
)
def test_every_type_can_be_configured(tmp_path: Path, kind: str, more: str) -> None:
    text = f'[providers.mine]\ntype = "{kind}"\nclient_id = "abc"\nscopes = ["extra"]\n{more}\n'

    made = read_config(written(tmp_path, text)).provider("mine", {"MINE_CLIENT_SECRET": "hunter2"})

    assert type(made) is TYPES[kind]
    assert (made.name, made.client_id, made.client_secret) == ("mine", "abc", "hunter2")
    assert "extra" in made.scopes


def test_a_table_named_like_its_type_needs_no_type(tmp_path: Path) -> None:
    made = read_config(written(tmp_path, '[providers.google]\nclient_id = "abc"\n')).provider("google", {})

    assert type(made) is TYPES["google"]


def test_without_a_secret_in_the_environment_it_is_a_public_client(tmp_path: Path) -> None:
    assert read_config(written(tmp_path, GITHUB)).provider("github", {}).client_secret is None


def test_the_secret_comes_from_the_variable_that_is_named(tmp_path: Path) -> None:
    text = GITHUB + 'client_secret_env = "OTHER"\n'
    env = {"OTHER": "hunter2", "GITHUB_CLIENT_SECRET": "not this"}

    assert read_config(written(tmp_path, text)).provider("github", env).client_secret == "hunter2"


def test_a_variable_that_is_named_and_not_set_is_an_error_with_its_line(tmp_path: Path) -> None:
    error = refused(tmp_path, GITHUB + 'client_secret_env = "OTHER"\n')

    assert "authflow.toml, line 5: github: the environment has no OTHER." in str(error)
    assert "export OTHER=" in error.hint


IN_KEYRING = GITHUB + 'client_secret_keyring = "authflow"\n'


class Keychain:
    """Stands where the system's keyring is, and has one secret or none."""

    def __init__(self, secret: str | None) -> None:
        self.secret = secret

    def get_password(self, service: str, username: str) -> str | None:
        return self.secret if (service, username) == ("authflow", "abc") else None


@pytest.fixture
def keychain(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts one there, under the name that the package `keyring` gives a backend."""

    def put(secret: str | None, *, backend: str = "keyring.backends.macOS.Keyring") -> None:
        module, _, name = backend.rpartition(".")
        kind = type(name, (Keychain,), {"__module__": module})
        monkeypatch.setattr(keyring, "get_keyring", lambda: kind(secret))

    return put


def test_the_secret_comes_from_the_keyring_unless_the_environment_has_one(
    tmp_path: Path, keychain: Callable[..., None]
) -> None:
    keychain("hunter2")
    config = read_config(written(tmp_path, IN_KEYRING))
    assert config.provider("github", {}).client_secret == "hunter2"
    assert config.provider("github", {"GITHUB_CLIENT_SECRET": "hunter3"}).client_secret == "hunter3"


def test_a_keyring_without_the_secret_is_an_error_with_its_line(
    tmp_path: Path, keychain: Callable[..., None]
) -> None:
    keychain(None)
    error = refused(tmp_path, IN_KEYRING)
    assert "authflow.toml, line 5: github: the system's keyring has nothing under authflow" in str(error)
    assert error.hint == "Put it there: keyring set authflow abc, or set GITHUB_CLIENT_SECRET in the environment."


@pytest.mark.parametrize("variable", ["GITHUB_CLIENT_SECRET", "OTHER"])
def test_where_no_keyring_can_be_asked_the_variable_is_named_that_stands_in_for_it(
    tmp_path: Path, keychain: Callable[..., None], variable: str
) -> None:
    keychain("hunter2", backend="keyrings.alt.file.PlaintextKeyring")
    error = refused(tmp_path, f'{IN_KEYRING}client_secret_env = "{variable}"\n')
    assert "line 5: github: The system's keyring cannot be asked" in str(error)
    assert "PlaintextKeyring does not protect what it keeps" in str(error)
    assert error.hint.endswith(f", or set {variable} in the environment.")


@pytest.mark.parametrize("value", ['""', "3", "true"])
def test_a_variable_must_be_a_name(tmp_path: Path, value: str) -> None:
    assert "line 5" in str(refused(tmp_path, GITHUB + f"client_secret_env = {value}\n"))


@pytest.mark.parametrize("line", ['client_secret = "hunter2"', '"client_secret"="hunter2"', "client_secret = ''"])
def test_a_secret_in_the_file_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    error = refused(tmp_path, f"{GITHUB}{line}\n")

    assert "authflow.toml, line 5: github: a secret stands in the file." in str(error)
    assert "GITHUB_CLIENT_SECRET" in error.hint


def test_a_secret_in_an_inline_table_is_refused_with_its_line(tmp_path: Path) -> None:
    error = refused(tmp_path, '[providers]\n\ngithub = {client_id = "a", client_secret = "hunter2"}\n')

    assert "authflow.toml, line 3" in str(error)


def test_an_unknown_provider_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UnknownProvider, match=r"no provider 'gitlab'; it has: github, work\.") as caught:
        read_config(written(tmp_path, GITHUB + "[providers.work]\n")).provider("gitlab", {})

    assert "authflow.toml" in str(caught.value)


def test_a_file_without_providers_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownProvider, match="it has: none"):
        read_config(written(tmp_path, "")).provider("github", {})


def test_an_unknown_type_names_the_known_ones(tmp_path: Path) -> None:
    error = refused(tmp_path, '[providers.github]\ntype = "gitub"\nclient_id = "a"\n')

    assert "line 2" in str(error)
    assert "github, google, microsoft, auth0, linkedin, openid, oauth2" in error.hint


def test_a_type_with_a_slip_of_the_pen_names_the_nearest_one(tmp_path: Path) -> None:
    error = refused(tmp_path, '[providers.github]\ntype = "gihub"\nclient_id = "x"\n')

    assert "Did you mean 'github'?" in error.hint


@pytest.mark.parametrize("header", ["provider.github", "github"])
def test_a_table_in_the_wrong_place_is_told_where_it_belongs(tmp_path: Path, header: str) -> None:
    error = refused(tmp_path, f'[{header}]\nclient_id = "x"\n')

    assert "Write [providers.github]" in error.hint


def test_an_unknown_setting_names_its_line_and_the_nearest_one(tmp_path: Path) -> None:
    error = refused(tmp_path, GITHUB + "\nscope_separater = ','\n")

    assert "authflow.toml, line 6" in str(error)
    assert "scope_separator" in error.hint


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ('client_secret_envv = "X"', "client_secret_env"),
        ('client_secret_keyrng = "X"', "client_secret_keyring"),
        ('scope = ["repo"]', "scopes"),
        ('hst = "github.example.com"', "host"),
    ],
)
def test_a_setting_with_a_slip_of_the_pen_names_the_right_one(tmp_path: Path, line: str, right: str) -> None:
    error = refused(tmp_path, f"{GITHUB}{line}\n")

    assert "authflow.toml, line 5" in str(error)
    assert error.hint == f"Did you mean {right!r}?"


def test_a_needed_setting_with_a_slip_of_the_pen_is_not_called_missing(tmp_path: Path) -> None:
    text = '[providers.work]\ntype = "openid"\nisuer = "https://idp.example.com"\nclient_id = "a"\n'

    error = refused(tmp_path, text, "work")

    assert "line 3: work: OpenIDConnect has no setting 'isuer'." in str(error)
    assert error.hint == "Did you mean 'issuer'?"


def test_a_provider_with_a_slip_of_the_pen_names_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownProvider) as caught:
        read_config(written(tmp_path, GITHUB)).provider("gihub", {})

    assert caught.value.hint == "Did you mean 'github'?"


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ('type = "openid"\nissuer = "https://idp.example.com/realms/a"\nclient_id = "a"', "idp.example.com"),
        ('type = "openid"\nissuer = "https://idp.example.com"\nclient_id = "a"\nlabel = "Work"', "Work"),
        (
            'type = "oauth2"\nclient_id = "a"\nauthorization_endpoint = "https://i.example/a"\n'
            'token_endpoint = "https://i.example/t"',
            "work",
        ),
        ('type = "github"\nclient_id = "a"', "GitHub"),
    ],
)
def test_a_provider_without_a_label_is_called_by_its_host_or_its_table(
    tmp_path: Path, text: str, label: str
) -> None:
    assert read_config(written(tmp_path, f"[providers.work]\n{text}\n")).provider("work", {}).label == label


def test_a_missing_setting_names_the_table(tmp_path: Path) -> None:
    error = refused(tmp_path, '\n[providers.work]\ntype = "openid"\nclient_id = "a"\n', "work")

    assert "authflow.toml, line 2: work: issuer missing." in str(error)
    assert 'issuer = "…"' in error.hint


def test_a_string_where_a_list_belongs_names_its_line(tmp_path: Path) -> None:
    assert "authflow.toml, line 5" in str(refused(tmp_path, GITHUB + 'scopes = "repo"\n'))


def test_an_endpoint_in_clear_is_refused_with_its_table(tmp_path: Path) -> None:
    text = '[providers.work]\ntype = "openid"\nissuer = "http://idp.example.com"\nclient_id = "a"\n'

    assert "authflow.toml, line" in str(refused(tmp_path, text, "work"))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[providers.github\nclient_id = 1\n", 1),
        ('[providers.github]\nclient_id = "hunter2\n', 2),
        ("[providers.github]\nclient_id = \n", 2),
        ('[providers.github]\nclient_id = "a"\nclient_id = "b"\n', 3),
    ],
)
def test_what_is_no_toml_names_its_line(tmp_path: Path, text: str, line: int) -> None:
    error = refused(tmp_path, text)

    assert f"authflow.toml, line {line}: this is no TOML" in str(error)


@pytest.mark.parametrize("text", ["providers = 3\n", "[providers]\ngithub = 3\n", "[[providers]]\na = 1\n"])
def test_providers_that_are_no_tables_are_refused(tmp_path: Path, text: str) -> None:
    assert "providers is no table" in str(refused(tmp_path, text))


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "authflow.toml").write_bytes('# größe\n'.encode("utf-16"))

    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_config(tmp_path / "authflow.toml")


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "authflow.toml").write_text(GITHUB, encoding="utf-8-sig")

    assert list(read_config(tmp_path / "authflow.toml").tables) == ["github"]


def test_the_project_goes_before_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("APPDATA", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    user_file().parent.mkdir(parents=True)
    user_file().write_text('[providers.users]\nclient_id = "a"\n')

    assert list(find_config().tables) == ["users"]

    written(tmp_path / "project", GITHUB)

    assert list(find_config().tables) == ["github"]


def test_no_file_at_all_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigurationError, match=r"There is no authflow\.toml here, nor") as caught:
        find_config()

    assert "--config FILE" in caught.value.hint


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        find_config(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("name", "variable"), [("github", "GITHUB_CLIENT_SECRET"), ("my-idp.2", "MY_IDP_2_CLIENT_SECRET")]
)
def test_the_default_variable_is_made_of_the_name(name: str, variable: str) -> None:
    assert secret_name(name) == variable


def test_a_key_of_another_table_is_not_taken_for_ones_own() -> None:
    text = '[providers.a]\nclient_id = "1"\n[providers.b]\nclient_id = "2"\n[providers."c d"]\nclient_id = "3"\n'

    assert [line_of(text, name, "client_id") for name in ("a", "b", "c d", "d")] == [2, 4, 6, None]
    assert [line_of(text, name) for name in ("a", "b", "c d", "d")] == [1, 3, 5, None]
