"""Where a conversation takes place."""

import pytest

from authflow.errors import InsecureURL, MissingEndpoint, Phase
from authflow.protocol.endpoints import endpoint_of
from authflow.protocol.messages import ServerMetadata

from .issuer import METADATA, openid


def test_it_is_where_the_metadata_says():
    assert endpoint_of(openid(), METADATA, "token_endpoint", hint="") == METADATA.token_endpoint


def test_where_there_is_none_the_error_says_what_to_do():
    with pytest.raises(MissingEndpoint, match="no introspection_endpoint is known") as caught:
        endpoint_of(openid(), METADATA, "introspection_endpoint", hint="Do without.", phase=Phase.PREPARE)
    assert (caught.value.hint, caught.value.phase) == ("Do without.", Phase.PREPARE)


def test_a_secret_is_not_sent_in_the_clear():
    with pytest.raises(InsecureURL):
        endpoint_of(openid(), ServerMetadata(token_endpoint="http://idp.example/token"), "token_endpoint", hint="")
