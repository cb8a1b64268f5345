"""Each promise and fault in docs/explanation/reliability.md names a proof, and each named proof exists."""

import re
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_PAGE = (_CHECKOUT / "docs/explanation/reliability.md").read_text(encoding="utf-8")
_ROWS = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", _PAGE, re.MULTILINE)
_SECTION = _PAGE.partition("\n## What each part does")[2].partition("\n## ")[0]
_FAULTS = re.findall(r"^\| ([^|]+) \| [^|]+ \| (.*) \|$", _SECTION, re.MULTILINE)[1:]
_PROMISES = range(1, 29)


def test_every_promise_is_there() -> None:
    assert len(_FAULTS) == _SECTION.count("\n| ") - 1, "a row that is not read"
    numbers = [int(number) for number, _ in _ROWS]
    assert numbers == sorted(set(numbers))
    assert set(_PROMISES) <= set(numbers)


@pytest.mark.parametrize(("what", "proofs"), [*_ROWS, *_FAULTS], ids=[what for what, _ in (*_ROWS, *_FAULTS)])
def test_its_proofs_exist(what: str, proofs: str) -> None:
    named = re.findall(r"`(tests/[^`]+)`", proofs)
    assert named, f"{what} names no test"
    for name in named:
        file, _, test = name.partition("::")
        assert (_CHECKOUT / file).is_file(), name
        assert f"def {test or 'test_'}" in (_CHECKOUT / file).read_text(encoding="utf-8"), name
