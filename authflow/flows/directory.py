"""What is known of issuers, and how it becomes known: their endpoints and their keys.

Rule: what was fetched serves for five minutes, and for a day while it cannot be fetched anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import (
    AuthflowError,
    Phase,
    ProviderError,
    Recovery,
    RedirectRefused,
    ResponseInvalid,
    ValidationFailed,
    printable,
)
from ..protocol.discovery import (
    build_discovery_requests,
    check_metadata,
    configured_metadata,
    issuer_of,
    merge_metadata,
    read_metadata,
)
from ..protocol.dpop import Nonces
from ..protocol.messages import ServerMetadata
from ..protocol.step import Flow, T
from .asking import UNAVAILABLE, ask

if TYPE_CHECKING:
    from ..protocol.jwks import IssuerKeys
    from ..providers.base import Provider

METADATA_SECONDS = 300.0
OLDEST_METADATA_SECONDS = 86_400.0  # metadata that could not be renewed serve this long


class Directory:
    """What is known of issuers: metadata and keys, by issuer; of servers: DPoP nonces, by origin. It does no I/O;
    flows fill it.

    One directory may serve many threads: every entry is replaced whole, never changed. A failure is not kept.
    """

    def __init__(self) -> None:
        self._metadata: dict[str, tuple[ServerMetadata, float]] = {}
        self._keys: dict[tuple[str, str], IssuerKeys] = {}
        self.nonces = Nonces()
        self._judged: dict[int, tuple[Provider, ServerMetadata | None, ServerMetadata]] = {}

    def __repr__(self) -> str:
        return f"Directory({sorted(self._metadata)})"

    def metadata(self, issuer: str, now: float, oldest: float = METADATA_SECONDS) -> ServerMetadata | None:
        """What was discovered for `issuer` less than `oldest` seconds ago."""
        kept = self._metadata.get(issuer)
        if kept is None or not 0 <= now - kept[1] < oldest:
            return None
        return kept[0]

    def keep_metadata(self, issuer: str, metadata: ServerMetadata, now: float) -> None:
        self._metadata[issuer] = (metadata, now)

    def keys(self, metadata: ServerMetadata) -> IssuerKeys | None:
        """The keys last fetched for this issuer from this place."""
        return self._keys.get((metadata.issuer, metadata.jwks_uri or ""))

    def keep_keys(self, metadata: ServerMetadata, keys: IssuerKeys) -> None:
        self._keys[metadata.issuer, metadata.jwks_uri or ""] = keys

    def judged(self, provider: Provider, source: ServerMetadata | None) -> ServerMetadata | None:
        """What `judge` was told for this very provider object and `source`: judging is dear and always the same."""
        kept = self._judged.get(id(provider))
        return kept[2] if kept is not None and kept[0] is provider and kept[1] is source else None

    def judge(self, provider: Provider, source: ServerMetadata | None, checked: ServerMetadata) -> ServerMetadata:
        """Keeps `checked` as what this provider object makes of `source`."""
        self._judged[id(provider)] = provider, source, checked
        return checked

    def forget(self, issuer: str) -> None:
        """Drops what is known of `issuer`; the next login asks anew."""
        self._metadata.pop(issuer, None)
        for slot in [slot for slot in self._keys if slot[0] == issuer]:
            self._keys.pop(slot, None)


def discover(provider: Provider, directory: Directory, now: float) -> Flow[ServerMetadata]:
    """The provider's endpoints: its own fields, over what its issuer publishes where it uses discovery.

    Metadata are asked for again after five minutes; while the issuer does not answer, the old ones serve for
    a day. Raises `ConfigurationError`, `ProviderError`, `WireError`; their phase is `prepare`.
    """
    if not provider.discovery:
        return directory.judged(provider, None) or directory.judge(provider, None, configured_metadata(provider))

    issuer = issuer_of(provider)
    known = directory.metadata(issuer, now)
    if known is None:
        try:
            known = yield from fetch_metadata(provider, issuer)
        except UNAVAILABLE as error:
            known = directory.metadata(issuer, now, OLDEST_METADATA_SECONDS)
            if known is None:
                error.add_facts(phase=Phase.PREPARE)
                raise
        else:
            directory.keep_metadata(issuer, known, now)
    # Another provider object may have put it there, with other settings.
    return directory.judged(provider, known) or directory.judge(
        provider, known, merge_metadata(provider, check_metadata(known, issuer, provider))
    )


def fetch_metadata(provider: Provider, issuer: str) -> Flow[ServerMetadata]:
    """The first of the well-known documents that is one. When none is, the error is the first one's."""
    requests = build_discovery_requests(
        issuer,
        allow_insecure_loopback=provider.allow_insecure_loopback,
        seconds=provider.timeout,
        every_form=provider.resource is not None,
    )
    missing: AuthflowError | None = None
    for request in requests:
        try:
            response = yield from ask(request)
            return read_metadata(response, issuer, provider)
        except RedirectRefused as error:
            missing = missing or error
        except (*UNAVAILABLE, ValidationFailed):
            raise
        except ProviderError as error:
            missing = missing or error
    if missing is None:
        raise ResponseInvalid("The issuer publishes no discovery document.", phase=Phase.PREPARE)
    if provider.issuer is not None and isinstance(missing, (ResponseInvalid, RedirectRefused)):
        missing.add_facts(
            hint=f"Is {printable(issuer, 200)!r} the issuer? Set issuer= exactly as the provider writes it.",
            recovery=Recovery.FIX_CONFIGURATION,
        )
    raise missing


def with_keys(
    provider: Provider,
    metadata: ServerMetadata,
    directory: Directory,
    verify: Callable[[IssuerKeys | None], T],
    now: float,
) -> Flow[T]:
    """What `verify` makes of something that the provider signed, with the keys that are at hand or else fetched.

    What fits no key at hand has them fetched once; for an unknown kid at most once a minute. Keys older than five
    minutes are renewed, and go on serving for a day while that fails.
    """
    from ..protocol.jwks import IssuerKeys, build_jwks_request, read_jwks
    from ..protocol.jwt import UnknownKey

    kept = directory.keys(metadata)
    fresh = kept is not None and kept.is_fresh(now)
    try:
        return verify(kept if fresh else None)
    except UnknownKey:
        if kept is not None and fresh:
            if not kept.may_refetch(now):
                raise
            directory.keep_keys(metadata, kept.forced(now))

    try:
        response = yield from ask(build_jwks_request(provider, metadata))
        found = IssuerKeys(read_jwks(provider, response), now, forced_at=now if fresh else None)
    except (*UNAVAILABLE, ResponseInvalid) as error:
        if kept is None or not kept.may_serve(now):
            error.add_facts(phase=Phase.VALIDATE)
            raise
        found = kept
    else:
        directory.keep_keys(metadata, found)
    return verify(found)
