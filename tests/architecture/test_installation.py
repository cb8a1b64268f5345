"""After `pip install uptill`, without extras, the command starts and names the extra that a subcommand needs."""

import os
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

from services.cli.commands import COMMANDS
from tests.fixtures.closure import closure

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("UPTILL_")}
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env={**inherited, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Yield the `bin` folder of an environment with the core. Its packages are links; the wheel is built here."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder / "venv", symlinks=True)
    site = next(folder.glob("venv/lib/python*/site-packages"))
    for name in closure(PROJECT["dependencies"]):
        found = distribution(name)
        for top in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            (site / top).symlink_to(Path(str(found.locate_file(top))))
    programs = folder / "venv" / "bin"
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("uptill-*.whl")
    options = ("--quiet", "--no-deps", "--no-index", "--no-compile", "--disable-pip-version-check")
    pip = (sys.executable, "-m", "pip", "--python", programs / "python")
    installed = run(*pip, "install", *options, wheel, cwd=folder)
    assert installed.returncode == 0, installed.stderr
    return programs


def test_the_command_starts_and_prints_its_version(bare: Path, tmp_path: Path) -> None:
    said = run(bare / "uptill", "--version", cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, f"uptill {PROJECT['version']}\n")
    refused = run(bare / "uptill", "reports", "list", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "UPTILL_API_KEY is not set" in refused.stderr


def test_each_command_works_or_names_the_extra_it_needs(bare: Path, tmp_path: Path) -> None:
    script = """
import typer
from services.cli.commands import COMMANDS
from services.cli.lazy import load
for name, subcommand in COMMANDS.items():
    try:
        load(name, subcommand)
    except typer.Exit as end:
        print(name, end.exit_code)
    else:
        print(name, 0)
"""
    said = run(bare / "python", "-I", "-c", script, cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    codes = dict(line.split() for line in said.stdout.splitlines())
    assert codes == {name: "2" if one.extra else "0" for name, one in COMMANDS.items()}
    messages = said.stderr.splitlines()
    for (name, subcommand), message in zip(
        [(name, one) for name, one in COMMANDS.items() if one.extra], messages, strict=True
    ):
        assert message.startswith(f"error: `uptill {name}` needs ")
        assert message.endswith(f"run: pip install 'uptill[{subcommand.extra}]'")


def test_holidays_are_an_extra(bare: Path, tmp_path: Path) -> None:
    told = run(bare / "uptill", "calendars", "add", "us", "--country", "US", cwd=tmp_path)
    assert (told.returncode, told.stdout) == (2, "")
    assert "run: pip install 'uptill[holidays]'" in told.stderr


def test_help_imports_no_more_than_typer(bare: Path, tmp_path: Path) -> None:
    """With rich, pydantic and httpx2, help took 2 s of processor time; without them it takes 0.2 s."""
    script = """
import sys
from services.cli.main import app
app(["--help"], standalone_mode=False)
print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""
    said = run(bare / "python", "-I", "-c", script, cwd=tmp_path)
    assert all(name in said.stdout for name in COMMANDS)
    assert (
        set(said.stderr.split()) & {"httpx2", "pydantic", "pydantic_core", "rich", "uptill_client"} == set()
    )


def test_the_wheel_holds_the_typed_client(bare: Path, tmp_path: Path) -> None:
    script = "import pathlib, uptill_client; print(pathlib.Path(uptill_client.__file__).with_name('py.typed').is_file())"
    assert run(bare / "python", "-I", "-c", script, cwd=tmp_path).stdout == "True\n"
