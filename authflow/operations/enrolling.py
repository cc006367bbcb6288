"""A provider that is not known in full when the program begins: its issuer found by an API, its client registered.

    template   what the application wrote: `OAuth2.for_resource(url)`, `OpenIDConnect(issuer, registration=…)`
    enrolled   the same with issuer, client_id and the rest; what every flow works with

Rule 1: what a server gave is kept in the store under provider and issuer, sealed, and is read for that issuer only.
        A session goes on with the issuer that it signed in at; only a new login may find another.
Rule 2: a registration is made at the first login and used by all that follow. Where two processes make one at once,
        the first that is stored counts, and the other is given back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from .. import enrolment, flows
from ..agents.redirect import plan_loopback
from ..core import SessionCore
from ..effects import Do, Op
from ..errors import (
    AuthflowError,
    ConfigurationError,
    OAuthError,
    Phase,
    ResponseInvalid,
    StoreError,
)
from ..house import House
from ..protocol.messages import ServerMetadata
from ..protocol.registration import ClientInformation
from ..protocol.resource import resource_scopes
from ..records import unpack
from ..stores import Conflict
from .wire import reach

if TYPE_CHECKING:
    from ..protocol.registration import ClientMetadata
    from ..protocol.resource import ResourceMetadata
    from ..providers.base import Provider

_CLIENT: Final = "client/"
_LOOPBACK: Final = ("http://127.0.0.1", "http://[::1]")


class Asked(NamedTuple):
    """What an API wants: its own name for itself, and the scope."""

    resource: str | None = None
    scope: tuple[str, ...] = ()

    def told(self, known: ClientInformation) -> ClientInformation:
        return replace(known, resource=self.resource, scope=self.scope)


def prepare(s: SessionCore, until: float | None = None, issuer: str = "") -> Op[ServerMetadata]:
    """The provider's metadata. After this `s.provider` is the enrolled one: of `issuer`, or of the session's.

    Raises what `flows.discover` raises, and `ConfigurationError` when the registration is lost.
    """
    house, now = s._house, s._run.ledger.now()
    template = house.providers[s.key.provider]
    if template.enrols:
        yield from _recall(s, template, issuer or s._run.record.issuer or template.issuer or "", until)
    metadata: ServerMetadata = yield from reach(s, flows.discover(s.provider, house.directory, now), until)
    return metadata


def enrol(s: SessionCore, redirect_uri: str) -> Op[ServerMetadata]:
    """`prepare` for a new login: the issuer is found and the client registered where that was not done yet."""
    house, now = s._house, s._run.ledger.now()
    template = house.providers[s.key.provider]
    if not template.enrols:
        return (yield from prepare(s))

    found: ResourceMetadata | None = None
    issuer = template.issuer or ""
    challenged: tuple[str, ...] = ()
    if template.resource is not None:
        issuer, found, challenged = yield from reach(s, enrolment.find_server(template, template.resource))
    draft = template.replace(issuer=issuer, discovery=True)
    metadata: ServerMetadata = yield from reach(s, flows.discover(draft, house.directory, now))
    enrolment.check_pkce(template, metadata)
    asks = Asked()
    if found is not None:
        wanted = resource_scopes(found, challenged, metadata.scopes_supported or ())
        asks = Asked(found.resource, () if template.scopes else wanted)
    live = s._run.record
    if live.state.live and live.issuer and live.issuer != issuer:
        raise ConfigurationError(
            f"{template.name}: another authorization server is in charge now than the one this session signed in at.",
            hint="Sign out, and sign in again.",
            phase=Phase.PREPARE,
        )
    if template.client_id:
        known = asks.told(ClientInformation(issuer=issuer, client_id=template.client_id))
        yield Do(partial(_save, house, template.name, known, overwrite=True), house.store.blocking)
    else:
        known = yield from _registered(s, draft, metadata, redirect_uri, asks)
    _use(s, template, known)
    return (yield from reach(s, flows.discover(s.provider, house.directory, now)))


def _registered(
    s: SessionCore, draft: Provider, metadata: ServerMetadata, redirect_uri: str, asks: Asked
) -> Op[ClientInformation]:
    """The client that is stored, if it still does; or else a new one."""
    house, blocking = s._house, s._house.store.blocking
    stored = yield Do(partial(_load, house, draft.name, metadata.issuer), blocking)
    known: ClientInformation | None = None if stored is None else stored[0]
    if known is not None and known.is_over(s._run.ledger.now()):
        known = yield from _renewed(s, draft, metadata, known)
    if known is not None and not known.is_over(s._run.ledger.now()) and fits(redirect_uri, known.redirect_uris):
        told = asks.told(known)
        yield Do(partial(_save, house, draft.name, told, overwrite=True), blocking)
        return told
    made = yield from reach(s, enrolment.enrol(draft, metadata, _without_port(redirect_uri, draft)))
    made = asks.told(made)
    kept: ClientInformation = yield Do(
        partial(_save, house, draft.name, made, overwrite=stored is not None), blocking
    )
    if kept.client_id != made.client_id and made.configuration_uri is not None:
        try:
            yield from reach(s, enrolment.delete_registration(draft, made))
        except AuthflowError:
            return kept  # an unused registration stays there
    return kept


def _renewed(
    s: SessionCore, draft: Provider, metadata: ServerMetadata, known: ClientInformation
) -> Op[ClientInformation]:
    """A client whose secret has ended, as the server has it now: it may have made a new one (RFC 7592 §2.1)."""
    house = s._house
    if known.configuration_uri is None:
        return known
    try:
        fresh = yield from reach(s, enrolment.read_registration(draft, metadata, known))
    except (OAuthError, ResponseInvalid):
        return known  # it is gone there, too
    kept: ClientInformation = yield Do(
        partial(_save, house, draft.name, fresh, overwrite=True), house.store.blocking
    )
    return kept


def _recall(s: SessionCore, template: Provider, issuer: str, until: float | None) -> Op[None]:
    """The enrolled provider of an issuer, from memory or the store. Raises `ConfigurationError`."""
    house, blocking = s._house, s._house.store.blocking
    found = house.enrolled.get((template.name, issuer))
    if found is not None and not found[1].is_over(s._run.ledger.now()):
        s._provider = found[0]
        return
    stored = yield Do(partial(_load, house, template.name, issuer), blocking)
    if stored is None:
        raise ConfigurationError(
            f"{template.name}: it is not known any more what this application is called at the server.",
            hint="Sign in again; the registration is then made anew.",
            phase=Phase.PREPARE,
        )
    known: ClientInformation = stored[0]
    _use(s, template, known)
    if known.is_over(s._run.ledger.now()):
        now = s._run.ledger.now()
        metadata = yield from reach(s, flows.discover(s.provider, house.directory, now), until)
        _use(s, template, (yield from _renewed(s, s.provider, metadata, known)))


def _use(s: SessionCore, template: Provider, known: ClientInformation) -> None:
    """From now on the session works with the enrolled provider."""
    kept = s._house.enrolled.get((template.name, known.issuer))
    if kept is None or kept[1] != known:
        kept = enrolled(template, known), known
        s._house.enrolled[template.name, known.issuer] = kept
    s._provider = kept[0]


def enrolled_at(house: House, template: Provider, issuer: str) -> Provider | None:
    """What the template has become at an issuer, by whichever process; None where it has no client yet."""
    found = house.enrolled.get((template.name, issuer))
    if found is not None:
        return found[0]
    stored = _load(house, template.name, issuer)
    return None if stored is None else enrolled(template, stored[0])


def enrolled(template: Provider, known: ClientInformation) -> Provider:
    """The template with what the server gave."""
    chosen: dict[str, Any] = {"issuer": known.issuer, "discovery": True, "client_id": known.client_id}
    if not template.client_id:
        chosen |= {"client_secret": known.client_secret, "client_auth": known.token_endpoint_auth_method}
    if known.scope:
        chosen["scopes"] = known.scope
    if known.resource is not None:
        # RFC 8707: in the authorization, the token and the refresh request.
        chosen["authorization_params"] = {**template.authorization_params, "resource": known.resource}
        chosen["token_params"] = {**template.token_params, "resource": known.resource}
    return template.replace(**chosen)


# ── managing ─────────────────────────────────────────────────────────────────────────────────────────


def register(s: SessionCore, redirect_uri: str | None) -> Op[ClientInformation]:
    """Registers this application now, if it is not yet. Raises as a login does."""
    template = s._house.providers[s.key.provider]
    yield from enrol(s, redirect_uri or _own_redirect_uri(template))
    return s._house.enrolled[template.name, s.provider.issuer or ""][1] if template.enrols else _configured(s)


def registration(s: SessionCore) -> Op[tuple[ServerMetadata, ClientInformation]]:
    """The stored registration, and its server's metadata. Raises `ConfigurationError` when there is none."""
    template = s._house.providers[s.key.provider]
    if template.enrols and not template.issuer and not s._run.record.issuer:
        yield from enrol(s, _own_redirect_uri(template))
    metadata = yield from prepare(s)
    known = s._house.enrolled[template.name, metadata.issuer][1] if template.enrols else _configured(s)
    return metadata, known


