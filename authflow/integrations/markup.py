"""A `Card` as HTML, for the frameworks that show HTML: one user card, in the reader's light or dark.

Rule 1: every text is escaped; a picture is shown only from https, and its host learns nothing of the page.
Rule 2: nothing of the page is assumed and nothing is left in it: the style stands on the elements.
"""

from __future__ import annotations

from html import escape

from .live import Card

_CARD = (
    "display:flex;align-items:center;gap:.875rem;max-width:28rem;padding:.875rem 1rem;box-sizing:border-box;"
    "border:1px solid color-mix(in srgb,currentColor 16%,transparent);border-radius:.875rem;"
    "font:inherit;line-height:1.4;overflow-wrap:anywhere"
)
_ROUND = (
    "flex:none;width:2.75rem;height:2.75rem;border-radius:50%;display:grid;place-items:center;"
    "font-weight:650;letter-spacing:.02em;object-fit:cover;background:color-mix(in srgb,currentColor 10%,transparent)"
)
_SOFT = "font-size:.875em;opacity:.78"
_NOTE = "margin-top:.25rem;font-size:.875em;padding-left:.625rem;border-left:3px solid "

_BUTTON = (
    "display:inline-block;padding:.5rem 1rem;border:1px solid color-mix(in srgb,currentColor 45%,transparent);"
    "border-radius:.625rem;background:color-mix(in srgb,currentColor 5%,transparent);color:inherit;font:inherit;"
    "font-weight:600;line-height:1.4;text-decoration:none;cursor:pointer"
)


def card_html(card: Card) -> str:
    """Who is signed in, or that nobody is, and what went wrong. A screen reader hears it when it changes."""
    return (
        f'<div role="status" data-authflow="{escape(card.provider)}" data-state="{escape(card.state)}" '
        f'style="{_CARD}">{_face(card)}<div style="min-width:0">'
        f'<div style="font-weight:600">{escape(card.name or card.status)}</div>'
        f'<div style="{_SOFT}">{escape(_second_line(card))}</div>{_note(card)}</div></div>'
    )


def button_html(card: Card, sign_in: str, sign_out: str) -> str:
    """A link to the path that signs in, or a form that posts to the one that signs out: they work without a script."""
    if not card.live:
        return f'<a href="{escape(sign_in)}" target="_self" style="{_BUTTON}">{escape(card.button)}</a>'
    return (
        f'<form method="post" action="{escape(sign_out)}" style="margin:0">'
        f'<button type="submit" style="{_BUTTON}">{escape(card.button)}</button></form>'
    )


def _second_line(card: Card) -> str:
    if not card.live:
        return card.label or "Sign in to go on"
    return f"{card.email} · {card.label}" if card.email and card.email != card.name else card.label


def _face(card: Card) -> str:
    if card.picture.startswith("https://"):
        return f'<img alt="" src="{escape(card.picture)}" referrerpolicy="no-referrer" style="{_ROUND}">'
    return f'<div aria-hidden="true" style="{_ROUND}">{escape(card.initials or "–")}</div>'


def _note(card: Card) -> str:
    if not card.note:
        return ""
    colour = "color-mix(in srgb,currentColor 40%,transparent)" if card.calm else "#d0454f"
    return f'<div style="{_NOTE}{colour}">{escape(card.note)}</div>'
