"""The routes of a login, without a framework: steps that end in an `Answer`.

    login      a secret is made → `begin` → to the provider, with the login's cookie
    callback   the login's cookie → `complete` of that very session → moved to the owner that the secret leads to
    signed-in  another tab's sign-in arrived at the same time → brought together → the page that was wanted
    logout     here, then at the provider; others' pages cannot ask for it

Rule 1: a callback counts only with the cookie of the browser that began, for the provider whose route it came to.
Rule 2: a sign-in renews the owner's cookie. The browser's other sessions move along; one that was there before with
        the same provider ends. So a cookie that somebody planted, or kept, opens nothing afterwards.
Rule 3: what another tab's sign-in brings together goes under the cookie that the browser sends, if that is of a sign-in
        of this minute. Never the other way, nor under a cookie of another time: one that somebody planted gets nothing.
Rule 4: a login that fails changes nothing of what the browser has.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

from ... import AsyncSession, AsyncSessionManager, AuthflowError, Session, SessionManager
from ...errors import (
    BindingRequired,
    CallbackRejected,
    ConfigurationError,
    LoginFailed,
    UnknownProvider,
    ValidationFailed,
)
from . import pages
from .cookies import ARRIVED, MOST_LOGINS, STEP_UP, Cookies, Login, new_secret, owner_of, read_login
from .exchange import PRIVATE, Answer, Asked, as_json, is_from_here, see_other
from .places import Places
from .running import Do, Read, Steps
from .streams import Streams, card_of

logger = logging.getLogger("authflow.integrations")

AnySession = Session | AsyncSession
_NOTHING: Final[Mapping[str, Any]] = {}
_LOST: Final = (
    "sign-in with %s: this browser began one, and the %s of this process knows nothing of it. Several workers, and one "
    "that was started anew, complete each other's with one durable store: SessionManager(…, store=…, sealing_key=…)"
)


class Desk:
    """The routes of one application.

    `base_url`: where browsers find it. `prefix`: before every route. `home`: where a browser goes when no page was
    named. `keep_seconds`: how long a browser stays signed in after it was closed; None: not at all. `login_options`:
    further arguments of `begin` for every login, by provider (`{"github": {"scope": ["gist"]}}`).
    """

    places_class = Places

    def __init__(
        self,
        manager: Any,
        *,
        base_url: str,
        prefix: str = "",
        home: str = "/",
        keep_seconds: int | None = None,
        login_options: Mapping[str, Mapping[str, Any]] = _NOTHING,
        sync_only: str = "",
    ) -> None:
        if not isinstance(manager, (SessionManager, AsyncSessionManager)):
            raise ConfigurationError(
                "An Auth takes a manager.", hint="Write Auth(AsyncSessionManager([GitHub.from_env()]), base_url=…)."
            )
        if sync_only and inspect.iscoroutinefunction(manager.close):
            raise ConfigurationError(
                f"{sync_only} cannot await an AsyncSessionManager.", hint="Give it a SessionManager."
            )
        self.manager: Any = manager  # of either colour
        self.places = self.places_class(base_url, prefix, home)
        self.cookies = Cookies(base_url, keep_seconds)
        self.streams = Streams(manager)
        self._options = {self.known(name): options for name, options in login_options.items()}
        for provider in manager.providers.values():
            self.places.check_registered(provider)

    def known(self, provider: str) -> str:
        """`provider`, a name of one. Raises `UnknownProvider`: with a misspelt name nobody would ever be signed in."""
        if provider not in self.manager.providers:
            names = ", ".join(self.manager.providers)
            raise UnknownProvider(f"There is no provider named {provider!r}.", hint=f"Configured providers: {names}.")
        return provider

    def steps(self, route: str, provider: str, asked: Asked) -> Steps[Answer]:
        """Those of one of `ROUTES`, save that of the events. `provider`: the part of the path, where it has one."""
        if route in ("login", "callback", "logout"):
            return getattr(self, route)(provider, asked)  # type: ignore[no-any-return]
        return getattr(self, route)(asked)  # type: ignore[no-any-return]

    # ── signing in ───────────────────────────────────────────────────────────────────────────────────

    def choose(self, asked: Asked) -> Steps[Answer]:
        """`/login`: on to the one provider, or a page with all of them."""
        onward, providers = self.places.target(asked.param("next")), self.manager.providers.values()
        found = [(f"Sign in with {one.label}", self.places.login(one.name, onward)) for one in providers]
        return see_other(found[0][1]) if len(found) == 1 else pages.choose(found)
        yield

    def login(self, name: str, asked: Asked) -> Steps[Answer]:
        """`/login/{provider}?next=/page`."""
        known, onward = name in self.manager.providers, self.places.target(asked.param("next"))
        if known and asked.only_looks:
            return Answer(503, PRIVATE)  # whoever only looks begins nothing
        here = self.places.login(name, onward)
        if not self.places.own_name(asked.headers.get("host", "")):
            return see_other(self.places.origin + here)
        if known and not self.cookies.are_kept(asked.cookies):
            return self._once_more(asked, here, self._ways(name, onward))
        return (yield from self.begin(name, asked, asked.param("next"), {}))

    def _once_more(self, asked: Asked, here: str, ways: list[tuple[str, str]]) -> Answer:
        """For whoever has shown no cookie yet: `here` again, with one. Nothing was begun, so nothing is stored."""
        if asked.param("cookies") is not None:
            return pages.no_cookies(ways)
        return see_other(f"{here}{'&' if '?' in here else '?'}cookies=1", self.cookies.set_kept())

    def begin(self, name: str, asked: Asked, wanted: str | None, arguments: Mapping[str, Any]) -> Steps[Answer]:
        """Sends the browser to the provider; `wanted` is the page to come back to. `arguments`: those of `begin`. A
        step-up is of the session that the browser has."""
        if name not in self.manager.providers:
            return pages.no_such_provider(self._ways())
        onward, step_up = self.places.target(wanted), bool(arguments.get("step_up"))
        secret = self.cookies.secret_of(asked.cookies) if step_up else None
        login = Login("", secret or new_secret(), STEP_UP if step_up else "")
        session = self.manager.owner(login.begun_under)[name]
        provider = session.provider
        begin = partial(
            session.begin,
            redirect_uri=self.places.redirect_uri(provider),
            app_data={"next": onward, "owner": self._owner_now(asked)},
            **{**self._options.get(name, {}), **arguments},
        )
        try:
            request = yield Do(begin)
        except AuthflowError as error:
            return self.refuse_login(name, error, onward)
        return (yield from self._send(asked, request, provider, login))

    def refuse_login(self, name: str, error: AuthflowError, onward: str) -> Answer:
        """The page for a login that could not begin."""
        return pages.explain(error, self.manager.providers[name].label, self._ways(name, onward))

    def initiate_login(self, asked: Asked) -> Steps[Answer]:
        """Another site asks for a login (OpenID Connect Core §4); it chooses among this site's own pages."""
        iss = asked.param("iss")
        provider = next((one for one in self.manager.providers.values() if iss and one.issuer == iss), None)
        login, root = Login("", new_secret()), f"{self.places.root}/"
        request = {key: value for key in ("iss", "login_hint", "target_link_uri") if (value := asked.param(key))}
        if asked.only_looks:
            return Answer(503, PRIVATE)
        if not self.cookies.are_kept(asked.cookies):
            here = f"{self.places.path('initiate_login')}?{urlencode(request)}"
            return self._once_more(asked, here, self._ways())
        begin = partial(
            self.manager.initiate_login,
            request,
            owner=login.begun_under,
            allowed_targets=(root, f"{self.places.base_url}/"),
            redirect_uri=None if provider is None else self.places.redirect_uri(provider),
            **({} if provider is None else self._options.get(provider.name, {})),
        )
        try:
            begun = yield Do(begin)
        except AuthflowError as error:
            return pages.explain(error, provider.label if provider else "", self._ways())
        return (yield from self._send(asked, begun, provider, login))

    def callback(self, name: str, asked: Asked) -> Steps[Answer]:
        """`/callback/{provider}`, by GET or as a posted form."""
        if name not in self.manager.providers:
            return pages.no_such_provider(self._ways())
        if asked.method == "HEAD":
            return Answer(200, PRIVATE)  # a scanner of links must not use up the code
        provider, cookies = self.manager.providers[name], asked.cookies
        callback = asked.form if asked.method == "POST" else f"{self.places.redirect_uri(provider)}?{asked.query}"
        over = None
        try:
            for cookie in self._cookies_for(asked, cookies):
                login = read_login(cookies[cookie]) or Login("", new_secret())
                session = self.manager.owner(login.begun_under)[name]
                over = cookie
                try:
                    done = yield Do(partial(session.complete, callback, binding=login.binding or None))
                    break
                except CallbackRejected as error:
                    over = None
                    if asked.param("state") is not None:
                        if error.check == "state":
                            logger.warning(_LOST, provider.label, type(self.manager.store).__name__)
                        raise
            else:
                raise BindingRequired(
                    "A callback came without the cookie of the browser that began.",
                    hint=f"A sign-in begins at {self.places.base_url} too, in a browser that takes cookies.",
                )
        except AuthflowError as error:
            dropped = [self.cookies.drop_login(over)] if over is not None and isinstance(error, LoginFailed) else []
            return pages.explain(error, provider.label, self._ways(name)).with_headers(*dropped)
        data = done.app_data if isinstance(done.app_data, dict) else {}
        onward = str(data.get("next") or data.get("target_link_uri") or self.places.home)
        owner = owner_of(login.secret)
        if session.owner != owner and (yield Read(partial(getattr, session, "live"))):
            try:
                yield Do(partial(session.move, owner=owner))
            except AuthflowError as error:
                logger.warning("a session was not moved to its owner: %s (%s)", error, error.code)
        arrived = self.manager.owner(owner)[name]
        if login.mark == STEP_UP or not (yield Read(partial(getattr, arrived, "live"))):
            # The browser has the owner's cookie; or it was signed out since, and is the same callback again.
            return see_other(onward, self.cookies.drop_login(cookie))
        # A posted answer comes without the owner's cookie: then whose it was when the login began.
        yield from self._gather(self._owner_now(asked) or data.get("owner"), owner)
        kept = self.cookies.set_login(cookie, login._replace(mark=ARRIVED), cross_site=_is_posted(provider))
        return see_other(self.places.signed_in(onward), kept, self.cookies.set_owner(login.secret))

    def signed_in(self, asked: Asked) -> Steps[Answer]:
        """`/signed-in?next=/page`: the browser has read a callback's answer, and says which owner's cookie it kept."""
        kept, arrived = self.cookies.secret_of(asked.cookies) or "", self.cookies.arrived(asked.cookies)
        if kept in arrived:
            for secret in arrived:
                yield from self._gather(owner_of(secret), owner_of(kept))
        return see_other(self.places.target(asked.param("next")))

    def _cookies_for(self, asked: Asked, cookies: Mapping[str, str]) -> list[str]:
        """The cookies of the login that a callback may belong to. Where its state lies within a JWT (JARM) any may be
        the one: there are five at most, and `complete` knows."""
        state = asked.param("state")
        if state is None:
            return self.cookies.logins(cookies)[-MOST_LOGINS:] if asked.param("response") else []
        name = self.cookies.login_name(state)
        return [name] if name in cookies else []

    def _send(self, asked: Asked, request: Any, provider: Any, login: Login) -> Steps[Answer]:
        eldest = self.cookies.eldest(asked.cookies)
        for one in eldest:
            yield from self._end_login(read_login(asked.cookies[one]))
        kept = login._replace(binding=request.binding or "")
        name = self.cookies.login_name(request.state)
        cookie = self.cookies.set_login(name, kept, cross_site=_is_posted(provider))
        return see_other(request.url, *map(self.cookies.drop_login, eldest), cookie)

    def _end_login(self, login: Login | None) -> Steps[None]:
        """One that this browser has no room for any more is not waited for in the store either."""
        if login is None or login.mark:
            return
        for session in self.manager.owner(login.begun_under).sessions():
            try:
                yield Do(session.cancel)
            except AuthflowError as error:
                logger.info("a login that was given up: %s", error.code)

    def _gather(self, old: str | None, owner: str) -> Steps[None]:
        """The sessions of the browser's `old` owner go under its present one. The login stands, whatever becomes of
        them."""
        if old is None or old == owner:
            return
        for other in self.manager.owner(old).sessions():
            there = self.manager.owner(owner)[other.provider.name, other.account]
            try:
                if not (yield Read(partial(getattr, other, "live"))):
                    continue
                if (yield Read(partial(getattr, there, "live"))):
                    # Its tokens live on: some providers would end the new ones with them.
                    yield Do(partial(other.logout, revoke=False, end_session=False))
                    continue
                yield Do(other.cancel)
                yield Do(partial(other.move, owner=owner))
            except AuthflowError as error:
                logger.warning("a session stays behind at a sign-in: %s (%s)", error, error.code)
        self.gathered(old, owner)

    def gathered(self, old: str, owner: str) -> None:
        """What was `old`'s is the other's now."""
        self.streams.end(old)

    def _owner_now(self, asked: Asked) -> str | None:
        secret = self.cookies.secret_of(asked.cookies)
        return None if secret is None else owner_of(secret)

    # ── signing out ──────────────────────────────────────────────────────────────────────────────────

    def logout_all(self, asked: Asked) -> Steps[Answer]:
        """`POST /logout`: of all providers."""
        return self.logout("", asked)

    def logout(self, name: str, asked: Asked) -> Steps[Answer]:
        """`POST /logout/{provider}`."""
        if name and name not in self.manager.providers:
            return pages.no_such_provider(self._ways())
        if not is_from_here(asked, self.places.origin):
            return pages.another_site(self._ways())
        onward, secret = self.places.target(asked.param("next")), self.cookies.secret_of(asked.cookies)
        if secret is None:
            return see_other(onward)
        live = yield from self._live(secret)
        ending = [one for one in live if name in ("", one.provider.name)]
        for session in ending:
            result = yield Do(partial(session.logout, end_session=len(ending) == 1))
            onward = result.end_session_url or onward
        if len(ending) < len(live):
            return see_other(onward)
        self.streams.end(owner_of(secret))
        return see_other(onward, self.cookies.drop_owner())

    def signed_out(self, asked: Asked) -> Steps[Answer]:
        """`/signed-out`: the browser is back from the provider's own logout."""
        if asked.param("state") is not None:
            request = f"{self.places.base_url}{self.places.prefix}/signed-out?{asked.query}"
            try:
                yield Do(partial(self.manager.complete_logout, request))
            except AuthflowError as error:
                logger.info("a return from a provider's logout: %s", error.code)
        return see_other(self.places.home)

    def back_channel_logout(self, asked: Asked) -> Steps[Answer]:
        """The provider's own request: what counts is the token's signature, no cookie."""
        try:
            yield Do(partial(self.manager.back_channel_logout, asked.param("logout_token") or ""))
        except (ValidationFailed, CallbackRejected) as error:
            said = {"error": "invalid_request", "error_description": f"The logout token was refused ({error.check})."}
            return as_json(said, 400)
        except AuthflowError as error:
            logger.warning("a back-channel logout: %s (%s)", error, error.code)
            return as_json({"error": "temporarily_unavailable"}, 503)
        return Answer(200, PRIVATE)

    def front_channel_logout(self, asked: Asked) -> Steps[Answer]:
        """Loaded in a frame of the provider's page; it shows nothing."""
        try:
            request = {key: value for key in ("iss", "sid") if (value := asked.param(key))}
            yield Do(partial(self.manager.front_channel_logout, request))
        except (ValidationFailed, CallbackRejected):
            return Answer(400, PRIVATE)
        except AuthflowError as error:
            logger.warning("a front-channel logout: %s (%s)", error, error.code)
            return Answer(503, PRIVATE)
        return Answer(200, PRIVATE)

    # ── who is here ──────────────────────────────────────────────────────────────────────────────────

    def find(self, asked: Asked, provider: str | None = None) -> Steps[AnySession | None]:
        """The live session of this browser; of the first provider that has one, unless one is named."""
        if provider is not None:
            self.known(provider)
        secret = self.cookies.secret_of(asked.cookies)
        if secret is None:
            return None
        live = yield from self._live(secret, provider)
        return live[0] if live else None

    def refuse(self, asked: Asked, provider: str | None = None, here: str | None = None) -> Answer:
        """For whoever is not signed in: a browser goes to sign in and comes back `here`, a script gets 401."""
        where = self.places.login(provider or "", self.places.target(here))
        if asked.method == "GET" and asked.wants_page:
            return see_other(where)
        return as_json({"error": "not_signed_in", "sign_in": where}, 401)

    def session(self, asked: Asked) -> Steps[Answer]:
        """`/session`: what a page may know, one entry for each provider."""
        return as_json((yield from self.cards(asked)))

    def cards(self, asked: Asked) -> Steps[list[dict[str, Any]]]:
        secret = self.cookies.secret_of(asked.cookies)
        # Nobody's: an owner that has no session anywhere.
        owner = self.manager.owner(owner_of(secret or new_secret()))
        found = []
        for session in owner.sessions():
            found.append((yield Read(partial(card_of, session))))
        return found

    def owner(self, asked: Asked) -> str:
        """Whose events a reader of this request may hear; nobody's without a cookie."""
        return owner_of(self.cookies.secret_of(asked.cookies) or new_secret())

    def _live(self, secret: str, provider: str | None = None) -> Steps[list[AnySession]]:
        found = []
        for session in self.manager.owner(owner_of(secret)).sessions():
            if provider in (None, session.provider.name) and (yield Read(partial(getattr, session, "live"))):
                found.append(session)
        return found

    def _ways(self, name: str = "", onward: str | None = None) -> list[tuple[str, str]]:
        ways = [("Back to the application", self.places.home)]
        return [("Sign in again", self.places.login(name, onward)), *ways] if name else ways


def _is_posted(provider: Any) -> bool:
    """Whether the provider's page posts the answer."""
    return "form_post" in (provider.response_mode or "")
