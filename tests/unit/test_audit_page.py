"""The reference page of the audit is what the code says."""

from pathlib import Path

from shared.audit import audit_reference

ROOT = Path(__file__).resolve().parents[2]


def test_the_reference_page_is_what_the_code_says() -> None:
    page = ROOT / "docs" / "reference" / "audit.md"
    assert page.read_text() == audit_reference(), "write audit_reference() to the page"
