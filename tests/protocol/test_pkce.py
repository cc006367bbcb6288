"""PKCE: S256 of the RFC's own example, and no verifier that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authflow.errors import InvalidCall
from authflow.protocol.pkce import code_challenge

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"


def test_the_example_of_rfc_7636_appendix_b():
    assert code_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == (
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )


@given(st.text(UNRESERVED, min_size=43, max_size=128))
def test_a017_every_verifier_of_43_to_128_unreserved_characters_has_a_challenge(verifier):
    challenge = code_challenge(verifier)
    assert len(challenge) == 43
    assert set(challenge) <= set(UNRESERVED)


@pytest.mark.parametrize("verifier", ["", "a" * 42, "a" * 129, "a" * 42 + "+", "a" * 42 + "é", "a" * 43 + "\n"])
def test_anything_else_is_refused(verifier):
    with pytest.raises(InvalidCall) as caught:
        code_challenge(verifier)
    assert "a" * 42 not in str(caught.value)
