"""Yours to fix: the program or its configuration is wrong, and trying again will not help."""

from __future__ import annotations

from .root import AuthflowError, Phase, Recovery


class Misuse(AuthflowError):
    """The program or its configuration is wrong; trying again will not help."""

    code = "misuse"


class ConfigurationError(Misuse):
    """A provider, manager or store is set up in a way that cannot work."""

    code = "configuration_error"
    recovery = Recovery.FIX_CONFIGURATION


class UnknownProvider(ConfigurationError, KeyError):
    """`manager["name"]` for a name that no provider has."""

    code = "unknown_provider"
    __str__ = AuthflowError.__str__


class MissingEndpoint(ConfigurationError):
    """The provider's settings and metadata name no endpoint for what was asked."""

    code = "missing_endpoint"


class InsecureURL(ConfigurationError):
    """An endpoint or redirect URI that would carry secrets in clear, or that is no clean URL."""

    code = "insecure_url"


class MissingExtra(ConfigurationError, ImportError):
    """An optional part is not installed; the hint is the line that installs it."""

    code = "missing_extra"
    __str__ = AuthflowError.__str__


class SealingKeyRequired(ConfigurationError):
    """`dump()` and sealed stores need a key."""

    code = "sealing_key_required"


class BrowserUnavailable(ConfigurationError):
    """No browser can be shown to the human from here: no display, a remote shell, none installed."""

    code = "browser_unavailable"
    phase = Phase.AUTHORIZE


class InvalidCall(Misuse):
    """The call does not fit the session as it is now."""

    code = "invalid_call"


class InvalidTransition(InvalidCall):
    """A trigger that stands in no row of the chart for the present state. Nothing changed."""

    code = "invalid_transition"


class OwnerRequired(InvalidCall):
    """A web login was begun without saying whose it is."""

    code = "owner_required"


class BindingRequired(InvalidCall):
    """A web callback was completed without the browser's binding."""

    code = "binding_required"


class LoginInProgress(InvalidCall):
    """`login()` was called while another `login()` of this session waits."""

    code = "login_in_progress"


class AlreadyAuthenticated(InvalidCall):
    """`login()` on a live session, without a reason for a second one."""

    code = "already_authenticated"


class OriginNotAllowed(InvalidCall):
    """`session.auth` was used for a host that is not one of the provider's APIs."""

    code = "origin_not_allowed"


class ManagerClosed(InvalidCall):
    """The manager was closed, or belongs to another event loop."""

    code = "manager_closed"


class NotSupported(InvalidCall):
    """The provider, or this version of authflow, does not have what was asked."""

    code = "not_supported"
