"""Microsoft Entra ID, against answers in the shapes that Entra and Graph send."""

from __future__ import annotations

from typing import Any

import pytest

from authflow import flows
from authflow.errors import ConfigurationError, ResponseInvalid, ValidationFailed
from authflow.providers import Microsoft
from tests.protocol.issuer import MOMENT
from tests.providers.recorded import NONCE, Answer, RecordedProvider, json_answer, login, run, sign

CONTOSO = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
FABRIKAM = "1c3f0e1f-7c1b-4c9a-a6b7-0d9d2f6c1e55"
OID = "690222be-ff1a-4d56-abd1-7e4f7d38e474"
ME = {
    "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
    "id": OID,
    "displayName": "Ada Lovelace",
    "jobTitle": "Analyst",
    "mail": "ada@contoso.com",
    "userPrincipalName": "ada@contoso.com",
}


def granted(idp: RecordedProvider, *, tid: str = CONTOSO, **claims: Any) -> Answer:
    said = {
        "aud": "the-id",
        "iss": f"{idp.origin}/{tid}/v2.0",
        "tid": tid,
        "oid": OID,
        "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ",
        "name": "Ada Lovelace",
        "preferred_username": "ada@contoso.com",
        "email": "ada@contoso.com",
        "nonce": NONCE,
        "ver": "2.0",
        **claims,
    }
    return json_answer(
        {
            "token_type": "Bearer",
            "scope": "openid profile email User.Read",
            "expires_in": 3922,
            "ext_expires_in": 3922,
            "access_token": "EwBwA8l6BAAU",
            "refresh_token": "M.R3_BAY",
            "id_token": sign({name: one for name, one in said.items() if one is not None}),
        }
    )


def at(idp: RecordedProvider, microsoft: Microsoft) -> Microsoft:
    """The same preset on the recorded server: `common` publishes a template as its issuer."""
    tenant = (microsoft.issuer or "").split("/")[3]
    said = "{tenantid}" if tenant in ("common", "organizations") else CONTOSO if "." in tenant else tenant
    idp.publish(
        f"/{tenant}/v2.0",
        issuer=f"{idp.origin}/{said}/v2.0",
        userinfo_endpoint="https://graph.microsoft.com/oidc/userinfo",
        end_session_endpoint=f"{idp.origin}/{tenant}/oauth2/v2.0/logout",
    )
    idp.on("POST", "/token", granted(idp))
    idp.on("GET", "/v1.0/me", json_answer(ME))
    return microsoft.replace(
        issuer=f"{idp.origin}/{tenant}/v2.0",
        issuer_claim_template=f"{idp.origin}/{{tid}}/v2.0",
        # As Graph's does, this answers to a Graph token only; the preset must not need it.
        userinfo_endpoint=f"{idp.origin}/oidc/userinfo",
        api_origins=[idp.origin],
        allow_insecure_loopback=True,
    )


@pytest.fixture
def common(idp: RecordedProvider) -> Microsoft:
    return at(idp, Microsoft("the-id", "the-secret"))


def test_the_issuer_is_that_of_the_accounts_own_tenant(idp: RecordedProvider, common: Microsoft) -> None:
    assert login(common).issuer == f"{idp.origin}/{CONTOSO}/v2.0"


