"""The CIBA agent: the provider asks the human on their own phone, and this side waits for the answer.

    session.login(agent=CIBA(login_hint="ada@example.com", binding_message="TILL-7"))

Poll and ping (OpenID Connect CIBA Core 1.0). With `ping=True` the provider posts to a route of the application when
the human has answered; the route hands it to `manager.ciba_notification(authorization, body)`. Push is declined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ..errors import ConfigurationError
from .polling import Instructions, PollingAgent

LONGEST_BINDING_MESSAGE = 64


class CIBA(PollingAgent):
    """Who is asked is said by one of `login_hint`, `login_hint_token` and `id_token_hint`.

    `binding_message`: a short text that both screens show. `user_code`: the user's own, where the provider wants one.
    `requested_expiry`: seconds that the question should stay open. Raises `ConfigurationError`.
    """

    grant: ClassVar[str] = "ciba"

    def __init__(
        self,
        *,
        login_hint: str | None = None,
        login_hint_token: str | None = None,
        id_token_hint: str | None = None,
        binding_message: str | None = None,
        user_code: str | None = None,
        requested_expiry: int | None = None,
        ping: bool = False,
        show: Callable[[Instructions], object] | None = None,
        notice: str = "",
    ) -> None:
        super().__init__(show, notice=notice)
        hints = {"login_hint": login_hint, "login_hint_token": login_hint_token, "id_token_hint": id_token_hint}
        if sum(value is not None for value in hints.values()) != 1:
            raise ConfigurationError("CIBA needs exactly one hint.", hint=f"Give one of {', '.join(hints)}.")
        if binding_message is not None and (
            not 0 < len(binding_message) <= LONGEST_BINDING_MESSAGE or not binding_message.isprintable()
        ):
            raise ConfigurationError(
                "binding_message is a short line that both screens show.",
                hint=f"{LONGEST_BINDING_MESSAGE} printable characters at most.",
            )
        if requested_expiry is not None and not 0 < requested_expiry <= 86_400:
            raise ConfigurationError("requested_expiry must lie between 0 and 86,400 seconds.")
        self.binding_message = binding_message
        self.ping = ping
        said = {
            **hints, "binding_message": binding_message, "user_code": user_code, "requested_expiry": requested_expiry,
        }  # fmt: skip
        self._params = {name: str(value) for name, value in said.items() if value is not None}

    def __repr__(self) -> str:
        return f"CIBA(ping={self.ping})"

    def params(self) -> dict[str, str]:
        return dict(self._params)
