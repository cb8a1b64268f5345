"""Every reason in the code is in the registry."""

import re
from pathlib import Path

from services.ingest.parse.kinds import REQUIRED_COLUMNS
from services.ingest.parse.reasons import FILE_REASONS

ROOT = Path(__file__).resolve().parents[2]
RAISED = re.compile(r'BadInputFile\(\s*"(\w+)"')


def test_every_reason_that_a_file_is_refused_for_is_registered() -> None:
    modules = (ROOT / "services" / "ingest").rglob("*.py")
    raised = {reason for module in modules for reason in RAISED.findall(module.read_text())}
    assert {"io", "ratio", "truncated"} <= raised <= FILE_REASONS.keys()


def test_a_file_without_a_known_header_is_told_of_every_kind() -> None:
    shown = {"timezones": "time zones", "stores": "store directories", "special_hours": "special hours"}
    listed = FILE_REASONS["header"].partition("(")[2].rstrip(")").split(", ")
    assert sorted(listed) == sorted(shown.get(kind, kind) for kind in REQUIRED_COLUMNS)
