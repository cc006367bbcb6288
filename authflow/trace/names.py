"""The names of parameters, members, claims and headers, and what of their values may be shown.

Rule: a name that stands nowhere here has a secret value.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# The protocol's own words, public settings, numbers.
WORDS: Final = _names(
    """
    access_type acr_values active actor_token_type approval_prompt audience client_assertion_type client_id
    code_challenge_method display email_verified error_code expires_in ext_expires_in grant_type
    include_granted_scopes interval issued_token_type max_age prompt refresh_expires_in refresh_in
    refresh_token_expires_in requested_expiry requested_token_type resource response_mode response_type scope
    subject_token_type token_type token_type_hint ui_locales
    content-type retry-after
    """
)

# What somebody wrote for humans: shown, and searched for a human's name first.
TEXTS: Final = _names("error error_description")

# Shown without their query, and their host only if it tells of nobody's own network.
URLS: Final = _names("iss redirect_uri post_logout_redirect_uri verification_uri error_uri location")

# What names a human.
PEOPLE: Final = _names(
    """
    account address avatar_url birthdate displayName domain_hint email family_name gender given_name hd html_url id
    login login_hint login_hint_token logout_hint mail middle_name name nickname oid openid phone_number picture
    preferred_username profile sub tid unionid unique_name upn user userPrincipalName user_id userid username website
    """
)

# Secrets, and what may hold one. They are named so that a trace may say that they were there.
SECRET: Final = _names(
    """
    access_token acr actor_token amr assertion at_hash aud auth_req_id auth_time authorization_details azp
    binding_message c_hash claims client_assertion client_notification_token client_secret cnf code code_challenge
    code_verifier device_code device_secret dpop-nonce dpop_jkt events exp groups iat id_token id_token_hint issuer jti
    keys locale logout_token nbf nonce password phone_number_verified refresh_token request request_uri response roles
    s_hash session_state sid state subject_token token updated_at user_code verification_uri_complete zoneinfo
    """
)


class Kind(IntEnum):
    """What becomes of a value."""

    WORD = 1
    TEXT = 2
    URL = 3
    PERSON = 4
    SECRET = 5


KINDS: Final[dict[str, Kind]] = {
    name: kind
    for kind, names in zip(Kind, (WORDS, TEXTS, URLS, PEOPLE, SECRET), strict=True)
    for name in names
}  # fmt: skip
