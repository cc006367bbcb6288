"""What may be a provider's redirect. How the listener answers to the rest is told in `test_loopback_hostile.py`."""

from __future__ import annotations

import h11
import pytest

from authflow.agents.arrivals import DEFAULT_LIMITS, Refused, check_head, parse_form

HERE = "127.0.0.1:4000"


def refused(method: str = "GET", target: str = "/cb?code=1", **headers: str) -> int | None:
    """The status that is answered; None: it may be the redirect."""
    fields = {"host": HERE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    try:
        check_head(h11.Request(method=method, target=target, headers=fields.items()), HERE, "/cb", DEFAULT_LIMITS)
    except Refused as no:
        return no.status
    return None


def test_a_navigation_to_the_registered_path_may_be_it() -> None:
    form = {"content_type": "application/x-www-form-urlencoded", "content_length": "5"}
    assert refused() is None
    assert refused("POST", "/cb", **form, sec_fetch_mode="navigate") is None


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"host": "evil.test"}, 421),
        ({"target": "/"}, 404),
        ({"method": "PUT"}, 405),
        ({"sec_purpose": "prefetch;prerender"}, 503),
        ({"sec_fetch_mode": "no-cors"}, 403),
        ({"content_length": "3"}, 400),
        ({"method": "POST", "content_type": "application/json"}, 415),
    ],
)
def test_what_is_not_is_told_why(asked: dict[str, str], status: int) -> None:
    assert refused(**asked) == status


def test_a_form_of_too_many_parameters_or_of_other_bytes_is_none() -> None:
    assert parse_form(b"code=1&state=", DEFAULT_LIMITS) == [("code", "1"), ("state", "")]
    for form in (b"a=1&" * (DEFAULT_LIMITS.fields + 1), "a=é".encode()):
        with pytest.raises(Refused):
            parse_form(form, DEFAULT_LIMITS)
