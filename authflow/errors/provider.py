"""The provider's answer: it says no, or what it says is not acceptable. One class for each code of an RFC."""

from __future__ import annotations

from typing import Any, ClassVar

from .root import AuthflowError, Phase, Recovery, Sent, printable

NOBODY_WAS_ASKED = 'Sign in again without prompt="none": the human must be asked.'


class ProviderError(AuthflowError):
    """The provider answered, and the answer is no, or is not acceptable."""

    code = "provider_error"
    sent = Sent.YES


class OAuthError(ProviderError):
    """An OAuth error response (RFC 6749 §4.1.2.1, §5.2) whose code has no class of its own."""

    code = "oauth_error"
    hint = "Look this code up in the provider's documentation."
    by_code: ClassVar[dict[str, type[OAuthError]]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        OAuthError.by_code[cls.code] = cls


class InvalidRequest(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    code = "invalid_request"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Compare what is configured for this provider with what its documentation asks for."


class InvalidClient(OAuthError):
    """RFC 6749 §5.2: the client id or secret is wrong."""

    code = "invalid_client"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Compare client_id and its secret or key with what is registered at the provider."


class InvalidGrant(OAuthError):
    """RFC 6749 §5.2: the code or refresh token is expired, used or revoked."""

    code = "invalid_grant"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = "Sign in again: what was granted has expired, was used already, or was taken back."


class UnauthorizedClient(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    code = "unauthorized_client"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Allow this kind of login for the application, where it is registered at the provider."


class UnsupportedGrantType(OAuthError):
    """RFC 6749 §5.2."""

    code = "unsupported_grant_type"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Choose a kind of login that this provider offers."


class UnsupportedResponseType(OAuthError):
    """RFC 6749 §4.1.2.1."""

    code = "unsupported_response_type"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Choose a response_type= that this provider offers."


class InvalidTarget(OAuthError):
    """RFC 8707 §2: the provider issues no token for that API to this login."""

    code = "invalid_target"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Name an API that the provider knows; where there is a login, in login(resource=[…]) too."


class InvalidScope(OAuthError):
    """RFC 6749 §4.1.2.1, §5.2."""

    code = "invalid_scope"
    recovery = Recovery.FIX_CONFIGURATION
    hint = "Ask only for scopes that the provider has, and that this application may ask for."


class AccessDenied(OAuthError):
    """RFC 6749 §4.1.2.1: the human, or the provider's policy, said no."""

    code = "access_denied"
    recovery = Recovery.USER_CANCELLED
    hint = "Sign in again and allow it; if nobody was asked, the provider's administrator does not allow it."


class ServerError(OAuthError):
    """RFC 6749 §4.1.2.1, or a 5xx answer."""

    code = "server_error"
    recovery = Recovery.RETRY_AT
    hint = "Try again later."


class ServiceUnavailable(OAuthError):
    """RFC 6749 §4.1.2.1 `temporarily_unavailable`, or a 429 or 503 answer."""

    code = "temporarily_unavailable"
    recovery = Recovery.RETRY_AT
    hint = "Try again later."


class InteractionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "interaction_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class LoginRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "login_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class ConsentRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "consent_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class AccountSelectionRequired(OAuthError):
    """OpenID Connect Core §3.1.2.6."""

    code = "account_selection_required"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = NOBODY_WAS_ASKED


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5: the human has not answered yet. The session goes on asking."""

    code = "authorization_pending"
    recovery = Recovery.RETRY_AT


class SlowDown(OAuthError):
    """RFC 8628 §3.5: as `AuthorizationPending`, and asked too often. The session waits 5 s more between two polls."""

    code = "slow_down"
    recovery = Recovery.RETRY_AT


class ExpiredToken(OAuthError):
    """RFC 8628 §3.5: the human did not answer while the device code was good."""

    code = "expired_token"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = "Sign in again: a new code is shown."


class UnknownUserId(OAuthError):
    """CIBA Core §13: nobody is known by the hint."""

    code = "unknown_user_id"
    recovery = Recovery.SIGN_IN_AGAIN
    hint = "Ask the human who they are at this provider."


def oauth_error(error: object, description: object = None, **facts: Any) -> OAuthError:
    """The error class that belongs to an RFC code, its text made printable."""
    code = printable(error, 128)
    kind = OAuthError.by_code.get(code, OAuthError)
    text = None if description is None else printable(description)
    said = f"The provider answered {code}" + (f": {text}" if text else ".")
    facts = {name: value for name, value in facts.items() if name != "hint" or value}
    return kind(said, error=code, error_description=text, **facts)


class ResponseInvalid(ProviderError):
    """The answer is not what the specification says: not JSON, no token in it, a wrong type, too deep."""

    code = "response_invalid"
    hint = "Check the endpoint's URL; if it is right, the fault is the provider's: tell whoever runs it."


class ValidationFailed(ProviderError):
    """A check on the provider's answer failed. `check` is its name: `iss`, `nonce`, `aud`, `at_hash`, …"""

    code = "validation_failed"
    hint = "The fault is in what the provider sent: tell whoever runs it."


class CallbackRejected(ProviderError):
    """A callback that belongs to no pending login: unknown state, another browser, doubled parameters.
    No login was ended by it."""

    code = "callback_rejected"
    phase = Phase.CALLBACK


class CallbackAlreadyUsed(CallbackRejected):
    """This callback was completed more than 60 seconds ago."""

    code = "callback_already_used"
    recovery = Recovery.SIGN_IN_AGAIN
