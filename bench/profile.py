"""Flame graphs of the hot paths, by py-spy: a worker that computes reports, and the API under status polls."""

import argparse
import subprocess
import tempfile
import threading
from pathlib import Path

import psutil

from bench.http_load import get_request, send_load
from bench.stand import SampleFleet, prepared_stand
from tests.fixtures.services import Services
from uptill_client import UptillClient

_SECONDS = 10


def main() -> None:
    """Write `worker.svg` and `api.svg`."""
    options = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    options.add_argument("--stores", type=int, default=3678)
    options.add_argument("--data", type=Path, help="as for `python -m bench`")
    options.add_argument("--out", type=Path, default=Path("profiles"))
    given = options.parse_args()
    given.out.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="uptill-bench-") as folder,
        prepared_stand(given.data or Path(folder), SampleFleet(given.stores, 45)) as stand,
        Services(stand.env, stand.folder / "logs", warm=False) as services,
    ):
        api, worker = services.api(), services.worker()
        with services.client() as client:
            done = _make_report(client)
            over = threading.Event()
            reports = threading.Thread(target=_make_reports, args=(client, over))
            reports.start()
            _record_profile(_busiest_process(worker.pid), given.out / "worker.svg")
            over.set()
            reports.join()
        port = int(stand.env["UPTILL_API_URL"].rpartition(":")[2])
        poll = get_request(f"/v1/reports/{done}", stand.env["UPTILL_API_KEY"])
        load = threading.Thread(
            target=send_load, args=(port, lambda _: poll), kwargs={"seconds": _SECONDS + 2, "connections": 16}
        )
        load.start()
        _record_profile(api.pid, given.out / "api.svg")
        load.join()


def _make_report(client: UptillClient) -> str:
    *_, status = client.follow(client.create_report(force=True).id)
    return status.id


def _make_reports(client: UptillClient, over: threading.Event) -> None:
    while not over.is_set():
        _make_report(client)


def _record_profile(pid: int, file: Path) -> None:
    command = [
        "py-spy",
        "record",
        "--pid",
        str(pid),
        "--output",
        str(file),
        "--duration",
        str(_SECONDS),
        "--rate",
        "200",
    ]
    subprocess.run([*command, "--native", "--threads"], check=True)


def _busiest_process(pid: int) -> int:
    """Return the process of a service that used the most CPU."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return max(processes, key=lambda process: process.cpu_times().user).pid


if __name__ == "__main__":
    main()
