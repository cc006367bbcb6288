"""Polling, by hand: one generator is one poll, and the pace is the provider's."""

import pytest

from authflow.errors import (
    AccessDenied,
    AuthorizationPending,
    ConnectFailed,
    DeadlineExceeded,
    ExpiredToken,
    Phase,
    ServiceUnavailable,
    SlowDown,
)
from authflow.polling import AGAIN, Pace, poll
from authflow.protocol.step import Fresh
from authflow.providers import Google, Microsoft
from authflow.records import Polled

from .protocol.issuer import METADATA, MOMENT, answer, form_of, openid

CODE = Polled("dc-of-this-attempt", 5.0)


def poll_once(said, status=400, provider=None):
    flow = poll(provider or openid(), METADATA, "device_code", CODE)
    assert isinstance(next(flow), Fresh)
    assert form_of(flow.send(MOMENT))["device_code"] == CODE.code
    with pytest.raises(StopIteration) as stop:
        flow.send(answer(said, status))
    return stop.value.value


def test_a_poll_that_is_answered_with_tokens_gives_them():
    assert poll_once({"access_token": "at", "token_type": "bearer"}, 200).access_token == "at"


@pytest.mark.parametrize(
    ("provider", "said", "status", "kind"),
    [
        (None, {"error": "authorization_pending"}, 400, AuthorizationPending),
        (None, {"error": "slow_down"}, 400, SlowDown),
        (None, {"error": "access_denied"}, 400, AccessDenied),
        (None, {"error": "expired_token"}, 400, ExpiredToken),
        (Google("id", "s"), {"error": "authorization_pending"}, 428, AuthorizationPending),
        (Google("id", "s"), {"error": "slow_down"}, 403, SlowDown),
        (Microsoft("id"), {"error": "authorization_declined"}, 400, AccessDenied),
        (None, b"", 503, ServiceUnavailable),
        (None, b"", 429, ServiceUnavailable),
    ],
)
def test_an_answer_without_tokens_is_the_error_that_says_why(provider, said, status, kind):
    with pytest.raises(kind) as why:
        poll_once(said, status, provider)
    assert why.value.phase is Phase.AUTHORIZE
    assert (kind in AGAIN) is (kind not in (AccessDenied, ExpiredToken))


def test_pending_keeps_the_pace():
    pace = Pace.of(CODE)
    assert pace.after(AuthorizationPending("not yet")) == pace == Pace(5.0, 5.0)


def test_slow_down_is_for_good():
    pace = Pace.of(CODE).after(SlowDown("slower")).after(SlowDown("slower"))
    assert pace == Pace(15.0, 15.0)
    assert pace.after(AuthorizationPending("not yet")) == pace


def test_trouble_doubles_the_delay_up_to_a_minute_and_is_forgotten_when_it_is_over():
    pace, delays = Pace.of(CODE), []
    for trouble in (ConnectFailed("down"), DeadlineExceeded("slow"), ServiceUnavailable("busy"), ConnectFailed("down"),
                    ConnectFailed("down")):  # fmt: skip
        pace = pace.after(trouble)
        delays.append(pace.delay)
    assert delays == [10.0, 20.0, 40.0, 60.0, 60.0]
    assert pace.after(AuthorizationPending("not yet")) == Pace(5.0, 5.0)


def test_a_server_that_names_a_time_is_not_asked_before():
    assert Pace.of(CODE).after(ServiceUnavailable("busy", retry_after=90.0)).delay == 90.0


def test_an_interval_longer_than_a_minute_is_kept_in_trouble():
    assert Pace.of(Polled("dc", 120.0)).after(ConnectFailed("down")).delay == 120.0
