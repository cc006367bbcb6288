"""The page that ends a login, as bytes and headers."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authflow.agents.base import CONTINUE, Page
from authflow.agents.pages import CONTENT_SECURITY_POLICY, DEFAULT_HINT, headers, render

SUCCESS = Page(ok=True, title="You are signed in", text="Welcome.")


def test_a_success_and_a_failure_look_different_and_say_so_in_words():
    good = render(SUCCESS, "GitHub").decode()
    bad = render(Page(ok=False, title="You are not signed in", text="Denied."), "GitHub").decode()
    assert 'class="success"' in good
    assert 'aria-label="Success"' in good
    assert 'class="failure"' in bad
    assert 'aria-label="Failure"' in bad


def test_a_page_without_an_outcome_claims_none():
    page = render(CONTINUE).decode()
    assert 'class="neutral"' in page
    assert 'aria-label="Success"' not in page


def test_the_provider_stands_on_the_page_and_in_its_title():
    page = render(SUCCESS, "Contoso & Sons").decode()
    assert "<title>You are signed in · Contoso &amp; Sons</title>" in page
    assert '<p class="label">Contoso &amp; Sons</p>' in page


def test_the_human_is_told_what_to_do_next():
    assert DEFAULT_HINT in render(SUCCESS).decode()
    assert DEFAULT_HINT not in render(Page(ok=False, title="t", text="x", hint="Try again.")).decode()


def test_the_ways_on_are_links_of_the_application():
    page = render(Page(ok=False, title="t", text="x", onward=(("Try <again>", '/login?a="b"'), ("Home", "/")))).decode()
    assert '<a href="/login?a=&quot;b&quot;">Try &lt;again&gt;</a><a href="/">Home</a>' in page
    assert "<nav>" not in render(SUCCESS).decode()


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_becomes_markup(text):
    page = render(Page(ok=False, title=text, text=text, hint=text), text).decode()
    plain = render(Page(ok=False, title="t", text="t", hint="t"), "t").decode()
    labelled = '<p class="label">' in page
    assert len(re.findall(r"<[a-z/!]", page)) == len(re.findall(r"<[a-z/!]", plain)) - (0 if labelled else 2)


def test_a_text_is_cut_at_512_characters_and_loses_its_control_characters():
    page = render(Page(ok=False, title="t", text="\x1b[31m" + "y" * 2000)).decode()
    assert "\x1b" not in page
    assert "y" * 513 not in page


def test_lone_surrogates_do_not_break_the_page():
    assert b"You are" in render(Page(ok=False, title="You are \ud800 here", text="x"))
    assert render(Page(ok=True, title="", text="", html="\ud800 own")) == b"? own"


def test_the_policy_names_the_one_style_and_the_one_script_by_their_hashes():
    page = render(SUCCESS).decode()
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        [inner] = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = b64encode(sha256(inner.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in CONTENT_SECURITY_POLICY
    assert "unsafe-inline" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def test_nothing_on_the_page_is_loaded_from_anywhere():
    page = render(SUCCESS, "GitHub").decode()
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,"]
    assert "url(" not in page
    assert "@import" not in page


def test_the_applications_own_page_is_sent_as_it_is_under_a_policy_that_calls_nobody():
    page = Page(ok=True, title="", text="", html="<h1>Done</h1><script>window.close()</script>")
    assert render(page, "GitHub") == b"<h1>Done</h1><script>window.close()</script>"
    policy = dict(headers(page))["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_the_applications_own_page_is_not_shown_for_a_failure():
    page = Page(ok=False, title="No", text="Denied.", html="<h1>Done</h1>")
    assert b"<h1>Done</h1>" not in render(page)
    assert dict(headers(page))["Content-Security-Policy"] == CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ],
)
def test_both_kinds_of_page_carry_the_protective_headers(name, value):
    assert dict(headers(SUCCESS))[name] == value
    assert dict(headers(Page(ok=True, title="", text="", html="x")))[name] == value
