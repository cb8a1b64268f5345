"""Port reservations never share a port, and the intended server can still listen on it."""

import socket

from services.local.ports import HOST, PortReservation, free_ports, is_free


def test_a_reserved_port_is_not_given_out_again() -> None:
    with PortReservation(["a", "b"], {}) as first, PortReservation(map(str, range(200)), {}) as second:
        assert len({*first.ports.values(), *second.ports.values()}) == 202


def test_its_server_can_listen_on_a_reserved_port() -> None:
    with PortReservation(["web"], {}) as reservation:
        port = reservation.ports["web"]
        with socket.create_server((HOST, port)):
            assert not is_free(port)


def test_a_preferred_port_is_kept_while_it_is_free() -> None:
    [port] = free_ports(1)
    with PortReservation(["web"], {"web": port}) as reservation:
        assert reservation.ports == {"web": port}


def test_a_preferred_port_that_is_taken_is_replaced() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with PortReservation(["web"], {"web": port}) as reservation:
            assert reservation.ports["web"] != port
