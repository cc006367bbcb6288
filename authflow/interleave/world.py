"""Everything there is at one moment of the refresh protocol, and what a design leaves out of it. Values only."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from ..renewal import PROMPT

if TYPE_CHECKING:
    from ..providers.settings import Rotation

OTHER_LOGIN: Final = 100  # the first refresh token of somebody else who signs in; tokens are numbers here
OLD: Final = PROMPT * 10  # seconds that stand for "long ago"


class At(StrEnum):
    """Where a process is in its renewal."""

    REST = "rest"  # it believes in a live session
    LOCK = "lock"  # it waits for the lock
    READ = "read"  # it is about to read the store and decide
    CLAIM = "claim"  # it is about to write its claim
    SEND = "send"  # its request is on the way
    ANSWERED = "answered"  # the provider has decided; the answer is on the way back
    SILENCE = "silence"  # no answer will come
    TOKENS = "tokens"  # new tokens are here and not stored
    OUT = "out"  # logged out
    SPENT = "spent"  # it lives on its access token; the refresh token is given up
    DEAD = "dead"  # the process died


FLYING: Final = frozenset({At.CLAIM, At.SEND, At.ANSWERED, At.SILENCE, At.TOKENS})
QUIET: Final = frozenset({At.REST, At.OUT, At.SPENT, At.DEAD})


class Process(NamedTuple):
    """One process: the token and epoch that it believes in, what it sent, what came."""

    at: At = At.REST
    token: int = 0
    epoch: int = 0
    sent: int = -1
    came: int = -1
    retries: int = 0


class Stored(NamedTuple):
    """The record in the store. A claim is held while its holder may be alive, and left when it gave up."""

    token: int = 0
    epoch: int = 0
    out: bool = False
    holder: int = -1
    held: bool = False
    old: bool = False
    retries: int = 0
    spent: bool = False

    @property
    def claimed(self) -> bool:
        return self.holder >= 0


class Chances(NamedTuple):
    """How often each thing may still happen."""

    renewals: int
    logouts: int
    crashes: int = 0
    losses: int = 0
    overloads: int = 0
    lapses: int = 0
    logins: int = 0
    delays: int = 0  # an answer is so late that the lease of whoever waits for it lapses


class World(NamedTuple):
    """Everything there is, at one moment."""

    provider: int  # the refresh token that the provider would accept
    revoked: bool
    forgiven: bool  # the grace for the previous token was used
    stored: Stored
    lock: int
    processes: tuple[Process, ...]
    chances: Chances
    marks: frozenset[str] = frozenset()


class Design(NamedTuple):
    """What processes do, as switches. The defaults are what the code does."""

    name: str
    policy: Rotation = "strict"
    processes: int = 2
    grace: bool = False  # the provider forgives one reuse of the last token
    lock: bool = True
    reads_again: bool = True
    claims: bool = True
    claims_by_swap: bool = True
    stores_by_swap: bool = True
    compares_epochs: bool = True
    retries_always: bool = False
    clears_after_no: bool = True
    logout_cancels: bool = False
    tells_before_storing: bool = False
    chances: Chances = Chances(renewals=3, logouts=1)
