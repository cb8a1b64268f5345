"""The search of the page: part of an id, and labels as `name=value`. A value with spaces stands in quotes."""

import re
from collections.abc import Mapping

from shared.errors import InvalidRequest
from shared.labels import parse_labels

LONGEST_SEARCH = 1024
_WORD = re.compile(r'(?:"[^"]*"|\S)+')


def parse_search(query: str, *, labels_only: bool = False) -> tuple[str | None, Mapping[str, str]]:
    """Return the part of an id and the labels of a search. Raises `InvalidRequest`, with `labels_only` also for an id."""
    words: list[str] = _WORD.findall(query)
    labels = [word.replace('"', "") for word in words if "=" in word]
    text = " ".join(word for word in words if "=" not in word)
    if text and labels_only:
        raise InvalidRequest(
            f"{text[:100]!r} is not a label: write labels as name=value, such as region=north", field="q"
        )
    try:
        return text or None, parse_labels(labels, separator="=")
    except ValueError as error:
        raise InvalidRequest(str(error), field="q") from None


def label_term(name: str, value: str) -> str:
    """Return the search for one label."""
    return f'{name}="{value}"' if re.search(r"\s", value) else f"{name}={value}"
