"""What can be read of a session, whichever colour calls it.

Rule: reading never lies about time. A deadline that has passed is acted on before anything is told.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, cast, overload

from .chart import LIVE, PENDING, State
from .core import SessionCore
from .drive import REFRESH
from .errors import ErrorInfo, InvalidCall, NotSupported
from .events import StepUp
from .explaining import explain
from .protocol.dpop import Binding
from .protocol.step import Moment
from .protocol.urls import origin_of
from .records import User, decode_profile, unpack_json
from .run import Attempt
from .signals import SIGNALS, SignalsView, SignalView

if TYPE_CHECKING:
    from .trace.story import Trace


class ReadableSession(SessionCore):
    """A session's properties: where it is, whose, with what, until when."""

    __slots__ = ()

    @property
    def state(self) -> State:
        """Where the session is. A deadline that has passed is acted on before this answers."""
        return self._settled().state

    @property
    def live(self) -> bool:
        """There is a token to use, or one on its way: the one test a user interface needs."""
        return self._settled().state in LIVE

    @property
    def user(self) -> User | None:
        """The signed-in human, or None: not live, or `fetch_user=False`."""
        profile = self._settled().profile
        kept = self._user
        if kept[0] is not profile:
            kept = self._user = (profile, decode_profile(profile))
        return kept[1]

    @property
    def claims(self) -> Mapping[str, Any]:
        """The claims of the validated ID token; empty without OpenID Connect."""
        claims = self._settled().claims
        return {} if claims is None else unpack_json(claims, dict[str, Any], "claims")

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that were granted; what was asked for, where the provider did not say."""
        token = self._settled().token
        return () if token is None else token.scope

    @property
    def expires_at(self) -> float | None:
        """When the present access token ends (seconds since the epoch); None: not known, or never."""
        return self._settled().expires_at

    @property
    def expires_in(self) -> float | None:
        """Seconds until then; not below 0."""
        at = self.expires_at
        return None if at is None else max(0.0, at - self._run.ledger.now())

    @property
    def error(self) -> ErrorInfo | None:
        """What went wrong last: the failed login, the deferred refresh. None when all is well."""
        return self._settled().error

    @property
    def reason(self) -> str | None:
        """Why the session ended, or is not renewed."""
        return self._settled().reason

    @property
    def attempt(self) -> Attempt | None:
        """The attempt that runs beside the live session (a step-up, a wider scope), or None."""
        beside = self._beside
        return None if beside is None or beside.record.state not in PENDING else Attempt(self, beside)

    @property
    def step_up_required(self) -> StepUp | None:
        """What an API has asked for and no step-up has brought yet; `step_up()` asks the human for it."""
        asked = self._step_ups
        record = self._settled()
        return asked.wanted if asked is not None and asked.epoch == record.epoch and record.state in LIVE else None

    @property
    def trace(self) -> Trace | None:
        """What was recorded of the last attempt, the last renewal and the last sign-out. None: nothing was."""
        recorder = self._house.recorder
        return None if recorder is None else recorder.trace(self._key)

    def explain(self) -> str:
        """The session in one sentence for a human. No secret, no raw provider text beyond its error."""
        return explain(self._settled(), self._provider, self._run.ledger.now(), self._renewal())

    def _renewal(self) -> Trace | None:
        recorder = self._house.recorder
        return None if recorder is None else recorder.trace(self._key, REFRESH)

    @overload
    def diagram(self, format: Literal["mermaid", "dot", "svg", "html"] = "mermaid") -> str: ...

    @overload
    def diagram(self, format: Literal["png"]) -> bytes: ...

    def diagram(self, format: Literal["mermaid", "dot", "svg", "html", "png"] = "mermaid") -> str | bytes:
        """The chart with the present state lit: as text, as a page of its own, or as a picture (bytes; the extra
        `png`). Raises `NotSupported` for another format, `ConfigurationError` without the extra."""
        from .diagrams import RENDERERS, draw

        if format not in RENDERERS:
            raise NotSupported(f"There is no diagram format {format!r}.", hint=f"Formats: {', '.join(RENDERERS)}.")
        return draw(format, state=self.state, title=f"A login at {self._provider.label}")

    def _repr_html_(self) -> str:
        """What a notebook shows for a session: its chart, in the reader's colours, and where it is in a sentence."""
        from .diagrams import notebook

        return notebook.figure(self._repr_svg_(), f"The chart of a login; now: {self.state}", self.explain())

    def _repr_svg_(self) -> str:
        """The same where only pictures are shown."""
        from .diagrams import draw

        return draw("svg", state=self.state, title=f"A login at {self._provider.label}", theme="auto", id=self._id())

    def _id(self) -> str:
        """A name for drawings of this session, so that several stand on one page."""
        return f"s{hashlib.sha256(str(self._key).encode()).hexdigest()[:8]}"

    @property
    def allowed_origins(self) -> frozenset[str]:
        """The origins that `auth` sends the token to."""
        if self._origins is None:
            self._origins = frozenset(origin_of(origin) for origin in self._provider.api_origins)
        return self._origins

    def prove(self, method: str, url: str, access_token: str | None = None) -> str:
        """The `DPoP` header for one request to an API (RFC 9449 §4), when `token().token_type` is `"DPoP"`.

        `auth` puts it there; this is for other HTTP clients. `access_token`: the one that goes with it, the present
        one unless told. Raises `InvalidCall` when no key is there.
        """
        record = self._settled()
        kept = self._binding
        if record.dpop_key is None:
            raise InvalidCall(f"The tokens of {self.provider.label} are bound to no key.", hint="Set dpop=True.")
        if kept is None or kept[0] is not record.dpop_key:
            binding = Binding.of(record.dpop_key, self._house.directory.nonces)
            kept = self._binding = (record.dpop_key, cast(Binding, binding))
        if access_token is None and record.token is not None:
            access_token = record.token.access_token
        moment = Moment(self._house.time(), secrets.token_urlsafe(16))
        return kept[1].prove(method, url, moment, access_token=access_token)

    def learn_nonce(self, url: str, headers: Mapping[str, str]) -> bool:
        """Remembers the nonce in an API's answer for the next proofs; False when there is none. `auth` does it."""
        return self._house.directory.nonces.keep(url, headers) is not None

    # ── signals, filtered to this session ────────────────────────────────────────────────────────────

    @property
    def _view(self) -> SignalsView:
        return self._house.signals.view(str(self._key))

    # `on_login` and the others are properties, set below: a `__getattr__` would slow down every attribute.
    if TYPE_CHECKING:
        on_transition: SignalView
        on_login: SignalView
        on_login_failed: SignalView
        on_logout: SignalView
        on_refresh: SignalView
        on_refresh_failed: SignalView
        on_restore: SignalView
        on_live_changed: SignalView
        on_expiring: SignalView
        on_step_up_required: SignalView
        on_receiver_error: SignalView


for _name in SIGNALS:
    setattr(ReadableSession, _name, property(attrgetter(f"_view.{_name}"), doc=f"`{_name}`, for this session only."))
