"""Finds the columns of a store directory that are labels: all that have no other meaning."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from services.ingest.parse.kinds import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from services.ingest.parse.telling_names import ONLY_CLOSED, find_role, looks_like_time, name_numbered
from services.ingest.parse.telling_words import Role
from shared.errors import BadInputFile
from shared.labels import MAX_LABELS, is_label_name
from shared.store_ids import clean_store_id
from shared.texts import quoted

_INVALID = re.compile(r"[^A-Za-z0-9_./-]+")
_LONGEST_NAME = 63
OWN_MEANING = "store_"  # begins names of labels that do not mean what they would as columns
_OPENING: Final = "says when a store is open"
_MEANINGS: Final[Mapping[Role, str]] = {
    **dict.fromkeys(("closed", "state"), "says whether a store is open"),
    "break": "looks like a break",
    "time": "looks like a time of opening",
    **dict.fromkeys(("since", "dates"), "limits the dates of its row"),
    **dict.fromkeys(("hours", "span", "night", "days"), _OPENING),
}


def find_label_columns(
    fields: Sequence[str], names: Sequence[str | None], taken: Collection[int]
) -> dict[str, int]:
    """Return the index of each label's column by its name, which is the header as it is written.

    `names`: the column of any kind of file that each field names. Raise `BadInputFile` (`header`) for a name that is not
    valid, given twice, or that of a column of another kind, and for too many labels.
    """
    found: dict[str, int] = {}
    for index, field in enumerate(fields):
        if index in taken:
            continue
        label = clean_store_id(field)
        if names[index] is not None:
            raise BadInputFile(
                "header",
                f"the column {quoted(label)} belongs to another kind of file, so it cannot be a label of stores: rename it,"
                f" for example to {suggest_own(label)}, or remove it",
            )
        if find_role(label) == "zone":
            raise BadInputFile(
                "header",
                f"the column {quoted(label)} may be the time zone or a label: call it timezone, or for example"
                f" {suggest_own(label)}",
            )
        if not is_label_name(label):
            raise BadInputFile(
                "header",
                f"the column {quoted(label)} cannot be a label: a name is 1 to {_LONGEST_NAME} letters without accents,"
                f" digits, _ . / -, and begins with a letter, a digit or _. Rename it, for example to"
                f" {suggest_accepted(label)}, or remove it",
            )
        if label in found:
            raise BadInputFile(
                "header", f"the header names the label {label} twice: keep one of these columns"
            )
        found[label] = index
    if len(found) > MAX_LABELS:
        raise BadInputFile(
            "header",
            f"the file has {len(found)} columns that would be labels, and a store has at most {MAX_LABELS}: remove some"
            " columns",
        )
    return found


def find_meaning(label: str) -> str | None:
    """Return what a label seems to say about the opening of stores, in words, or None. A name that begins with store_ is its own."""
    if label.casefold().startswith(OWN_MEANING):
        return None
    if looks_like_time(label):
        return _MEANINGS["time"]
    column = name_numbered(label)
    if column in (*REQUIRED_COLUMNS["stores"], *OPTIONAL_COLUMNS["stores"]):
        return f"looks like a second {column}"
    role = find_role(label, alone=ONLY_CLOSED)
    return _MEANINGS.get(role) if role else None


def suggest_accepted(text: str) -> str:
    """Return a name as `suggest_label` does, but none that would be refused because of its meaning."""
    name = suggest_label(text)
    return suggest_own(text) if find_meaning(name) or find_meaning(text) else name


def suggest_own(text: str) -> str:
    """Return a valid name of a label that resembles a text, and never has the meaning of a column."""
    return f"{OWN_MEANING}{suggest_label(text)}"[:_LONGEST_NAME]


def suggest_label(text: str) -> str:
    """Return a valid name of a label that resembles a text."""
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return _INVALID.sub("_", plain).strip("_./-")[:_LONGEST_NAME] or "label"