def read_registration(s: SessionCore) -> Op[ClientInformation]:
    metadata, known = yield from registration(s)
    return (yield from _keep(s, enrolment.read_registration(s.provider, metadata, known)))


def update_registration(s: SessionCore, client: ClientMetadata) -> Op[ClientInformation]:
    metadata, known = yield from registration(s)
    return (yield from _keep(s, enrolment.update_registration(s.provider, metadata, known, client)))


def delete_registration(s: SessionCore) -> Op[None]:
    """Ends the registration at the server, and forgets it here. Sessions cannot be renewed after it."""
    house = s._house
    metadata, known = yield from registration(s)
    yield from reach(s, enrolment.delete_registration(s.provider, known))
    yield Do(partial(_remove, house, s.provider.name, metadata.issuer), house.store.blocking)
    house.enrolled.pop((s.provider.name, metadata.issuer), None)
    s._provider = house.providers[s.key.provider]


def _keep(s: SessionCore, flow: Any) -> Op[ClientInformation]:
    answered = yield from reach(s, flow)
    save = partial(_save, s._house, s.provider.name, answered, overwrite=True)
    kept: ClientInformation = yield Do(save, s._house.store.blocking)
    _use(s, s._house.providers[s.key.provider], kept)
    return kept


def _own_redirect_uri(template: Provider) -> str:
    """Where the redirects of its logins arrive by its settings; without a port where any will do."""
    if template.redirect_uri is not None:
        return template.redirect_uri
    plan = plan_loopback(template)
    return plan.redirect_uri(plan.port or 80)  # port 80 is the one that is not written


