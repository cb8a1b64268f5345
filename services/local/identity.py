"""The passwords and ports of one data directory, kept in `credentials.json` (mode 0600) from start to start."""

import json
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from services.local.errors import LocalStackError
from services.local.ports import PortReservation
from services.local.private_file import write_private

_FILE_NAME = "credentials.json"


@dataclass(frozen=True)
class Identity:
    """Generated once; ports change only when another program took one meanwhile."""

    postgres_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    ports: dict[str, int]


def claim_identity(directory: Path, port_names: Iterable[str]) -> tuple[Identity, PortReservation]:
    """The directory's identity, made on the first call, and its ports, held until the reservation is closed.

    Raises `LocalStackError` when there is data but the passwords to it are gone.
    """
    path = directory / _FILE_NAME
    if path.exists():
        known = Identity(**json.loads(path.read_text(encoding="utf-8")))
    elif (directory / "postgres").exists():
        raise LocalStackError(
            f"{path} is gone, and with it the password to the data. Put it back, or remove {directory}."
        )
    else:
        known = _new_identity()
    reservation = PortReservation(port_names, known.ports)
    identity = replace(known, ports=reservation.ports)
    write_private(path, json.dumps(asdict(identity), indent=1))
    return identity, reservation


def _new_identity() -> Identity:
    return Identity(
        postgres_password=secrets.token_hex(24),
        valkey_password=secrets.token_hex(24),
        s3_access_key=secrets.token_hex(10),
        s3_secret_key=secrets.token_hex(24),
        ports={},
    )
