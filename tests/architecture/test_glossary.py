"""The glossary names things as the code does, and retired words do not come back."""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (?P<term>[^|]+) \| (?P<meaning>[^|]+) \| `(?P<name>\w+)` \|$")

# Words and phrases that were replaced, with what replaced them.
RETIRED: Mapping[str, re.Pattern[str]] = {
    "housekeeper (janitor)": re.compile(r"housekeeper", re.IGNORECASE),
    "burnt (failed_claims)": re.compile(r"burnt", re.IGNORECASE),
    "keyless (unindexed)": re.compile(r"keyless", re.IGNORECASE),
    "lookout (what it is)": re.compile(r"look_?out", re.IGNORECASE),
    "heard (what was received)": re.compile(r"heard\b", re.IGNORECASE),
    "settle (what is done)": re.compile(r"settle", re.IGNORECASE),
    "Keeper (lease renewal, cache, retention)": re.compile(r"Keeper\b"),
    "anew (again)": re.compile(r"\banew\b", re.IGNORECASE),
    # "There is no store" and "is no longer" are good English.
    "is no X (is not a valid X)": re.compile(
        r"(?<!there )\bis no (?!(?:longer|larger|smaller|more|less|older|newer|later|earlier|higher)\b)",
        re.IGNORECASE,
    ),
    "so many (each, this many)": re.compile(r"\bso many\b", re.IGNORECASE),
    "of which (two sentences)": re.compile(r"\bof which\b", re.IGNORECASE),
}


def searched_files() -> Iterator[Path]:
    """Yield code and pages. Migrations are left out, because a released one never changes."""
    for folder in ("services", "shared", "clients", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".sql", ".md"} and "migrations" not in path.parts:
                yield path


@cache
def uses() -> Mapping[str, list[str]]:
    """Return where each retired word occurs, as `path:line`. Phrases that a line break divides are found too."""
    found: dict[str, list[str]] = {word: [] for word in RETIRED}
    for path in searched_files():
        text = path.read_text()
        prose = re.sub(r"\s", " ", text)
        for word, pattern in RETIRED.items():
            # Columns of the database keep their names: a migration only adds.
            if word.startswith("burnt") and path.suffix == ".sql":
                continue
            for match in pattern.finditer(prose):
                line = text.count("\n", 0, match.start()) + 1
                found[word].append(f"{path.relative_to(ROOT)}:{line}")
    return found


def test_each_term_exists_in_the_code() -> None:
    rows = [ROW.match(line) for line in (ROOT / "docs/reference/glossary.md").read_text().splitlines()]
    names = {row["term"]: row["name"] for row in rows if row is not None}
    assert len(names) >= 30
    code = "\n".join(
        f"{path}\n{path.read_text()}"
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".py", ".sql"}
    )
    assert [term for term, name in names.items() if not re.search(rf"\b{name}\b", code)] == []


def test_retired_words_do_not_come_back() -> None:
    assert {word: places for word, places in uses().items() if places} == {}
