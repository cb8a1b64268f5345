"""Deliberate bugs in a copy of the project: each must make a kill test fail, or that test proves nothing."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).parents[2]
_COPIED = ("services", "shared", "tests", "pyproject.toml")
pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]


@dataclass(frozen=True)
class Mutant:
    """`bug`: in `file`, each text and what takes its place. `caught_by`: the tests of which one must fail."""

    name: str
    file: str
    bug: tuple[tuple[str, str], ...]
    caught_by: str

    def breed(self, directory: Path) -> None:
        """A copy of the project with the bug in it."""
        for name in _COPIED:
            source = _CHECKOUT / name
            if source.is_dir():
                shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, directory)
        text = (directory / self.file).read_text()
        for right, wrong in self.bug:
            assert right in text, f"{self.file} has changed; this mutant must follow"
            text = text.replace(right, wrong)
        (directory / self.file).write_text(text)


MUTANTS = [
    Mutant(
        "the fence is removed",
        "shared/db/sql/reports.sql",
        ((" and b.attempt = %(attempt)s and b.state = 'leased'\n", " and b.state = 'leased'\n"),),
        "tests/chaos/test_frozen_worker.py",
    ),
    Mutant(
        "a counter of claims says when to finalise what there is",
        "shared/db/sql/reports.sql",
        (
            (
                "select count(*) from report_batch where report_id = %(report_id)s and state <> 'done'",
                "select count(*) - sum(attempt) from report_batch where report_id = %(report_id)s",
            ),
            (
                "left_out as rows\nfrom report_batch where report_id = %(report_id)s order by batch_no",
                "left_out as rows\nfrom report_batch where report_id = %(report_id)s and part is not null order by batch_no",
            ),
            (
                "'outages' as kind\nfrom report_batch where report_id = %(report_id)s order by batch_no",
                "'outages' as kind\nfrom report_batch where report_id = %(report_id)s and outages_part is not null order by batch_no",
            ),
            (" and outages_part is null\n", " and outages_part is null and part is not null\n"),
        ),
        "tests/chaos/test_crash_points.py::test_a_worker_fails_at[upload.after-kill]",
    ),
    Mutant(
        "an attempt is counted when it fails",
        "shared/db/sql/reports.sql",
        (
            ("attempt = b.attempt + 1, burnt = b.burnt + 1, worker", "attempt = b.attempt + 1, worker"),
            (
                "burnt = burnt - case when %(give_back)s and state = 'leased' then 1 else 0 end, error",
                "burnt = burnt + 1, error",
            ),
        ),
        "tests/chaos/test_poison.py",
    ),
    Mutant(
        "what is read from the bucket is taken for what was written",
        "shared/storage/reader.py",
        (("    if sha256 != expected.sha256:\n", "    if False:\n"),),
        "tests/integration/reports/test_corrupt_objects.py::TestParts::test_a_changed_part_is_computed_again[one digit]",
    ),
    Mutant(
        "the store copies whatever is there now",
        "shared/storage/multipart.py",
        (("                CopySourceIfMatch=found.tag,\n", ""),),
        "tests/integration/reports/test_copied_parts.py::test_an_object_that_is_replaced_after_it_was_fetched_is_not_copied",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_bug_is_caught(
    mutant: Mutant, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    mutant.breed(tmp_path)
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-m", "chaos or not chaos", mutant.caught_by],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    failures = [line for line in finished.stdout.splitlines() if line.startswith("FAILED")]
    record_property("measured", f"{mutant.name}: {'; '.join(failures)}")
    assert finished.returncode == pytest.ExitCode.TESTS_FAILED, finished.stdout + finished.stderr
    assert failures
