"""Texts of requests that must have a form: an error says it in words, never as the pattern of the schema."""

from collections.abc import Iterator

from shared.http.faults import TEXT_FORMS, fault
from tests.reference import applications


def _list_patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(pattern := schema.get("pattern"), str):
            yield pattern
        for part in schema.values():
            yield from _list_patterns(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _list_patterns(part)


def test_each_pattern_of_a_schema_has_words() -> None:
    used = {pattern for app in applications().values() for pattern in _list_patterns(app.openapi())}
    assert {pattern for pattern in used if not pattern.startswith("^urn:")} == set(TEXT_FORMS)


def test_a_secret_is_not_repeated() -> None:
    item = {
        "type": "string_pattern_mismatch", "loc": ("body", "secret"), "msg": "", "input": "a b",
        "ctx": {"pattern": "^[!-~]+$"},
    }  # fmt: skip
    assert "a b" not in fault(item)["message"]
