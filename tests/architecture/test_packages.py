"""Our package names are not shadowed, and each service imports only what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_isolated(code: str, folder: Path) -> str:
    return subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


def test_no_other_package_shadows_ours(tmp_path: Path) -> None:
    """Two flat names, `shared` and `services`: a package of that name in site-packages would win over an editable install."""
    printed = run_isolated(
        "import shared, services; print(shared.__file__); print(services.__file__)", tmp_path
    )
    assert [Path(line).parent for line in printed.splitlines()] == [ROOT / "shared", ROOT / "services"]


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("services.api.main", {"pandas", "polars", "pyarrow", "typer"}),
        ("services.scheduler.main", {"numpy", "pandas", "polars", "fastapi", "typer"}),
        ("services.ingest.command", {"pandas", "fastapi", "boto3", "dramatiq"}),
        ("services.worker.compute_batch", {"pandas", "polars", "fastapi", "typer"}),
    ],
)
def test_a_service_imports_no_more_than_it_needs(module: str, unwanted: set[str], tmp_path: Path) -> None:
    printed = run_isolated(
        f"import {module}, sys; print(*{{n.split('.')[0] for n in sys.modules}})", tmp_path
    )
    assert set(printed.split()) & unwanted == set()
