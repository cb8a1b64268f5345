"""The pages of the documentation: lines that fit a screen, links that resolve, a site that shows every page."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.architecture.test_repository import ROOT, tracked_files
from tests.reference import pages as generated_pages

DOCS = ROOT / "docs"
PAGES = [path for path in tracked_files() if path.suffix == ".md"]
MAX_COLUMNS = 110
GENERATED = {DOCS / "reference" / name for name in generated_pages()}
LINK = re.compile(r"\]\((?P<file>[^)#:\s]*)(?:#(?P<heading>[^)\s]+))?\)")


class _AnyTag(yaml.SafeLoader):
    """Reads a tag that names a function of the site's builder as nothing."""


_AnyTag.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda *_: None)


def prose_lines(page: Path) -> Iterator[tuple[int, str, str | None]]:
    """Yield each line with its number and the language of the code block it is in; None outside."""
    language: str | None = None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if fence is not None:
            language = fence[1] if language is None else None
        else:
            yield number, line, language


@pytest.mark.parametrize("page", [page for page in PAGES if page not in GENERATED], ids=str)
def test_lines_fit_a_screen(page: Path) -> None:
    """Tables may be wider, and so may printed output: code blocks without a language."""
    wide = [
        number
        for number, line, language in prose_lines(page)
        if len(line) > MAX_COLUMNS and not line.lstrip().startswith("|") and language != ""
    ]
    assert wide == []


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the site and code hosts make them."""
    titles = (
        line.lstrip("#") for _, line, language in prose_lines(page) if language is None and line[:1] == "#"
    )
    return {re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_to_headings_lead_to_headings(page: Path) -> None:
    links = [
        match for _, line, language in prose_lines(page) if language is None for match in LINK.finditer(line)
    ]
    broken = [
        match[0]
        for match in links
        if match["heading"]
        and match["heading"] not in anchors(page.parent / match["file"] if match["file"] else page)
    ]
    assert broken == []


def nav_pages(nav: list[Any]) -> Iterator[str]:
    """Yield the pages of the site's navigation, in order."""
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            (target,) = entry.values()
            yield from [target] if isinstance(target, str) else nav_pages(target)


def test_the_site_shows_every_page_in_the_order_of_the_map() -> None:
    shown = list(nav_pages(yaml.load((ROOT / "mkdocs.yml").read_text(), Loader=_AnyTag)["nav"]))
    assert sorted(shown) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
    named = [match["file"] for match in LINK.finditer((DOCS / "index.md").read_text())]
    mapped = [name for name in dict.fromkeys(named) if name.endswith(".md")]
    decisions = sorted(f"decisions/{path.name}" for path in (DOCS / "decisions").glob("0*.md"))
    at = mapped.index("decisions/README.md") + 1
    assert shown == ["index.md", *mapped[:at], *decisions, *mapped[at:]]


def test_the_list_of_decisions_is_complete() -> None:
    listed = " ".join((DOCS / "decisions" / "README.md").read_text().split())
    for path in sorted((DOCS / "decisions").glob("0*.md")):
        number = int(path.name[:4])
        title = path.read_text().splitlines()[0].removeprefix(f"# {number}. ")
        assert f"{number}. [{title}]({path.name})" in listed
