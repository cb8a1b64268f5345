"""TCP ports of 127.0.0.1: which are free, and keeping them so until the server they are meant for has started."""

import socket
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Self

HOST = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of 127.0.0.1 now (connections of an earlier one do not count)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    return True


class PortReservation:
    """One free port for each name. Several reservations made at the same time never share a port.

    On Linux a bound socket that does not listen keeps a port from everyone who asks the kernel for any free port, but
    not from a server told to use this very one (such servers set SO_REUSEADDR). Elsewhere the port is only likely free.
    """

    def __init__(self, names: Iterable[str], preferred: Mapping[str, int]) -> None:
        self._sockets = ExitStack()
        self.ports = {name: self._reserve(preferred.get(name, 0)) for name in names}

    def _reserve(self, preferred: int) -> int:
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
        """Keep the ports no longer: their servers listen by now."""
        self._sockets.close()


def free_ports(count: int) -> list[int]:
    """Different ports that are free now; another program may take one before they are used."""
    with PortReservation(map(str, range(count)), {}) as reservation:
        return list(reservation.ports.values())
