"""What a login takes by name: checked, and made into the options of an operation, the same for both colours.

Rule: what no login can be made from is refused before anything begins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from . import operations
from .agents.choosing import Suitable
from .agents.ciba import CIBA
from .agents.loopback import Loopback
from .errors import ConfigurationError, InvalidCall
from .operations import LoginOptions
from .protocol.asked_claims import build_claims_parameter
from .protocol.authorization import OUR_PARAMETERS
from .protocol.rar import build_authorization_details
from .reading import ReadableSession
from .records import Token

if TYPE_CHECKING:
    from .agents.base import Agent

OpenURL = Callable[[str], Any]
_AS_PARAMETERS = ("login_hint", "domain_hint", "id_token_hint", "ui_locales", "display")
_TEXTS = (*_AS_PARAMETERS, "prompt")
_LISTS = ("scope", "acr_values", "resource")
_SECONDS = ("timeout", "max_age")


class LoginArguments(TypedDict, total=False):
    """What `login` and `begin` take by name, besides their own.

    `scope`: further scopes. `fetch_user`, `fetch_groups`: whether the profile and the groups are asked for (groups
    are the user's, so asking for them asks for the user).
    `timeout`: seconds until the human must be back. `agent`: how the human is reached. `prompt`, `max_age`
    (seconds), `acr_values`, `login_hint`, `id_token_hint`, `domain_hint`, `ui_locales`, `display`: OpenID Connect
    Core §3.1.2.1. `claims`: single claims, asked for by name (§5.5). `authorization_details`: RFC 9396 §2.
    `resource`: the APIs that the tokens are for (RFC 8707). `params`: any further parameter of the authorization
    request.
    """

    scope: Sequence[str]
    fetch_user: bool
    fetch_groups: bool
    timeout: float
    agent: Agent | Suitable | None
    prompt: str | None
    max_age: float | None
    acr_values: Sequence[str]
    login_hint: str | None
    domain_hint: str | None
    id_token_hint: str | None
    ui_locales: str | None
    display: str | None
    claims: Mapping[str, Any] | None
    authorization_details: Sequence[Mapping[str, Any]] | None
    resource: Sequence[str] | None
    params: Mapping[str, str]


def login_options(arguments: LoginArguments, **more: Any) -> LoginOptions:
    """The options of a login from its named arguments. Raises `ConfigurationError` for one that cannot be."""
    given: dict[str, Any] = dict(arguments)
    check_arguments(given)
    timeout = arguments.get("timeout", 600.0)
    if not 0 < timeout <= 86_400:
        raise ConfigurationError("timeout must lie between 0 and 86,400 seconds.", hint="Leave it at 600.")
    params = {str(name): str(value) for name, value in (arguments.get("params") or {}).items()}
    params.update({name: str(given[name]) for name in _AS_PARAMETERS if given.get(name) is not None})
    return LoginOptions(
        scope=tuple(arguments.get("scope") or ()),
        fetch_user=arguments.get("fetch_user", True) or arguments.get("fetch_groups", False),
        fetch_groups=arguments.get("fetch_groups", False),
        timeout=float(timeout),
        agent=arguments.get("agent"),
        prompt=arguments.get("prompt"),
        max_age=arguments.get("max_age"),
        acr_values=tuple(arguments.get("acr_values") or ()),
        claims=dict(arguments.get("claims") or {}),
        authorization_details=tuple(dict(one) for one in arguments.get("authorization_details") or ()),
        resource=tuple(arguments.get("resource") or ()),
        params=params,
        **more,
    )


def with_asked(session: ReadableSession, arguments: LoginArguments) -> LoginArguments:
    """The arguments of a step-up: the caller's, or else what an API asked for. Raises `SignInRequired`."""
    if not session.live:
        raise operations.sign_in_required(session)
    asked = session.step_up_required
    if asked is None or any(arguments.get(name) is not None for name in ("acr_values", "max_age", "scope")):
        return arguments
    return {**arguments, "acr_values": asked.acr_values, "max_age": asked.max_age, "scope": asked.scope}


def check_arguments(given: Mapping[str, Any]) -> None:
    """What no login can be made from is refused before anything begins. Raises `ConfigurationError`."""
    known = LoginArguments.__annotations__.keys()
    for name, value in given.items():
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" It takes {', '.join(sorted(known))}."
            raise TypeError(f"A login has no argument {name!r}.{hint}")
        if name in _LISTS and isinstance(value, str):
            raise ConfigurationError(
                f"{name} must be a list of strings, not one string.", hint=f"Write {name}={value.split()!r}."
            )
        if name in _LISTS and value is not None and not isinstance(value, Collection):
            raise ConfigurationError(f"{name} must be a list of strings.", hint=f"It is {type(value).__name__}.")
        if name in _LISTS and not all(isinstance(one, str) for one in value or ()):
            raise ConfigurationError(f"{name} must be a list of strings.", hint="It holds something else.")
        if name in _SECONDS and value is not None and not isinstance(value, (int, float)):
            raise ConfigurationError(f"{name} must be a number of seconds.", hint=f"Write {name}=600.")
        if name == "max_age" and value is not None and not 0 <= value < float("inf"):
            raise ConfigurationError("max_age cannot be negative or without end.", hint="0 asks for a sign-in now.")
        if name in _TEXTS and value is not None and not isinstance(value, str):
            raise ConfigurationError(f"{name} must be a string.", hint=f'Write {name}="…".')
        if name in ("params", "claims") and value is not None and not isinstance(value, Mapping):
            raise ConfigurationError(f"{name} must be a mapping.", hint=f'Write {name}={{"name": …}}.')
        if name == "claims" and value is not None:
            build_claims_parameter(value)
        if name == "authorization_details" and value is not None:
            build_authorization_details(value)
        if name == "params" and value is not None and (fixed := OUR_PARAMETERS & set(value)):
            raise ConfigurationError(
                f"params cannot hold {', '.join(sorted(fixed))}.",
                hint="authflow makes it anew for every attempt; the response mode is a setting of the provider.",
            )
        if name == "agent" and value is not None and not is_agent(value):
            raise ConfigurationError("agent= is no agent.", hint="Pass an instance, such as agent=Paste().")
    agent = given.get("agent")
    if isinstance(agent, CIBA) and any(given.get(name) is not None for name in ("login_hint", "id_token_hint")):
        raise ConfigurationError(
            "Whom CIBA asks is said by the agent, not by an argument of the login.", hint="Write CIBA(login_hint=…)."
        )


def is_agent(value: object) -> bool:
    return not isinstance(value, type) and (isinstance(value, Suitable) or hasattr(value, "listen"))


def check_opener(open_url: object) -> None:
    """`open_url` is called with the URL."""
    if open_url is not None and not callable(open_url):
        raise ConfigurationError(
            f"open_url must be a function that takes the URL, not a {type(open_url).__name__}.",
            hint="Write open_url=webbrowser.open, or leave it away for the system browser.",
        )


def check_saved(saved: object) -> None:
    """Only what `dump()` or `Token.to_json()` gave, or a `Token`, comes back."""
    if not isinstance(saved, (str, Token)):
        raise InvalidCall(
            f"A saved session is text or a Token, not a {type(saved).__name__}.", hint="Pass what dump() returned."
        )


def with_waiting_agent(options: LoginOptions, open_url: OpenURL | None) -> LoginOptions:
    """`login()` waits itself. Without an agent and an opener, the one is chosen that suits this place."""
    from msgspec.structs import replace

    if options.agent is None:
        return options if open_url is None else replace(options, agent=Loopback())
    if not options.agent.waits:
        raise InvalidCall(
            f"{type(options.agent).__name__} brings no redirect to login().",
            hint="Use begin(agent=…), open request.url, and complete(url) when the redirect arrives.",
        )
    return options
