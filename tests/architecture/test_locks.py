"""Each extra is locked to the tested versions, and the floors in pyproject.toml match them."""

import re
import tomllib
from collections import defaultdict
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.fixtures.closure import normal

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECTS = [ROOT / "pyproject.toml", ROOT / "clients" / "python" / "pyproject.toml"]


def pins(lock: Path) -> set[tuple[str, str]]:
    """Return names and versions. A package has several if they depend on the interpreter."""
    return set(re.findall(r"^([a-z0-9.-]+)(?:\[[a-z0-9,-]+\])?==(\S+)", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_each_extra_is_locked_to_the_versions_that_are_tested(lock: Path) -> None:
    tested = pins(ROOT / "requirements" / "dev.txt")
    locked = pins(lock)
    if lock.stem in {"docs", "ha"}:
        # The site's generator and Patroni run apart from the tests; what both use has one version.
        names = {name for name, _ in tested}
        locked = {(name, version) for name, version in locked if name in names}
    assert locked
    assert locked - tested == set()


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.parent.name)
def test_floors_are_the_minor_versions_that_are_tested(project: Path) -> None:
    tested: dict[str, list[Version]] = defaultdict(list)
    for name, version in pins(ROOT / "requirements" / "dev.txt"):
        tested[name].append(Version(version))
    described = tomllib.loads(project.read_text())["project"]
    extras = described["optional-dependencies"].values()
    for text in (*described["dependencies"], *(one for extra in extras for one in extra)):
        requirement = Requirement(text)
        if requirement.name == "uptill":
            continue
        (floor,) = requirement.specifier
        lowest = min(tested[normal(requirement.name)])
        assert floor.operator == ">="
        assert Version(floor.version).release[:2] == lowest.release[:2], text
        assert Version(floor.version) <= lowest
