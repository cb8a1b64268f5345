"""`uptill reconcile` and `uptill stores name`: what they print, and their exit codes."""

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.fixtures.services import Services
from uptill_client import PlatformFigure, Poll, UptillClient
from uptill_client import reconciliations as client_reconciliations

NOW = datetime(2024, 10, 14, 18, tzinfo=UTC)
DAY = date(2024, 10, 12)


@pytest.fixture(autouse=True)
def _polls(client: UptillClient) -> None:
    client.send_polls(
        [
            Poll(store_id, n % 4 > 1, NOW - timedelta(minutes=25 * n))
            for store_id in ("0042", "a/b")
            for n in range(250)
        ]
    )
    client.set_timezone("0042", "America/Chicago")


def test_the_call_of_the_client(client: UptillClient, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = [
        PlatformFigure(store_id="0042", day=DAY, down_s=60),
        PlatformFigure(store_id="a/b", begin=datetime(2024, 10, 12, 8), end=NOW, uptime_percent=50),  # noqa: DTZ001
        PlatformFigure(store_id="nobody", day=DAY, down_s=0),
    ]
    found = list(client.reconcile(figures))
    assert [each.store_id for each in found] == ["0042", "a/b", "nobody"]
    assert found[2].causes == ["unknown_store"]
    monkeypatch.setattr(client_reconciliations, "_FIGURES_PER_CALL", 2)
    assert list(client.reconcile(figures, policy="classic", within_s=60)) == found, "several calls"


def test_the_command(services: Services, client: UptillClient, tmp_path: Path) -> None:
    (ours,) = client.reconcile([PlatformFigure(store_id="0042", day=DAY, down_s=0)])
    assert ours.down_us is not None
    assert ours.down_max_us is not None
    agreed, beyond = ours.down_us / 60e6, ours.down_max_us / 60e6 + 5
    file = tmp_path / "platform.csv"

    def run(*rows: str, options: tuple[str, ...] = (), code: int = 0) -> tuple[str, str]:
        file.write_text("\n".join(["store_id,date,down_minutes", *rows, ""]))
        done = services.run("reconcile", str(file), *options)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr

    shown, told = run(f"0042,{DAY},{agreed}")
    assert shown.splitlines()[1:] == []
    assert "1 figure: 1 agree" in told
    assert "agrees" in run(f"0042,{DAY},{agreed}", options=("--all",))[0]

    rows = (f"0042,{DAY},{agreed}", f"0042,{DAY},{beyond}", f"nobody,{DAY},1")
    shown, told = run(*rows, code=1)
    assert "beyond bounds" in shown
    assert "unknown store" in shown
    assert "1 beyond them (50.0%), 1 not compared" in told
    run(*rows, options=("--tolerance", "50"))
    run(*rows, options=("--tolerance", "49"), code=1)

    found = json.loads(run(*rows, options=("--json",), code=1)[0])
    assert [each["verdict"] for each in found] == ["agrees", "beyond_bounds", "not_compared"]
    assert [each["line"] for each in found] == [2, 3, 4]
    lines = list(csv.DictReader(io.StringIO(run(*rows, options=("--csv",), code=1)[0])))
    assert float(lines[0]["down_s"]) == pytest.approx(agreed * 60)
    assert lines[2]["down_s"] == ""

    assert "line 3" in run(f"0042,{DAY},{agreed}", "0042,yesterday,1", code=1)[1]
    run(f"nobody,{DAY},1", code=1)
    run(f"0042,{DAY},1", options=("--columns", "store=Outlet"), code=2)


def test_names(services: Services, client: UptillClient) -> None:
    def run(*arguments: str) -> str:
        done = services.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("stores", "name", "0042", "Main Street 12")
    assert client.get_store("0042").name == "Main Street 12"
    assert "Main Street 12" in run("stores", "list")
    assert "Main Street 12" in run("stores", "show", "0042")
    run("stores", "name", "0042", "--dry-run")
    assert client.get_store("0042").name == "Main Street 12"
    run("stores", "name", "0042")
    assert client.get_store("0042").name is None
