"""Addresses of several hosts: a new connection tries the host first that took writes last.

Otherwise each connection would wait its whole time limit for a host that stands still and is listed before the primary.
"""

from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# For each host, so that the next one is tried soon. A host that answers takes milliseconds.
CONNECT_TIMEOUT_S: Final = 3
Node = tuple[str, int]
AnyConnection = psycopg.BaseConnection[Any]
_took_writes: dict[str, Node] = {}
_addresses: WeakKeyDictionary[AnyConnection, str] = WeakKeyDictionary()


def names_several(address: str) -> bool:
    """Return whether the address has more than one host."""
    return "," in address and "," in str(_parse(address).get("host", ""))


def last_first(address: str) -> str:
    """Return the address of several hosts with the one first that took writes last."""
    node = _took_writes.get(address)
    if node is None:
        return address
    parts = _parse(address)
    hosts = str(parts["host"]).split(",")
    ports = str(parts.get("port", "")).split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    pairs = sorted(zip(hosts, ports, strict=True), key=lambda pair: (pair[0], int(pair[1] or 5432)) != node)
    return make_conninfo(
        **{**parts, "host": ",".join(host for host, _ in pairs), "port": ",".join(port for _, port in pairs)}
    )


def remember(address: str, conn: AnyConnection) -> Node:
    """Note which host of the address a new connection leads to, and return it."""
    _addresses[conn] = address
    node = _took_writes[address] = (conn.info.host, conn.info.port)
    return node


def address_like(conn: psycopg.Connection) -> str:
    """Return the address to open a session like this one with, on whichever of its hosts takes writes then."""
    info = conn.info
    parameters: dict[str, Any] = {**info.get_parameters(), "password": info.password}
    if address := _addresses.get(conn):
        # The driver gives each connection the parameters of its own host only.
        given = _parse(address)
        parameters = {
            **parameters,
            "hostaddr": given.get("hostaddr"),
            "host": given["host"],
            "port": given.get("port"),
        }
    return make_conninfo(**parameters)


def _parse(address: str) -> dict[str, Any]:
    try:
        return conninfo_to_dict(address)
    except psycopg.ProgrammingError:
        return {}  # the driver says so when it connects
