"""The walks through the code name files and functions that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/explanation/architecture.md").read_text()
HOPS = re.findall(r"^\| \d+ \| `(?P<file>[\w/.]+)` \| `(?P<function>[\w.]+)` \|", PAGE, re.MULTILINE)


def test_there_are_three_walks() -> None:
    assert [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)].count(1) == 3
    assert len(HOPS) == len(re.findall(r"^\| \d+ \|", PAGE, re.MULTILINE))


@pytest.mark.parametrize(("file", "function"), HOPS, ids=[f"{file}:{function}" for file, function in HOPS])
def test_each_hop_exists(file: str, function: str) -> None:
    code = (ROOT / file).read_text()
    for name in function.split("."):
        assert re.search(rf"^\s*(?:async )?(?:def|class) {name}\b", code, re.MULTILINE), name


def test_each_other_path_on_the_page_exists() -> None:
    named = re.findall(r"`((?:services|shared|clients)/[\w/.]*)`", PAGE)
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_root_folders_of_the_code_are_described() -> None:
    services = {path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").is_file()}
    rows = re.findall(r"^\| (`services/.*?) \|", PAGE, re.MULTILINE)
    described = {name for row in rows for name in re.findall(r"`services/(\w+)`", row)}
    assert described == services
