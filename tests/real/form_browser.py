"""`FormBrowser`: a person without a screen. It follows redirects, fills in login forms and presses buttons.

As `open_url` of a login it works on a thread of its own and ends at the redirect URI, as a real browser does.
`follow(url)` works at once and hands back the callback URL without opening it, for web logins.
"""

from __future__ import annotations

import threading
from html.parser import HTMLParser
from typing import Self
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

NAME_FIELDS = frozenset({"login", "username", "user"})
NO_BUTTONS = frozenset({"deny", "cancel"})
MOST_STEPS = 20


class Form:
    """One HTML form: where it goes, its fields, and its buttons as (label, name, value)."""

    def __init__(self, attributes: dict[str, str | None]) -> None:
        self.action = attributes.get("action") or ""
        self.method = (attributes.get("method") or "get").upper()
        self.fields: dict[str, str] = {}
        self.buttons: list[tuple[str, str, str]] = []


class FormReader(HTMLParser):
    """Collects the forms of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._button: dict[str, str | None] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self.forms.append(Form(attributes))
        elif tag == "button":
            self._button = attributes
        elif tag == "input" and self.forms and (name := attributes.get("name")):
            self.forms[-1].fields[name] = attributes.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._button is not None and self.forms:
            button = (data.strip(), self._button.get("name") or "", self._button.get("value") or "")
            self.forms[-1].buttons.append(button)
            self._button = None


class FormBrowser:
    """Signs in as `user` with the password `pw-USER`; `deny=True` presses Deny at the first chance.

    It keeps its cookies from one call to the next, so the provider knows it again. `final_url` and
    `final_text` are those of the last page.
    """

    def __init__(self, user: str = "ada", *, deny: bool = False) -> None:
        self.user = user
        self.deny = deny
        self.final_url = ""
        self.final_text = ""
        self._client = httpx.Client(timeout=10, trust_env=False)
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join(timeout=20)
        self._client.close()

    def __call__(self, url: str) -> None:
        self._thread = threading.Thread(target=self._visit, args=(url,), name="form-browser")
        self._thread.start()

    def wait(self) -> Self:
        """After this the final page is there; raises what went wrong on the way."""
        if self._thread is not None:
            self._thread.join(timeout=20)
        if self._failure is not None:
            raise self._failure
        return self

    def _visit(self, url: str) -> None:
        try:
            self.final_url = self.follow(url)
            self.final_text = self._client.get(self.final_url).text
        except BaseException as failure:
            self._failure = failure

    def follow(self, url: str) -> str:
        """The callback URL that the provider sends this person to; without a redirect URI, the last page's."""
        redirect_uri = parse_qs(urlsplit(url).query).get("redirect_uri", ["nowhere:"])[0]
        answer = self._client.get(url)
        for _ in range(MOST_STEPS):
            if answer.is_redirect:
                target = urljoin(str(answer.url), answer.headers["location"])
                if target.startswith(redirect_uri):
                    return target
                answer = self._client.get(target)
                continue
            forms = FormReader(answer.text).forms
            if not forms:
                return str(answer.url)
            answer = self._submit(answer, forms)
        raise RuntimeError(f"no end in sight at {answer.url}")

    def _submit(self, page: httpx.Response, forms: list[Form]) -> httpx.Response:
        """Presses the button this person would press; a form without one is sent as a script would."""
        choices = [(form, button) for form in forms for button in form.buttons or [("", "", "")]]
        fitting = [choice for choice in choices if (choice[1][0].lower() in NO_BUTTONS) is self.deny]
        if not fitting:
            raise RuntimeError(f"nothing to press at {page.url} ({page.status_code}): {page.text[:400]}")
        form, (_, name, value) = fitting[0]

        data = dict(form.fields)
        for field in NAME_FIELDS & data.keys():
            data[field] = self.user
        if "password" in data:
            data["password"] = f"pw-{self.user}"
        if name:
            data[name] = value
        target = urljoin(str(page.url), form.action)
        if form.method == "GET":
            return self._client.get(target, params=data)
        return self._client.post(target, data=data)
