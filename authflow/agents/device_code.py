"""The device agent: the human signs in on any other screen, by a short code (RFC 8628).

    session.login(agent=DeviceCode())                                  # shows code and page in the terminal
    session.login(agent=DeviceCode(lambda told: window.show(told.user_code, told.verification_uri)))

    request = session.begin(agent=DeviceCode())                        # or show them yourself
    request.user_code, request.verification_uri, request.verification_uri_complete
    request.wait()
"""

from __future__ import annotations

from typing import ClassVar

from .polling import PollingAgent


class DeviceCode(PollingAgent):
    """For terminals, televisions, containers and remote machines: no browser and no open port are needed here.

    `show(instructions)` tells the human in place of the terminal. `notice` is said first: why it is done this way.
    `terminal`: standard output by default.
    """

    grant: ClassVar[str] = "device_code"
