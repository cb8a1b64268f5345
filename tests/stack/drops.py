"""Debian's OpenSSH server on this machine, and the image of ingest that loads a file from it over SFTP."""

import getpass
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.local.ports import free_ports
from tests.fixtures.services import wait_until
from tests.stack.command import CommandFailed, run, succeeds
from tests.stack.packages import install_missing
from tests.stack.stack import Stack

_PROGRAMS = {"sshd": "openssh-server", "ssh-keygen": "openssh-client"}
_CONFIG = """
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/keys/client.pub
PidFile none
PasswordAuthentication no
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
"""
_TABLE = "store_id,status,timestamp_utc\ndropped,active,2024-10-14 12:00:00 UTC\n"


def check_drops(stack: Stack, folder: Path) -> str:
    """Load a file over SFTP, have it moved away, and be refused with another host key. Raises AssertionError."""
    keys, drops = folder / "keys", folder / "drops" / "north"
    keys.mkdir(parents=True)
    drops.mkdir(parents=True)
    (drops / "polls.csv").write_text(_TABLE)
    for path in (folder / "host_key", keys / "client", keys / "other"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))
    (keys / "host.pub").write_bytes((folder / "host_key.pub").read_bytes())
    for path in keys.iterdir():
        path.chmod(0o444)  # the container runs as another user
    (network,) = stack.docker("network", "ls", "--quiet", "--filter", f"name={stack.project}_edge").split()
    host = stack.docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", network)
    with _ssh_server(folder) as port:
        address = f"sftp://{getpass.getuser()}@{host.strip()}:{port}{folder}/drops"
        _load(stack, keys, address, "host.pub")
        assert stack.sql("select count(*) from store where store_id = 'dropped'") == ["1"]
        (drops / "more.csv").write_text(_TABLE)
        with pytest.raises(CommandFailed, match="has another host key"):
            _load(stack, keys, address, "other.pub")
    return "a file of OpenSSH's SFTP is loaded; another host key is refused"


def _load(stack: Stack, keys: Path, address: str, host_key: str) -> None:
    settings = {
        "UPTILL_SFTP_HOST_KEY_FILE": f"/keys/{host_key}",
        "UPTILL_SFTP_KEY_FILE": "/keys/client",
    }
    given = [argument for name, value in settings.items() for argument in ("-e", f"{name}={value}")]
    stack.run_compose("run", "--rm", "-T", "--volume", f"{keys}:/keys:ro", *given, "load", address)


@contextmanager
def _ssh_server(folder: Path) -> Iterator[int]:
    """Run the server in the foreground of a process of its own; it is stopped by its id."""
    install_missing(_PROGRAMS)
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (port,) = free_ports(1)
    config = folder / "sshd_config"
    config.write_text(_CONFIG.format(port=port, folder=folder))
    path = run("sh", "-c", "command -v sshd").strip()  # it wants to be started by its whole path
    with (folder / "sshd.log").open("wb") as log:
        server = subprocess.Popen([path, "-D", "-e", "-f", str(config)], stdout=log, stderr=log)
    try:
        wait_until(
            lambda: succeeds("ssh-keyscan", "-p", str(port), "127.0.0.1") or server.poll() is not None,
            "the SSH server",
        )
        yield port
    finally:
        server.terminate()
        server.wait()
