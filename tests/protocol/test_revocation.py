"""Revocation: RFC 7009's request, and which answers mean that the token is dead."""

import msgspec
import pytest

from authflow.errors import InvalidClient, OAuthError, Phase, ResponseInvalid, ServiceUnavailable
from authflow.protocol.revocation import build_revocation_request, read_revocation_response

from .issuer import METADATA, MOMENT, answer, form_of, openid


def test_the_request_names_the_token_and_its_kind():
    request = build_revocation_request(openid(), METADATA, "rt", "refresh_token", MOMENT)
    assert str(request.url) == "https://id.example/revoke"
    assert form_of(request) == {"token": "rt", "token_type_hint": "refresh_token"}
    assert request.headers["authorization"].startswith("Basic ")


def test_a_provider_without_revocation_has_no_request():
    metadata = msgspec.structs.replace(METADATA, revocation_endpoint=None)
    assert build_revocation_request(openid(), metadata, "rt", "refresh_token", MOMENT) is None


@pytest.mark.parametrize(("body", "status"), [(b"", 200), (b"", 204), (b"ok", 200), ({"error": "invalid_token"}, 400)])
def test_these_answers_mean_that_the_token_is_dead(body, status):
    read_revocation_response(openid(), answer(body, status))


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [({"error": "unsupported_token_type"}, 400, OAuthError), ({"error": "invalid_client"}, 401, InvalidClient),
     (b"", 503, ServiceUnavailable), (b"<html>", 404, ResponseInvalid)],
)  # fmt: skip
def test_these_do_not(body, status, kind):
    with pytest.raises(kind) as caught:
        read_revocation_response(openid(), answer(body, status))
    assert caught.value.phase is Phase.REVOKE
