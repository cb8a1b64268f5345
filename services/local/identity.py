"""Passwords and ports of one data directory, stored in `credentials.json` (mode 0600) for the next start."""

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
    """Generated once. A port changes only if another program has taken it in the meantime."""

    postgres_password: str = field(repr=False)
    valkey_password: str = field(repr=False)
    s3_access_key: str = field(repr=False)
    s3_secret_key: str = field(repr=False)
    ports: dict[str, int]


def claim_identity(directory: Path, port_names: Iterable[str]) -> tuple[Identity, PortReservation]:
    """Return the directory's identity, and its ports reserved until the reservation is closed.

    The first call creates the identity. Raises `LocalStackError` if there is data but its passwords are missing.
    """
    path = directory / _FILE_NAME
    if path.exists():
        known = _read_identity(path)
    elif (directory / "postgres").exists():
        raise LocalStackError(
            f"{path} is missing, and it holds the passwords to the data. Restore the file, or remove {directory}."
        )
    else:
        known = _new_identity()
    reservation = PortReservation(port_names, known.ports)
    identity = replace(known, ports=reservation.ports)
    write_private(path, json.dumps(asdict(identity), indent=1))
    return identity, reservation


def _read_identity(path: Path) -> Identity:
    try:
        return Identity(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        raise LocalStackError(
            f"{path} is damaged, and it holds the passwords to the data. Restore the file, or remove {path.parent}."
        ) from None


def _new_identity() -> Identity:
    return Identity(
        postgres_password=secrets.token_hex(24),
        valkey_password=secrets.token_hex(24),
        s3_access_key=secrets.token_hex(10),
        s3_secret_key=secrets.token_hex(24),
        ports={},
    )
