"""The committed reference pages and OpenAPI documents match the code and are complete."""

import jsonschema
import pytest

from tests.reference import FOLDER, applications, pages

EVERY_OPERATION = [
    (document, method, path)
    for document, app in applications().items()
    for path, operations in app.openapi()["paths"].items()
    for method in operations
]


def test_every_reference_page_is_made_from_the_code() -> None:
    written_by_hand = {
        "channels.md",
        "incidents.md",
        "glossary.md",
        "hooks.md",
        "reporting.md",
        "service-levels.md",
    }  # each compared with what it describes
    assert {page.name for page in FOLDER.iterdir() if page.is_file()} == set(pages()) | written_by_hand


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_page_matches_the_code(name: str) -> None:
    assert (FOLDER / name).read_text() == pages()[name](), "run `make reference`"


@pytest.mark.parametrize(("document", "method", "path"), EVERY_OPERATION)
def test_an_operation_documents_who_may_call_it_and_how_it_fails(
    document: str, method: str, path: str
) -> None:
    app = applications()[document]
    operation = app.openapi()["paths"][path][method]
    assert operation["summary"]
    assert operation["description"]
    failures = {status for status in operation["responses"] if status >= "400"}
    if "security" in operation:
        assert failures >= {"401", "403", "429", "503"}
        for status, response in operation["responses"].items():
            is_counted = {"RateLimit", "RateLimit-Policy"} <= response.get("headers", {}).keys()
            assert is_counted is (status not in {"401", "403"})
        assert all("Retry-After" in operation["responses"][status]["headers"] for status in ("429", "503"))
    for parameter in operation.get("parameters", []):
        assert ("404" if parameter["in"] == "path" else "422") in failures
    if "requestBody" in operation:
        assert failures >= {"400", "413", "415", "422"}
    assert app.openapi()["openapi"].startswith("3.1")


@pytest.mark.parametrize(("document", "method", "path"), EVERY_OPERATION)
def test_json_bodies_and_answers_have_valid_examples(document: str, method: str, path: str) -> None:
    description = applications()[document].openapi()
    operation = description["paths"][path][method]
    holders = [operation.get("requestBody", {}), *operation["responses"].values()]
    for holder in holders:
        for kind, media in holder.get("content", {}).items():
            if not kind.endswith("json"):
                continue
            shown = (
                [media["example"]]
                if "example" in media
                else [one["value"] for one in media["examples"].values()]
            )
            assert shown
            for example in shown:
                jsonschema.validate(example, {**media["schema"], "components": description["components"]})
