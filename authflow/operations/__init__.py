"""What a session does, written once for both colours: sign in, come back, renew, sign out.

Each operation is a generator that yields effects to a shell (`drive.py`).

Rule 1: a transition is committed before its signals are told, and told before the next one is begun.
Rule 2: every token received is stored or revoked. A login that was cancelled meanwhile is never a login.
Rule 3: an operation may be cancelled at any yield; what it leaves behind is a state of rest.
"""

from __future__ import annotations

from .asking import discover, find_issuer_by_webfinger, introspect
from .callback import complete
from .data import Begun, Completion, LoginOptions, LogoutResult, LogoutReturn, ProviderLogout, Saved
from .ending import cancel, close, sign_in_required, with_trace
from .enrolling import delete_registration, read_registration, register, update_registration
from .initiated import read_invitation
from .moving import move
from .parting import complete_logout
from .polling import notified
from .renewing import launch_renewal, refresh, renew_after, token, token_for
from .saved import dump, dump_token, restore, restore_stored, seal
from .signed_out_there import back_channel_logout, front_channel_logout
from .signing_in import begin, login, wait
from .signing_out import forget, revoke_orphans, sign_out
from .step_up import notice_step_up

__all__ = [
    "Begun",
    "Completion",
    "LoginOptions",
    "LogoutResult",
    "LogoutReturn",
    "ProviderLogout",
    "Saved",
    "back_channel_logout",
    "begin",
    "cancel",
    "close",
    "complete",
    "complete_logout",
    "delete_registration",
    "discover",
    "dump",
    "dump_token",
    "find_issuer_by_webfinger",
    "forget",
    "front_channel_logout",
    "introspect",
    "launch_renewal",
    "login",
    "move",
    "notice_step_up",
    "notified",
    "read_invitation",
    "read_registration",
    "refresh",
    "register",
    "renew_after",
    "restore",
    "restore_stored",
    "revoke_orphans",
    "seal",
    "sign_in_required",
    "sign_out",
    "token",
    "token_for",
    "update_registration",
    "wait",
    "with_trace",
]
