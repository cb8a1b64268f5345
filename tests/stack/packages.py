"""Programs that a run needs and this machine may lack."""

import os
import shutil
from collections.abc import Mapping

from tests.stack.command import CommandFailed, run, succeeds


def install_missing(programs: Mapping[str, str]) -> None:
    """Install the Debian packages of those programs that are not there. Raises `CommandFailed` where it may not."""
    missing = [package for program, package in programs.items() if shutil.which(program) is None]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise CommandFailed(f"only root on Debian can install {', '.join(missing)}, which is missing")
    print(f"installing {', '.join(missing)}", flush=True)
    run("apt-get", "update", "-qq")
    # Some names come and go with Debian's releases: before 13 docker.io held the client too.
    known = [package for package in missing if succeeds("apt-cache", "show", "--quiet=2", package)]
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *known, env=environment)
