"""What agents without a redirect have in common: they tell the human what to do elsewhere, and the session polls.

Rule: such an agent opens nothing and waits for nothing. It shows `Instructions`, whose texts are made printable before
they get here; an application that puts them on a page of its own still escapes them there.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, ClassVar, TextIO

import msgspec

from ..errors import ConfigurationError
from .base import FixedRedirect
from .browser import check_url
from .qr import qr_code

if TYPE_CHECKING:
    from ..providers.base import Provider


class Instructions(msgspec.Struct, frozen=True):
    """What the human is to do: open `verification_uri` on any device and enter `user_code`; or open
    `verification_uri_complete`, which holds the code (made for a QR code). Without a `verification_uri` the provider
    asks on the human's own device, and shows `binding_message` there (CIBA).

    `label` names the provider, `expires_in` is how long there is (seconds), `notice` why it is done this way.
    """

    label: str
    expires_in: float
    user_code: str | None = None
    verification_uri: str | None = None
    verification_uri_complete: str | None = None
    binding_message: str | None = None
    notice: str = ""

    @property
    def text(self) -> str:
        """The same in a few lines, for a terminal."""
        minutes = max(1, round(self.expires_in / 60))
        lines = [self.notice] if self.notice else []
        if self.verification_uri is not None:
            lines += [
                f"To sign in to {self.label}, open this page on any device:",
                "",
                f"    {self.verification_uri}",
                "",
                f"and enter the code:  {self.user_code}",
                "",
                f"Do it only if it was you who began this here. The code is good for {minutes} min.",
            ]
        else:
            lines.append(f"{self.label} asks you on your own device now: answer there within {minutes} min.")
        if self.binding_message:
            lines += ["", f"It shows:  {self.binding_message}"]
        return "\n".join(lines)


class PollingAgent:
    """The base of these agents. `show(instructions)` tells the human; under asyncio it may be a coroutine function.
    Without one it is told on `terminal`, which is standard output by default."""

    waits = True
    grant: ClassVar[str]
    ping = False

    def __init__(
        self,
        show: Callable[[Instructions], object] | None = None,
        *,
        notice: str = "",
        terminal: TextIO | None = None,
    ) -> None:
        if show is not None and not callable(show):
            raise ConfigurationError(
                f"{type(self).__name__}: show must be a function of the instructions, not {type(show).__name__}.",
                hint="Leave it out to show them in the terminal.",
            )
        self._show = show or self._tell
        self._terminal = terminal
        self.notice = notice

    def listen(self, provider: Provider) -> FixedRedirect:
        """There is no redirect; what it names is for the registration of a client that has none yet."""
        return FixedRedirect(provider.redirect_uri or f"http://127.0.0.1{provider.callback_path}")

    def open(self, url: str) -> object:
        """Shows a URL that the human may open later: the provider's own logout page. Raises `InsecureURL`."""
        print(f"To sign out of the provider as well, open:\n\n    {check_url(url)}\n", file=self._terminal)
        return None

    @property
    def asynchronous(self) -> bool:
        """Whether `show` is awaited."""
        return iscoroutinefunction(self._show)

    def params(self) -> dict[str, str]:
        """What it adds to the request."""
        return {}

    def show(self, instructions: Instructions) -> object:
        """Tells the human. What the application's own function raises ends the login."""
        return self._show(instructions)

    def _tell(self, instructions: Instructions) -> None:
        print(f"\n{instructions.text}\n", file=self._terminal, flush=True)
        if instructions.verification_uri_complete is not None:
            drawn = qr_code(instructions.verification_uri_complete, self._terminal)
            if drawn is not None:
                print(f"Or scan this:\n\n{drawn}", file=self._terminal, flush=True)
