"""Find free TCP ports on 127.0.0.1 and reserve them until their servers have started."""

import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Self

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Return whether a server could listen on this port now. Old connections to it do not matter."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


class PortReservation:
    """One free port per name. Reservations made at the same time never share a port.

    Each port is held by a socket that is bound but does not listen. On Linux, the kernel then gives the port to no other
    program that asks for any free port, while the intended server can still bind it with SO_REUSEADDR. On other systems
    the port is only probably free.
    """

    def __init__(self, names: Iterable[str], preferred: Mapping[str, int]) -> None:
        self._sockets = ExitStack()
        self.ports = {name: self._reserve_port(preferred.get(name, 0)) for name in names}

    def _reserve_port(self, preferred: int) -> int:
        holder = self._sockets.enter_context(socket.socket())
        if preferred and is_free(preferred):
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((HOST, preferred))
        else:
            holder.bind((HOST, 0))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port = int(holder.getsockname()[1])
        if sys.platform != "linux":
            holder.close()
        return port

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def release(self) -> None:
        """Release the ports; their servers are listening by now."""
        self._sockets.close()


def free_ports(count: int) -> list[int]:
    """Return distinct ports that are free now. Another program may take one before it is used."""
    with PortReservation(map(str, range(count)), {}) as reservation:
        return list(reservation.ports.values())
