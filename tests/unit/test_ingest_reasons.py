"""The page of reasons is what the registry says, and every reason the code gives is in the registry."""

import re
from pathlib import Path

from services.ingest.reasons import FILE_REASONS, reasons_reference

ROOT = Path(__file__).resolve().parents[2]
RAISED = re.compile(r'BadInputFile\(\s*"(\w+)"')


def test_the_reference_page_is_what_the_code_says() -> None:
    page = ROOT / "docs" / "reference" / "reject-reasons.md"
    assert page.read_text() == reasons_reference(), "write reasons_reference() to the page"


def test_every_reason_that_a_file_is_refused_for_is_registered() -> None:
    modules = (ROOT / "services" / "ingest").rglob("*.py")
    raised = {reason for module in modules for reason in RAISED.findall(module.read_text())}
    assert {"io", "ratio", "truncated"} <= raised <= FILE_REASONS.keys()
