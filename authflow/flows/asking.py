"""One request, and its answer: how a flow asks a provider for something.

A token request is built for the moment at which it is sent, and sent once; see `ask_for_tokens`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx

from ..errors import AuthflowError, Phase, ResponseInvalid, ServerError, ServiceUnavailable, WireError, whereabouts
from ..protocol import step
from ..protocol.client_auth import client_moment
from ..protocol.dpop import Binding, bind, check_dpop_alg, fetch_bound
from ..protocol.messages import ServerMetadata, TokenResponse
from ..protocol.step import Flow, Moment, T
from ..records import Token

if TYPE_CHECKING:
    from ..providers.base import Provider

# The provider cannot be reached, or cannot answer at present: nothing is said about the login.
UNAVAILABLE = (WireError, ServerError, ServiceUnavailable)


def ask(request: httpx.Request) -> Flow[httpx.Response]:
    """`step.fetch`, with the request on the response: readers take out of an error what the request held."""
    return of_request((yield from step.fetch(request)), request)


def of_request(response: httpx.Response, request: httpx.Request) -> httpx.Response:
    """The response, with the request that it answers."""
    try:
        response.request  # noqa: B018
    except RuntimeError:
        response.request = request
    return response


def ask_for_tokens(
    provider: Provider,
    metadata: ServerMetadata,
    build: Callable[[Moment], httpx.Request],
    phase: Phase,
    binding: Binding | None = None,
) -> Flow[TokenResponse]:
    """Sends the token request that `build` makes for this moment, once, and reads the answer the provider's way.

    With a `binding` it goes with a proof, and once more when the server wants its nonce in that (RFC 9449 §8): then
    it has not looked at the code or the refresh token.
    """
    try:
        check_dpop_alg(provider, metadata)
        response = yield from ask_as_client(provider, build, binding)
        try:
            return provider.read_token_response(response)
        except AuthflowError:
            raise
        except Exception as error:
            bug = error
        # Out here: the bug may hold the whole answer (a JSONDecodeError does), and would be the error's context.
        raise unreadable(bug, phase)
    except AuthflowError as error:
        error.add_facts(phase=phase)
        raise


def ask_as_client(
    provider: Provider, build: Callable[[Moment], httpx.Request], binding: Binding | None = None
) -> Flow[httpx.Response]:
    """Sends a request in which the client proves itself: `build` makes it, anew for each time that it is sent."""
    request: httpx.Request | None = None

    def make() -> Flow[httpx.Request]:
        nonlocal request
        request = build((yield from client_moment(provider)))
        return request

    if binding is None:
        return (yield from ask((yield from make())))
    response = yield from fetch_bound(make, binding)
    return response if request is None else of_request(response, request)


def bound(flow: Flow[T], token: Token, binding: Binding | None) -> Flow[T]:
    """What a flow sends with `token`, as that kind of token wants to be sent."""
    return bind(flow, binding if token.token_type == "DPoP" else None, token.access_token)


def unreadable(bug: Exception, phase: Phase) -> ResponseInvalid:
    """A provider's hook broke on the provider's answer. Only the kind of its error and its place are told: the
    text may quote that answer."""
    return ResponseInvalid(
        f"The provider's answer could not be read: {whereabouts(bug)}.",
        hint="A hook of the provider raised it.",
        phase=phase,
    )