def test_an_issuer_that_is_not_the_tokens_tenant_is_refused(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("POST", "/token", granted(idp, iss=f"{idp.origin}/{FABRIKAM}/v2.0"))
    with pytest.raises(ValidationFailed) as caught:
        login(common)
    assert caught.value.check == "iss"


def test_the_template_itself_is_no_issuer(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("POST", "/token", granted(idp, iss=f"{idp.origin}/{{tenantid}}/v2.0"))
    with pytest.raises(ValidationFailed):
        login(common)


def test_the_user_is_oid_and_tid_and_not_sub(common: Microsoft) -> None:
    assert login(common).profile.id == f"{OID}.{CONTOSO}"


def test_the_profile_is_graphs_and_the_id_tokens(common: Microsoft) -> None:
    profile = login(common).profile
    assert (profile.name, profile.email) == ("Ada Lovelace", "ada@contoso.com")
    assert profile.data["jobTitle"] == "Analyst"
    assert profile.data["tid"] == CONTOSO
    assert "nonce" not in profile.data


def test_an_address_is_not_verified_unless_entra_says_that_its_domain_is(
    idp: RecordedProvider, common: Microsoft
) -> None:
    assert login(common).profile.email_verified is False
    idp.on("POST", "/token", granted(idp, xms_edov=True))
    assert login(common).profile.email_verified is True


def test_a_user_name_is_not_taken_for_an_address(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("POST", "/token", granted(idp, email=None))
    idp.on("GET", "/v1.0/me", json_answer({**ME, "mail": None}))
    assert login(common).profile.email is None


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_token_that_graph_refuses_still_signs_in(idp: RecordedProvider, common: Microsoft, status: int) -> None:
    idp.on("GET", "/v1.0/me", json_answer({"error": {"code": "InvalidAuthenticationToken"}}, status))
    assert login(common).profile.id == f"{OID}.{CONTOSO}"


def test_graphs_answer_about_somebody_else_is_left_out(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("GET", "/v1.0/me", json_answer({**ME, "id": "somebody-else", "jobTitle": "Thief"}))
    assert "jobTitle" not in login(common).profile.data


def test_a_personal_account_has_a_short_id_in_graph(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("POST", "/token", granted(idp, oid="00000000-0000-0000-66f3-3332eca7ea81"))
    idp.on("GET", "/v1.0/me", json_answer({**ME, "id": "66f33332eca7ea81"}))
    profile = login(common).profile
    assert profile.id.startswith("00000000-0000-0000-66f3-3332eca7ea81.")
    assert profile.data["jobTitle"] == "Analyst"


def test_an_id_token_without_oid_names_nobody(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("POST", "/token", granted(idp, oid=None))
    with pytest.raises(ResponseInvalid, match="oid"):
        login(common)


def test_groups_come_from_the_id_token(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("POST", "/token", granted(idp, groups=["group-1", "group-2"]))
    profile = login(common, fetch_groups=True).profile
    assert [name for name, _ in profile.groups] == ["group-1", "group-2"]
    assert profile.groups_complete


@pytest.mark.parametrize(
    "overage",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.windows.net/x"}}},
        {"hasgroups": True},
    ],
)
def test_too_many_groups_are_asked_of_graph(
    idp: RecordedProvider, common: Microsoft, overage: dict[str, Any]
) -> None:
    idp.on("POST", "/token", granted(idp, **overage))
    ids = [f"group-{number}" for number in range(250)]
    idp.on("POST", "/v1.0/me/getMemberObjects", json_answer({"value": ids}))
    profile = login(common, fetch_groups=True).profile
    assert (len(profile.groups), profile.groups_complete) == (250, True)
    assert idp.asked("/v1.0/me/getMemberObjects")[0].json == {"securityEnabledOnly": False}


def test_too_many_groups_and_no_permission_are_not_no_groups(idp: RecordedProvider, common: Microsoft) -> None:
    idp.on("POST", "/token", granted(idp, hasgroups="true"))
    idp.on("POST", "/v1.0/me/getMemberObjects", json_answer({"error": {"code": "Authorization_RequestDenied"}}, 403))
    profile = login(common, fetch_groups=True).profile
    assert (profile.groups, profile.groups_complete) == ((), False)


def test_a_listed_tenant_is_admitted(idp: RecordedProvider) -> None:
    microsoft = at(idp, Microsoft("the-id", "the-secret", tenants=[CONTOSO.upper(), FABRIKAM]))
    assert login(microsoft).profile.id == f"{OID}.{CONTOSO}"
    idp.on("POST", "/token", granted(idp, tid=FABRIKAM))
    assert login(microsoft).profile.id == f"{OID}.{FABRIKAM}"


def test_a_tenant_that_is_not_listed_is_refused(idp: RecordedProvider) -> None:
    microsoft = at(idp, Microsoft("the-id", "the-secret", tenants=[CONTOSO]))
    idp.on("POST", "/token", granted(idp, tid=FABRIKAM))
    with pytest.raises(ValidationFailed) as caught:
        login(microsoft)
    assert caught.value.check == "tid"


def test_one_tenant_admits_no_other(idp: RecordedProvider) -> None:
    microsoft = at(idp, Microsoft("the-id", "the-secret", tenant=CONTOSO))
    assert login(microsoft).profile.id == f"{OID}.{CONTOSO}"
    idp.on("POST", "/token", granted(idp, tid=FABRIKAM))
    with pytest.raises(ValidationFailed) as caught:
        login(microsoft)
    assert caught.value.check == "iss"


def test_a_tenants_domain_stands_for_its_id(idp: RecordedProvider) -> None:
    microsoft = at(idp, Microsoft("the-id", "the-secret", tenant="contoso.com"))
    assert login(microsoft).profile.id == f"{OID}.{CONTOSO}"
    idp.on("POST", "/token", granted(idp, tid=FABRIKAM))
    with pytest.raises(ValidationFailed):
        login(microsoft)


def test_logout_goes_to_the_end_session_endpoint_and_nothing_is_revoked(common: Microsoft) -> None:
    metadata = run(flows.discover(common, flows.Directory(), 0))
    url = common.build_end_session_url(
        metadata, id_token_hint=None, post_logout_redirect_uri="http://localhost/", state="s"
    )
    assert url is not None
    assert "/common/oauth2/v2.0/logout?" in url
    assert common.build_revocation_request(metadata, "x", "refresh_token", MOMENT) is None


@pytest.mark.parametrize(
    "settings",
    [
        {"tenant": ""},
        {"tenant": "a/b"},
        {"tenant": "https://login.microsoftonline.com/x"},
        {"tenants": "contoso.com"},
        {"tenants": ["contoso.com"]},
        {"tenant": CONTOSO, "tenants": [FABRIKAM]},
    ],
)
def test_tenants_that_cannot_work_are_refused_at_once(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Microsoft("the-id", **settings)


def test_loopback_is_called_localhost_because_entra_ignores_only_its_port() -> None:
    assert Microsoft("the-id").loopback_host == "localhost"


def test_a_refresh_token_is_asked_for_by_default() -> None:
    assert "offline_access" in Microsoft("the-id").requested_scopes()
    assert "offline_access" not in Microsoft("the-id", offline=False).requested_scopes()
