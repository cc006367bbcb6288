"""What authflow does not do. The proof is that it refuses to begin, or has no such thing."""

from __future__ import annotations

import pytest

from authflow.errors import ConfigurationError
from authflow.protocol.messages import ServerMetadata

from ..suite import DECLINED, RelyingParty, case


@case("response-type-with-token")
async def tokens_through_the_browser(rp: RelyingParty) -> None:
    for response_type in ("token", "id_token token", "code token", "code id_token token"):
        with pytest.raises(ConfigurationError):
            rp.stage.settings("acme", response_type=response_type)


@case(*DECLINED)
async def nothing_of_the_kind(rp: RelyingParty) -> None:
    """No setting and no member of the metadata leads there."""
    for setting in ("check_session_iframe",):
        with pytest.raises(ConfigurationError):
            rp.stage.settings("acme", **{setting: True})
    assert "check_session_iframe" not in ServerMetadata.__struct_fields__
