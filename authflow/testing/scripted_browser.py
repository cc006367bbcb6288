"""`ScriptedBrowser`: a human at a browser, played by a script: follows redirects, fills forms, says yes or no.

    with ScriptedBrowser(user="ada") as browser:
        manager["acme"].login(open_url=browser)      # opened, signed in, allowed, redirect delivered

Rule 1: called with a URL it returns at once and works on its own thread, as a real browser does; `result()` brings
        back the last page, or raises what went wrong there. Who never asks for it has it in the log: a login whose
        browser is stuck at the provider would tell nothing but that nobody came back.
Rule 2: it reads what is on the page. It knows the fields and buttons that login forms have in common, no provider.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NamedTuple, Self
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import httpx

_NAME_FIELDS = frozenset({"login", "username", "user", "email", "identifier", "user_id", "loginfmt", "name"})
_YES = ("allow", "accept", "authorize", "approve", "consent", "agree", "confirm", "continue", "yes", "sign", "log")
_NO = ("deny", "cancel", "reject", "decline", "refuse", "abort", "disallow")
_MOST_STEPS = 25

_log = logging.getLogger("authflow.testing")


class Page(NamedTuple):
    """Where the browser ended: the last URL, its status (0 when nothing answered there) and text."""

    url: str
    status: int
    text: str


@dataclass
class _Button:
    name: str
    value: str
    label: str = ""

    def says(self, words: tuple[str, ...]) -> bool:
        text = f"{self.name} {self.value} {self.label}".lower()
        return any(word in text for word in words)


@dataclass
class _Form:
    action: str
    method: str
    id: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[_Button] = field(default_factory=list)


class ScriptedBrowser:
    """A user agent for tests and headless demonstrations.

    `user` goes into the field (or presses the button) that asks who signs in, `password` (the user's name when not
    given) into password fields, `fields` into any others by name. `deny` presses Cancel or Deny where there is one.
    `wrong_state` spoils the `state` on the way back. `never` opens the URL and walks away. `timeout` is in seconds,
    for each page. Raises `RuntimeError` when the page offers no such user, or the way never ends.
    """

    def __init__(
        self,
        user: str = "ada",
        *,
        password: str | None = None,
        fields: Mapping[str, str] | None = None,
        deny: bool = False,
        wrong_state: bool = False,
        never: bool = False,
        timeout: float = 10.0,
        verify: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.user = user
        self.deny = deny
        self.wrong_state = wrong_state
        self.never = never
        self.opened: list[str] = []
        self._password = user if password is None else password
        self._fields = dict(fields or {})
        self._timeout = timeout
        # Browsers treat loopback as a secure context and send Secure cookies there; one jar for all ports, as they
        # do. It is kept beside the client, whose own jars (one for each request) would forget that policy.
        self._cookies = httpx.Cookies(CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http"))))
        self._client = httpx.Client(
            transport=transport,
            verify=verify or _tls(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8", "user-agent": "Mozilla/5.0 (scripted)"},
        )
        self._visits: list[_Visit] = []

    # ── a browser in its own window ──────────────────────────────────────────────────────────────────

    def __call__(self, url: str) -> bool:
        """Opens `url` in the background and returns at once: fit for `login(open_url=…)`."""
        visit = _Visit(self, url)
        visit.start()
        self._visits.append(visit)  # only now: close() joins, and that is on another thread
        return True

    def result(self, timeout: float | None = None) -> Page:
        """The last page of the latest visit; raises what ended it, or `TimeoutError` after `timeout` seconds."""
        if not self._visits:
            raise RuntimeError("the browser was never opened")
        visit = self._visits[-1]
        visit.join(self._timeout if timeout is None else timeout)
        if visit.is_alive():
            raise TimeoutError("the browser is still under way")
        if visit.failure is not None:
            raise visit.failure
        if visit.page is None:
            raise RuntimeError("the visit ended without a page")
        return visit.page

    def close(self) -> None:
        """Joins its threads and closes its connections. What a visit raised is raised by `result()`, not here."""
        for visit in self._visits:
            visit.join(self._timeout)
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ── the walk ─────────────────────────────────────────────────────────────────────────────────────

    def go(self, url: str) -> Page:
        """Walks from `url` to the end: the page that answered the redirect, or the first without a form."""
        self.opened.append(url)
        redirect_uri = _redirect_uri_in(url)
        method, data = "GET", None
        delivered = False
        for _ in range(_MOST_STEPS):
            if _leads_to(url, redirect_uri):
                delivered = True
                url, data = self._spoil(url, data)
            if not url.startswith(("http://", "https://")):
                return Page(url, 0, "")
            response = self._send(method, url, data)
            if self.never:
                return Page(url, response.status_code, response.text)
            if response.is_redirect:
                url = urljoin(url, response.headers["location"])
                if response.status_code not in (307, 308):
                    method, data = "GET", None
                continue
            page = Page(url, response.status_code, response.text)
            if delivered or page.status >= 500 or "html" not in response.headers.get("content-type", ""):
                return page
            contents = _Contents(page.text)
            if not contents.forms:
                return page
            method, url, data = self._answer(page.url, contents)
        raise RuntimeError(f"more than {_MOST_STEPS} pages, the last at {_without_query(url)}")

    def _send(self, method: str, url: str, data: dict[str, str] | None) -> httpx.Response:
        request = self._client.build_request(method, url, data=data)
        self._cookies.set_cookie_header(request)
        response = self._client.send(request)
        self._cookies.extract_cookies(response)
        return response

    def _spoil(self, url: str, data: dict[str, str] | None) -> tuple[str, dict[str, str] | None]:
        if not self.wrong_state:
            return url, data
        if data is not None:
            return url, {**data, "state": "spoiled-on-the-way"}
        parts = urlsplit(url)
        query = [(name, "spoiled-on-the-way" if name == "state" else value) for name, value in parse_qsl(parts.query)]
        return urlunsplit(parts._replace(query=urlencode(query))), None

    def _answer(self, base: str, contents: _Contents) -> tuple[str, str, dict[str, str] | None]:
        asking = next((form for form in contents.forms if self._asks_who(form)), None)
        # Denying is a decision of somebody who signed in: where an account is asked for, give it first.
        if self.deny and asking is None:
            for form in contents.forms:
                for button in form.buttons:
                    if button.says(_NO):
                        return _submit(base, form, form.fields, button)
            for link in contents.links:
                if link.says(_NO):
                    return "GET", urljoin(base, link.value), None
        posts = (form for form in contents.forms if form.method == "post")
        form = asking or next(posts, contents.forms[0])
        return _submit(base, form, self._fill(form), self._choose(form))

    def _asks_who(self, form: _Form) -> bool:
        named = set(form.fields) | {button.name for button in form.buttons}
        return bool(named & (_NAME_FIELDS | self._fields.keys())) or "password" in form.fields

    def _fill(self, form: _Form) -> dict[str, str]:
        filled = dict(form.fields)
        for name in form.fields:
            if name in self._fields:
                filled[name] = self._fields[name]
            elif "password" in name.lower() or name.lower() in ("passwd", "pwd"):
                filled[name] = self._password
            elif name.lower() in _NAME_FIELDS:
                filled[name] = self.user
        return filled

    def _choose(self, form: _Form) -> _Button | None:
        for button in form.buttons:
            if button.name in _NAME_FIELDS and button.value == self.user:
                return button
        if any(button.name in _NAME_FIELDS for button in form.buttons) and not set(form.fields) & _NAME_FIELDS:
            raise RuntimeError(f"nobody called {self.user!r} can be chosen on the page")
        willing = [button for button in form.buttons if not button.says(_NO)]
        # Word by word: "Accept" is pressed before "Switch user", whose value is `logout`.
        wanted = (button for word in _YES for button in willing if button.says((word,)))
        return next(wanted, willing[0] if willing else None)


class _Visit(threading.Thread):
    """One opened URL. A daemon: a test that forgets `close()` must not hang the interpreter's end."""

    def __init__(self, browser: ScriptedBrowser, url: str) -> None:
        super().__init__(name="authflow-scripted-browser", daemon=True)
        self._browser = browser
        self._url = url
        self.page: Page | None = None
        self.failure: Exception | None = None

    def run(self) -> None:
        try:
            self.page = self._browser.go(self._url)
        except Exception as error:  # told by result()
            self.failure = error
            if not self._browser._client.is_closed:  # who closed it waits for nothing more
                _log.warning("the scripted browser gave up: %s", error)
        else:
            if _is_stuck(self._url, self.page):
                _log.warning(
                    "the scripted browser is stuck at %s, status %d", _without_query(self.page.url), self.page.status
                )


