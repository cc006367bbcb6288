"""Reading what an API says when it refuses: bounded, and never an error of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.events import StepUp
from authflow.protocol.challenge import (
    LONGEST_HEADER,
    MOST_CHALLENGES,
    MOST_PARAMETERS,
    MOST_SCOPES,
    Challenge,
    read_challenges,
    read_resource_challenge,
    read_step_up,
)

STRONGER = 'Bearer error="insufficient_user_authentication", error_description="more", acr_values="gold silver"'


def test_a_challenge_is_its_scheme_and_its_parameters() -> None:
    assert read_challenges(['Bearer realm="x", Error=invalid_token']) == (
        Challenge("bearer", {"realm": "x", "error": "invalid_token"}),
    )


def test_several_challenges_in_one_header_or_in_several_are_told_apart() -> None:
    one = read_challenges(['Basic realm="a, b", Bearer error="invalid_token", DPoP algs="ES256"'])
    assert [challenge.scheme for challenge in one] == ["basic", "bearer", "dpop"]
    assert one[0].parameters == {"realm": "a, b"}
    assert read_challenges(['Basic realm="a, b"', 'Bearer error="invalid_token"', 'DPoP algs="ES256"']) == one


def test_credentials_of_another_scheme_are_passed_over() -> None:
    found = read_challenges(["Negotiate YWJjZA==, Bearer scope=x"])
    assert found == (Challenge("negotiate", {}), Challenge("bearer", {"scope": "x"}))


def test_a_quoted_pair_means_its_second_character() -> None:
    assert read_challenges([r'Bearer realm="a\"b\\c"'])[0].parameters == {"realm": 'a"b\\c'}


def test_of_a_parameter_given_twice_the_first_counts() -> None:
    assert read_challenges(["Bearer scope=a, scope=b"])[0].parameters == {"scope": "a"}


@pytest.mark.parametrize("header", ["", ",", "=", '"', 'Bearer error="unfinished', "\x00", "Bearer =", "é"])
def test_a_header_that_is_none_is_no_error(header: str) -> None:
    assert read_step_up(401, [header]) is None


def test_a_hostile_header_is_read_only_so_far() -> None:
    assert len(read_challenges(["a b=c, " * 5000])) == MOST_CHALLENGES
    many = read_challenges(["Bearer " + ", ".join(f"p{number}=1" for number in range(500))])
    assert len(many[0].parameters) == MOST_PARAMETERS
    assert read_challenges(["Bearer realm=" + "x" * LONGEST_HEADER + ", error=insufficient_scope"])[0].parameters.get(
        "error"
    ) is None
    asked = read_step_up(403, ['Bearer error=insufficient_scope, scope="' + " ".join(map(str, range(900))) + '"'])
    assert asked is not None
    assert len(asked.scope) == MOST_SCOPES


@given(st.text(max_size=300))
def test_whatever_the_header_is_nothing_is_raised(header: str) -> None:
    for status in (401, 403):
        read_step_up(status, [header, f"Bearer error=insufficient_scope, {header}"])
    read_resource_challenge([header])


def test_a_stronger_sign_in_is_asked_for_by_its_acr_values() -> None:
    assert read_step_up(401, [STRONGER]) == StepUp("insufficient_user_authentication", acr_values=("gold", "silver"))


def test_a_fresher_sign_in_is_asked_for_by_its_max_age() -> None:
    asked = read_step_up(401, ['Bearer error="insufficient_user_authentication", max_age="300"'])
    assert asked == StepUp("insufficient_user_authentication", max_age=300.0)


@pytest.mark.parametrize("age", ["-1", "1e9", "soon", "٣", ""])
def test_a_max_age_that_is_no_number_of_seconds_is_none(age: str) -> None:
    asked = read_step_up(401, [f'Bearer error="insufficient_user_authentication", max_age="{age}"'])
    assert asked == StepUp("insufficient_user_authentication")


def test_a_max_age_beyond_all_reason_is_cut() -> None:
    asked = read_step_up(401, [f'Bearer error="insufficient_user_authentication", max_age="{"9" * 400}"'])
    assert asked is not None
    assert asked.max_age == 315_360_000.0


def test_more_scope_is_asked_for_with_403() -> None:
    asked = read_step_up(403, ['Bearer error="insufficient_scope", scope="read write read"'])
    assert asked == StepUp("insufficient_scope", scope=("read", "write"))


def test_a_scope_with_characters_that_no_scope_has_is_left_out() -> None:
    asked = read_step_up(403, ['Bearer error="insufficient_scope", scope="read wri\\\\te \x1b[31m wri\tte"'])
    assert asked == StepUp("insufficient_scope", scope=("read",))


@pytest.mark.parametrize(
    ("status", "header"),
    [
        (401, 'Bearer error="insufficient_scope", scope="read"'),
        (403, STRONGER),
        (200, STRONGER),
        (401, 'Bearer error="invalid_token"'),
        (401, STRONGER.replace("Bearer", "Basic")),
    ],
)
def test_any_other_answer_asks_for_nothing(status: int, header: str) -> None:
    assert read_step_up(status, [header]) is None


def test_a_resource_says_where_its_metadata_are_and_what_scope_it_wants() -> None:
    header = 'Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource", scope="files:read"'
    assert read_resource_challenge([header]) == (
        "https://api.example/.well-known/oauth-protected-resource",
        ("files:read",),
    )
    assert read_resource_challenge(["Basic realm=x"]) == (None, ())
