"""Which ports the stack listens on: six in a row for the services, then those of the broker and of PostgreSQL."""

import errno
import socket
from collections.abc import Callable, Iterable

from deploy.local.failures import StackFailed
from deploy.local.settings import SERVICES

DEFAULT_BASE = 8101
LOOPBACK = "127.0.0.1"
STEP = 100  # how far a stack moves on when a port is taken
LAST = 32000  # below the ports that the system gives to outgoing connections


Free = Callable[..., bool]
"""Whether ports, one or several, may be chosen, all of them."""


class NoFreePorts(StackFailed):
    """No row of free ports was found."""


def is_free(*ports: int) -> bool:
    """Could we listen on these loopback ports now?"""
    return all(map(_is_free, ports))


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a connection that has just ended is no obstacle
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError as refused:
            if refused.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True


def any_free() -> int:
    """A port that nobody listens on, chosen by the system."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def service_ports(base: int) -> dict[str, int]:
    """registry on `base`, then training, subsidy, loans, notify, audit."""
    return {service: base + place for place, service in enumerate(SERVICES)}


class Claims:
    """The ports of one stack, from when they are chosen: nobody listens on them yet, or for a moment not any more.

    Two stacks that begin together would choose the same ones, and each take the other's services for its own. A claim
    is a name that only one process of the machine can hold, and goes with it.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def take(self, *ports: int) -> bool:
        """Claim ports on which we could listen now, all or none.

        False where somebody listens or has claimed one, ourselves too.
        """
        taken: list[int] = []
        for port in ports:
            if not self._take(port):
                for given_back in taken:
                    self._held.pop(given_back).close()
                return False
            taken.append(port)
        return True

    def _take(self, port: int) -> bool:
        if port in self._held or not is_free(port):
            return False
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            claim.bind(f"\0huchuang/port/{port}")
        except OSError as refused:
            claim.close()
            if refused.errno == errno.EADDRINUSE:
                return False
            raise
        self._held[port] = claim
        return True

    def release(self) -> None:
        """Give up all of them."""
        held, self._held = self._held, {}
        for claim in held.values():
            claim.close()


def find_base(preferred: int = DEFAULT_BASE, free: Free = is_free) -> int:
    """`preferred` when its six ports are free, else the next base of which all six are."""
    for base in range(preferred, LAST, STEP):
        if free(*service_ports(base).values()):
            return base
    raise NoFreePorts(f"no six free ports in a row from {preferred} on (steps of {STEP})")


def find_port(start: int, *, not_in: Iterable[int] = (), free: Free = is_free) -> int:
    """The first free port from `start` on."""
    taken = set(not_in)
    for port in range(start, LAST):
        if port not in taken and free(port):
            return port
    raise NoFreePorts(f"no free port between {start} and {LAST}")
