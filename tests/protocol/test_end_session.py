"""Signing out at the provider: the URL, its parameters, and where it may come back to."""

from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from authflow.errors import InsecureURL
from authflow.protocol.end_session import build_end_session_url

from .issuer import METADATA, openid


def build(metadata=METADATA, hint="i.d.t", uri="https://app.example/bye"):
    return build_end_session_url(openid(), metadata, id_token_hint=hint, post_logout_redirect_uri=uri, state="s-1")


def test_all_that_is_known_goes_along():
    assert dict(parse_qsl(urlsplit(build()).query)) == {
        "client_id": "client-1", "id_token_hint": "i.d.t", "post_logout_redirect_uri": "https://app.example/bye",
        "state": "s-1",
    }  # fmt: skip


def test_without_a_place_to_come_back_to_there_is_no_state():
    assert build(hint=None, uri=None) == "https://id.example/logout?client_id=client-1"


def test_an_existing_query_is_kept():
    metadata = msgspec.structs.replace(METADATA, end_session_endpoint="https://id.example/logout?federated")
    assert build(metadata, None, None) == "https://id.example/logout?federated=&client_id=client-1"


def test_no_endpoint_no_url():
    assert build(msgspec.structs.replace(METADATA, end_session_endpoint=None)) is None


def test_a121_the_way_back_is_a_clean_uri():
    with pytest.raises(InsecureURL):
        build(uri="http://app.example/bye")
