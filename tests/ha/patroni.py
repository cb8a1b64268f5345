"""How a node's Patroni is started: with the file that `deploy/compose/ha.yml` uses too, and its own names and addresses."""

from pathlib import Path
from typing import Final

from services.local import postgres
from services.local.ports import HOST
from tests.ha.programs import ENVIRONMENT, find_ha_program

SCOPE: Final = "uptill"
_SETTINGS: Final = Path(__file__).parents[2] / "deploy" / "docker" / "patroni.yml"


def patroni_command() -> list[str]:
    """Return the command of every node."""
    return [find_ha_program("patroni"), str(_SETTINGS)]


def patroni_environment(
    directory: Path, name: str, ports: tuple[int, int], *, etcd: str, password: str
) -> dict[str, str]:
    """Return what differs between nodes. `ports`: of Postgres and of Patroni."""
    programs = postgres._find_program("postgres").parent
    server, api = (f"{HOST}:{port}" for port in ports)
    return {
        **ENVIRONMENT,
        "PATH": f"{programs}:{ENVIRONMENT['PATH']}",
        "PATRONI_NAME": name,
        "PATRONI_ETCD3_HOST": etcd,
        "PATRONI_RESTAPI_LISTEN": api,
        "PATRONI_RESTAPI_CONNECT_ADDRESS": api,
        "PATRONI_POSTGRESQL_LISTEN": server,
        "PATRONI_POSTGRESQL_CONNECT_ADDRESS": server,
        "PATRONI_POSTGRESQL_DATA_DIR": str(directory / "data"),
        "PATRONI_POSTGRESQL_PGPASS": str(directory / "pgpass"),
        "PATRONI_SUPERUSER_PASSWORD": password,
        "PATRONI_REPLICATION_PASSWORD": password,
    }
