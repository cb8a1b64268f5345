"""The container engine of a run: the one that is there, or one of our own that is stopped by its id at the end."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.stack.command import CommandFailed, run, succeeds
from tests.stack.packages import install_missing

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "uptill-stack")
_START_WITHIN_S = 60
_STOP_WITHIN_S = 60
_PROGRAMS = {"dockerd": "docker.io", "docker": "docker-cli", "docker-compose": "docker-compose"}


@contextmanager
def running_engine(cache: Path) -> Iterator[dict[str, str]]:
    """Yield the environment in which `docker` reaches an engine; images of our own engine stay in `cache`."""
    if succeeds("docker", "info"):
        print("engine: the one that runs here")
        yield {}
        return
    install_missing(_PROGRAMS)
    with _firewall_restored(), tempfile.TemporaryDirectory(prefix="uptill-engine-") as folder:
        socket = Path(folder, "docker.sock")
        with Path(folder, "dockerd.log").open("w+") as log:
            engine = subprocess.Popen(
                [
                    "dockerd",
                    f"--host=unix://{socket}",
                    f"--data-root={cache / 'engine'}",
                    f"--exec-root={folder}/exec",
                    f"--pidfile={folder}/dockerd.pid",
                    "--bridge=none",  # the stack has networks of its own
                    "--ip-forward=false",  # and the machine's routing stays as it is
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                environment = {"DOCKER_HOST": f"unix://{socket}"}
                _wait_until_it_answers(engine, environment, log.name)
                print(f"engine: started, process {engine.pid}")
                yield environment
            finally:
                _stop(engine, folder)


@contextmanager
def _firewall_restored() -> Iterator[None]:
    """Take the engine's packet filter rules away again: it leaves them behind."""
    before = run("iptables-save")
    try:
        yield
    finally:
        subprocess.run(["iptables-restore"], input=before, text=True, check=True)


def _wait_until_it_answers(engine: "subprocess.Popen[bytes]", environment: dict[str, str], log: str) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while not succeeds("docker", "info", env=environment):
        if engine.poll() is not None or time.monotonic() > deadline:
            raise CommandFailed(f"the engine did not start:\n{Path(log).read_text()[-3000:]}")
        time.sleep(0.2)


def _stop(engine: "subprocess.Popen[bytes]", folder: str) -> None:
    engine.terminate()
    try:
        engine.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        engine.kill()
        engine.wait()
    for line in Path("/proc/mounts").read_text().splitlines():
        if (mounted := line.split()[1]).startswith(folder):  # the name of its network namespace
            run("umount", mounted)
    left = [
        process.info["name"]
        for process in psutil.process_iter(["name", "cmdline"])
        if any(folder in argument for argument in process.info["cmdline"] or [])
    ]
    if left:
        raise CommandFailed(f"processes of the engine outlived it: {left}")
    print("engine: stopped")