class _Contents(HTMLParser):
    """The forms and links of a page, with the text that stands on each button."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self.links: list[_Button] = []
        self._open: _Button | None = None
        self._select: tuple[_Form, str] | None = None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(said.get("action", ""), (said.get("method") or "get").lower(), said.get("id", "")))
        elif tag == "a" and said.get("href"):
            self._open = _Button("", said["href"])
            self.links.append(self._open)
        elif tag in ("input", "button", "textarea", "select", "option"):
            self._control(tag, said)

    def _control(self, tag: str, said: dict[str, str]) -> None:
        form = next((one for one in self.forms if said.get("form") and one.id == said["form"]), None)
        form = form or (self.forms[-1] if self.forms else None)
        if form is None:
            return
        name, kind = said.get("name", ""), (said.get("type") or ("submit" if tag == "button" else "text")).lower()
        if tag == "option":
            if self._select is not None and ("selected" in said or not self._select[0].fields[self._select[1]]):
                self._select[0].fields[self._select[1]] = said.get("value", "")
        elif kind in ("submit", "image"):
            button = _Button(name, said.get("value", ""), said.get("value", ""))
            form.buttons.append(button)
            self._open = button if tag == "button" else self._open
        elif not name or kind in ("button", "reset", "file"):
            return
        elif kind == "radio":
            if "checked" in said or said.get("value") == "":
                form.fields[name] = said.get("value") or "on"
        elif kind == "checkbox":
            form.fields.setdefault(name, said.get("value") or "on")  # the boxes of a consent page are all ticked
        else:
            form.fields.setdefault(name, said.get("value", ""))
            self._select = (form, name) if tag == "select" else self._select

    def handle_endtag(self, tag: str) -> None:
        if tag in ("a", "button"):
            self._open = None
        elif tag == "select":
            self._select = None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self._open.label += data


def _submit(
    base: str, form: _Form, fields: Mapping[str, str], button: _Button | None
) -> tuple[str, str, dict[str, str] | None]:
    data = dict(fields)
    if button is not None and button.name:
        data[button.name] = button.value
    target = urljoin(base, form.action) if form.action else base
    if form.method == "post":
        return "POST", target, data
    return "GET", urlunsplit(urlsplit(target)._replace(query=urlencode(data))), None


def _redirect_uri_in(url: str) -> str:
    return dict(parse_qsl(urlsplit(url).query)).get("redirect_uri", "")


def _is_stuck(opened: str, page: Page) -> bool:
    """Whether a page that says no stands where the redirect to the application should be."""
    redirect_uri = _redirect_uri_in(opened)
    return page.status >= 400 and bool(redirect_uri) and not _leads_to(page.url, redirect_uri)


def _leads_to(url: str, redirect_uri: str) -> bool:
    return bool(redirect_uri) and url.split("?")[0].split("#")[0] == redirect_uri.split("?")[0]


def _without_query(url: str) -> str:
    return url.split("?")[0].split("#")[0]


@cache
def _tls() -> ssl.SSLContext:
    # Reading the CA bundle costs 20 ms; once is enough for all browsers of a test run.
    return httpx.create_ssl_context()
