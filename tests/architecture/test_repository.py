"""The repository: locked requirements, README, docstrings, links, hooks and CI."""

import ast
import json
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.name)
def test_requirements_are_hashed_and_name_no_index(path: Path) -> None:
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"^--", text, re.MULTILINE)
    pinned = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert pinned
    assert [entry.splitlines()[0] for entry in pinned if "--hash=sha256:" not in entry] == []


def test_every_extra_is_locked() -> None:
    assert [path.stem for path in REQUIREMENTS] == [
        "api",
        "build",
        "dev",
        "docs",
        "ha",
        "ingest",
        "local",
        "trace",
        "worker",
    ]


def test_readme_is_short_and_its_make_targets_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert len(readme.splitlines()) <= 90
    assert set(re.findall(r"`?make ([a-z-]+)", readme)) <= targets


def test_readme_counts_the_worked_cases_of_the_accounting() -> None:
    vectors = ROOT / "docs" / "reference" / "vectors"
    cases = sum(
        len(json.loads((vectors / f"{name}.json").read_text())["cases"])
        for name in ("accounting", "calendars", "events")
    )
    assert f"{cases} worked cases" in re.sub(r"\s+", " ", (ROOT / "README.md").read_text())


def test_pages_number_a_decision_as_its_file_does() -> None:
    """In the text of a link, and in docstrings, which name the page by its number alone."""
    numbers = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("0*.md")}
    wrong, unknown = [], []
    for path in tracked_files():
        if path.suffix not in {".md", ".py", ".sql"} or "tests" in path.parts:
            continue
        text = path.read_text()
        linked = re.findall(r"\[decision\s+(\d+)\]\([^)]*?(\d{4})-", text, re.IGNORECASE)
        wrong += [(path.name, shown, named) for shown, named in linked if int(shown) != int(named)]
        unknown += [
            (path.name, named) for named in re.findall(r"decisions/(\d{4})\b", text) if named not in numbers
        ]
    assert (wrong, unknown) == ([], [])


def test_every_module_has_a_docstring() -> None:
    silent = [
        path
        for path in tracked_files()
        if path.suffix == ".py"
        and path.is_relative_to(ROOT)
        and path.parts[len(ROOT.parts)] in ("services", "shared")
        if not re.match(r'"""\S', path.read_text())
    ]
    assert silent == []


def test_no_two_classes_have_one_name() -> None:
    trees = [ROOT / tree for tree in ("services", "shared", "clients/python/uptill_client")]
    modules = [
        path for path in tracked_files() if path.suffix == ".py" and any(map(path.is_relative_to, trees))
    ]
    names = Counter(
        node.name
        for path in modules
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert [tree for tree in trees if not any(path.is_relative_to(tree) for path in modules)] == []
    assert [name for name, count in names.items() if count > 1] == []


def test_hooks_and_hosted_ci_run_the_same_commands() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint"]
    (job,) = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"].values()
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    commands = (ROOT / ".ci/run").read_text()
    assert all(f"make {target}" in commands for target in ("lint", "rules", "test", "test-unit"))


def test_nothing_tracked_is_large() -> None:
    assert [path for path in tracked_files() if path.stat().st_size > 1_000_000] == []


@pytest.mark.parametrize("page", [path for path in tracked_files() if path.suffix == ".md"], ids=str)
def test_relative_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_map_of_the_documentation_names_every_page() -> None:
    docs = ROOT / "docs"
    named = set(re.findall(r"\]\(([^)#]+)\)", (docs / "index.md").read_text()))
    pages = {str(path.relative_to(docs)) for path in docs.rglob("*.md")} - {"index.md"}
    assert {page for page in pages if not page.startswith("decisions/")} <= named
