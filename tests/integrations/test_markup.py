"""A card as HTML: nothing that a provider says becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from authflow.integrations.live import Card
from authflow.integrations.markup import card_html

HOSTILE = "<script>alert(1)</script>\"'onload=x>"


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


def read(**facts: Any) -> Reader:
    return Reader(card_html(Card(**{"provider": "acme", "label": "Acme", "state": "authenticated", **facts})))


@pytest.mark.parametrize("field", ["provider", "label", "state", "name", "email", "note", "picture"])
@pytest.mark.parametrize("live", [True, False])
def test_hostile_text_stays_text(field: str, live: bool) -> None:
    value = f"https://{HOSTILE}" if field == "picture" else HOSTILE
    read_back = read(**{"name": "Ada", "email": "ada@acme.test", "live": live, field: value})
    assert set(read_back.tags) <= {"div", "img"}
    assert read_back.names <= {
        "role",
        "data-authflow",
        "data-state",
        "style",
        "alt",
        "src",
        "referrerpolicy",
        "aria-hidden",
    }


@pytest.mark.parametrize("picture", ["http://acme.test/ada.png", "javascript:alert(1)", "data:image/png;base64,AA", ""])
def test_a_picture_that_is_not_from_https_gives_way_to_initials(picture: str) -> None:
    shown = read(name="Ada Lovelace", live=True, picture=picture)
    assert "img" not in shown.tags
    assert shown.text.startswith("AL")


def test_a_picture_from_https_is_shown() -> None:
    assert "img" in read(name="Ada", live=True, picture="https://acme.test/ada.png").tags


def test_who_is_signed_in_and_what_went_wrong_is_read_out() -> None:
    shown = read(name="Ada", email="ada@acme.test", live=True, note="The provider is down.")
    assert "role" in shown.names
    assert shown.text == "AAdaada@acme.test · AcmeThe provider is down."
    assert "Not signed in" in read(state="idle").text
