"""Port reservations: several at the same time never share a port, and the server it is meant for can still listen."""

import socket

from services.local.ports import HOST, PortReservation, free_ports, is_free


def test_a_reserved_port_is_given_to_no_one_else() -> None:
    with PortReservation(["a", "b"], {}) as first, PortReservation(map(str, range(200)), {}) as second:
        assert len({*first.ports.values(), *second.ports.values()}) == 202


def test_the_server_it_is_meant_for_can_listen() -> None:
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
