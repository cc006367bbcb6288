"""The cases, by what they are about."""

from ..suite import CASES
from . import ciba, declined, discovery, fapi, id_token, logout, others, tokens

__all__ = ["CASES", "ciba", "declined", "discovery", "fapi", "id_token", "logout", "others", "tokens"]
