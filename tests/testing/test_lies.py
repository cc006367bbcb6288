"""Each lie by its name: it changes one thing, it ends with its block, and it has a sentence."""

from __future__ import annotations

import pytest

from authflow.errors import ConfigurationError
from authflow.testing import DevProvider, Lie
from authflow.testing.observed import TAMPERABLE, WHOLE_ANSWERS


@pytest.mark.parametrize("lie", Lie)
def test_every_lie_is_about_something_that_is_sent_and_says_what_is_wrong(lie: Lie) -> None:
    assert lie.about in TAMPERABLE | WHOLE_ANSWERS
    assert lie.sentence[0].isupper()
    assert lie.sentence.endswith(".")


def test_no_lie_is_told_twice() -> None:
    assert len(Lie) == len(Lie.__members__)
    assert len({lie.sentence for lie in Lie if lie.about == "id_token_claims"}) == len(
        [lie for lie in Lie if lie.about == "id_token_claims"]
    )


def test_a_lie_by_its_name_lasts_as_long_as_its_block() -> None:
    provider = DevProvider(issuer="https://op.example")
    with provider.lie(Lie.METADATA_OF_ANOTHER_ISSUER):
        assert provider.tamper.apply("metadata", {"issuer": provider.issuer}) == {"issuer": "https://evil.example"}
    assert provider.tamper.apply("metadata", {"issuer": provider.issuer}) == {"issuer": "https://op.example"}


def test_what_is_neither_a_lie_nor_a_name_with_a_function_is_refused() -> None:
    provider = DevProvider(issuer="https://op.example")
    with pytest.raises(ConfigurationError, match="a function"), provider.lie("metadata"):
        pass
