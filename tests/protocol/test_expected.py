"""What an ID token has to fit."""

import pytest

from authflow.protocol.expected import Expected


def test_the_nonce_is_named_even_where_there_is_none():
    with pytest.raises(TypeError, match="nonce"):
        Expected(max_age=60)


def test_no_secret_of_it_is_shown():
    full = Expected(
        nonce="n-secret", access_token="at-secret", code="c-secret", front_state="s-secret",
        previous_claims={"sub": "sub-secret"}, asked_claims={"id_token": {"sub": {"value": "asked-secret"}}},
    )  # fmt: skip
    assert "secret" not in f"{full!r} {full}"