def _configured(s: SessionCore) -> ClientInformation:
    """A client that the application configured itself: it is not managed here."""
    return ClientInformation(issuer=s.provider.issuer or "", client_id=s.provider.client_id)


# ── the store ────────────────────────────────────────────────────────────────────────────────────────


def fits(redirect_uri: str, registered: Sequence[str]) -> bool:
    """Whether a redirect URI is one of a registration's; on a loopback IP with any port (RFC 8252 §7.3)."""
    return any(redirect_uri == one or _bare(redirect_uri) == one for one in registered)


def _bare(redirect_uri: str) -> str | None:
    """A loopback redirect URI without its port."""
    for host in _LOOPBACK:
        if redirect_uri.startswith(host + ":"):
            _, slash, path = redirect_uri.removeprefix(host).partition("/")
            return f"{host}{slash}{path}"
    return None


def _without_port(redirect_uri: str, provider: Provider) -> str:
    """What is registered: where any port may be chosen, none is named."""
    return redirect_uri if provider.loopback_port else _bare(redirect_uri) or redirect_uri


def _name(provider: str, issuer: str) -> str:
    return f"{_CLIENT}{provider}/{hashlib.sha256(issuer.encode()).hexdigest()}"


def _load(house: House, provider: str, issuer: str) -> tuple[ClientInformation, int] | None:
    name = _name(provider, issuer)
    found = house.store.load(name)
    if found is None:
        return None
    known = unpack(house.vault.unpack(name, found[0])[0], ClientInformation)
    if known is None:
        raise StoreError(
            f"The stored registration of {provider!r} cannot be read.",
            hint="It was left as it is; another version of authflow may have written it.",
        )
    return (known, found[1]) if known.issuer == issuer else None


def _save(house: House, provider: str, known: ClientInformation, *, overwrite: bool) -> ClientInformation:
    """What is stored now: `known`, or what another process stored meanwhile."""
    name = _name(provider, known.issuer)
    for _ in range(8):
        stored = _load(house, provider, known.issuer)
        if stored is not None and (not overwrite or stored[0] == known):
            return stored[0]
        version = 0 if stored is None else stored[1]
        data = house.vault.pack(name, msgspec.msgpack.encode(known), version + 1)
        if not isinstance(house.store.swap(name, version, data), Conflict):
            return known
    raise StoreError(f"The registration of {provider!r} kept changing.", hint="Try again.")


def _remove(house: House, provider: str, issuer: str) -> None:
    stored = _load(house, provider, issuer)
    if stored is not None:
        house.store.swap(_name(provider, issuer), stored[1], None)
