"""The cases, by what they are about."""

from ..suite import CASES
from . import declined, discovery, fapi, id_token, logout, others, tokens

__all__ = ["CASES", "declined", "discovery", "fapi", "id_token", "logout", "others", "tokens"]
