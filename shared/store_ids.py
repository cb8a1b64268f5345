"""The rule for store ids: one for files, JSON bodies, paths and filters."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from shared.errors import InvalidRequest
from shared.texts import UNSEEN, quoted

MAX_STORE_ID_BYTES: Final = 1024
_SPACES: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"  # category Zs without the plain space
_INVISIBLE: Final = (
    "\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff"  # zero-width, and bidi marks
)
_EDGES = re.compile(f"^[ {_SPACES}{_INVISIBLE}]+|[ {_SPACES}{_INVISIBLE}]+$")
_OTHER_SPACE = re.compile(f"[{_SPACES}]")

LONGEST_ODD_BYTES: Final = (
    32  # of a number or a word; only ids that end in `.0` or stand in `="…"` may be longer
)
# What spreadsheets and programs write in place of a value that is missing or wrong, in several languages.
_NO_VALUE: Final = r"""
        null | \(null\) | <null> | [+-]?nan | undefined | \\n | \[object\ object\] | <na>
        | \((?:blank|leer|vide|en\ blanco|em\ branco|vuoto|vazio|leeg|puste|tom|tyhjä|boş|пусто|空白)\)
        | \#[¡¿]?[^\s!?#]{1,12}[!?] | \#(?:n/a|nv|n/d|i/t|nb|yok|brak|н/д) | \#{2,}
"""
# Not ids and not names. A label may have such a value.
_NONE: Final = r"none | <none> | n/a | n\.a\."
_MONTHS: Final = (
    "jan|feb|fev|mar|mär|mrz|mrt|apr|abr|avr|mai|may|mag|maj|mei|maio|jun|juin|giu|jul|juil|lug|aug|ago|août|sep|set|okt|oct|"
    "ott|out|nov|dez|dec|déc|dic|janv|févr|ene|gen|oca|şub|nis|haz|tem|ağu|eyl|eki|kas|ara"
)
# What else they write in place of an id: floating-point numbers, thousands, dates, quotes, escapes, and text in another
# encoding.
_ODD = re.compile(
    rf"""(?=.{{1,32}}$)(?:
        [+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)e[+-]?[0-9]{{1,4}}
        | [+-]?[0-9]+[.,]0{{1,6}}
        | {_NO_VALUE} | {_NONE}
        | [0-9]{{1,3}}(?:,[0-9]{{3}})+ | [0-9]{{1,3}}(?:['\u2019][0-9]{{3}})+ | '[0-9]+
        | [0-9]{{1,2}}(?:\.\ ?|-|/)(?:{_MONTHS})\.?
        | (?:19|20)[0-9]{{2}}-[01][0-9]-[0-3][0-9](?:\ [0-9:.]+)? | [0-9]{{1,2}}[./][0-9]{{1,2}}[./](?:19|20)[0-9]{{2}}
    ) | ="[^"]*" | .*\.0 | .*\ufffd.*
    | ["'\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a].*["'\u2018\u2019\u201c\u201d\u00ab\u00bb\u2039\u203a]
    | .*&(?:amp|lt|gt|quot|apos|nbsp|szlig|[a-z](?:acute|grave|uml|circ|tilde|cedil)|\#[0-9]{{2,6}}|\#x[0-9a-f]{{2,5}});.*
    | .*(?-i:[\u00c2\u00c3\u00d0\u00d1])[\u00a1-\u00bf\u2018-\u203a\u20ac\u2122].*""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_MISSING = re.compile(_NO_VALUE, re.IGNORECASE | re.VERBOSE)
_MISSING_NAME = re.compile(rf"{_NO_VALUE} | {_NONE} | [-\u2013\u2014]{{1,3}}", re.IGNORECASE | re.VERBOSE)

MARKED_AS_TEXT: Final = "='\""  # how ids begin that were marked as text: ="00123", '7', and "7" within quotes

# Clients remove them from paths.
PATH_DOTS: Final = frozenset({".", ".."})
ODD_LOOKS: Final = 'what a spreadsheet or a program writes in place of an id (8E5, 1.23E+17, 12345.0, 1,234, ="00123", “7”, CafÃ©, 7-Sep, 2024-09-07, NULL, nan, None, #N/A)'
NO_ID: Final = "no_id"
ID_FAULTS: Final[Mapping[str, str]] = {
    NO_ID: "the store id is empty: write it in each row, also where cells were merged",
    "store_id": (
        f"the store id is . or .. (which no URL can contain), is longer than {MAX_STORE_ID_BYTES} bytes,"
        " or contains a space other than the plain one, such as a no-break space"
    ),
    "control_character": "the store id contains a control character or an invisible character",
    "odd_id": (
        f"the store id looks like {ODD_LOOKS}; export the column as text, or allow such ids with --allow-odd-ids"
        " (UPTILL_ALLOW_ODD_IDS=true)"
    ),
}


def clean_store_id(text: str) -> str:
    """Return the id in NFC, without spaces, zero-width characters and bidi marks at both ends."""
    if text.isascii():
        return text.strip(" ")
    return unicodedata.normalize("NFC", _EDGES.sub("", text))


def find_id_fault(store_id: str, *, allow_odd: bool) -> str | None:
    """Return why a clean id is rejected (a name in `ID_FAULTS`), or None if it is valid."""
    if not store_id:
        return NO_ID
    if UNSEEN.search(store_id):
        return "control_character"
    if _explain_fault(store_id):
        return "store_id"
    return None if allow_odd or not is_odd_id(store_id) else "odd_id"


def _explain_fault(store_id: str) -> str | None:
    """Return what is wrong with the form of an id, or None."""
    if not store_id:
        return "the store id is empty"
    if store_id in PATH_DOTS:
        return f"the store id {quoted(store_id)} cannot be part of a URL"
    if len(store_id.encode()) > MAX_STORE_ID_BYTES:
        return f"the store id is longer than {MAX_STORE_ID_BYTES} bytes"
    if _OTHER_SPACE.search(store_id):
        return "the store id contains a space other than the plain one, such as a no-break space"
    return None


def describe_id_fault(store_id: str, fault: str) -> str:
    """Return the message to a caller over HTTP about a clean id with this fault, a name in `ID_FAULTS`."""
    if fault == "odd_id":
        return f"the store id {quoted(store_id)} looks like {ODD_LOOKS}; send the real id, or set UPTILL_ALLOW_ODD_IDS=true for the service"
    return (_explain_fault(store_id) if fault in {NO_ID, "store_id"} else None) or ID_FAULTS[fault]


def is_odd_id(store_id: str) -> bool:
    """Return whether an id looks like a floating-point number, a date, or a word for an empty value."""
    return _ODD.fullmatch(store_id) is not None


def is_missing_value(text: str) -> bool:
    """Return whether a label is what a spreadsheet or a program writes if there is none: #N/A, NULL."""
    return _MISSING.fullmatch(text) is not None


def is_missing_name(text: str) -> bool:
    """Return whether a name is what people or programs write if there is none: None and N/A, as for ids, and dashes too."""
    return _MISSING_NAME.fullmatch(text) is not None


def require_store_id(text: str, *, allow_odd: bool) -> str:
    """Return the clean id. Raise `InvalidRequest` if it is not valid."""
    store_id = clean_store_id(text)
    if fault := find_id_fault(store_id, allow_odd=allow_odd):
        raise InvalidRequest(describe_id_fault(store_id, fault), field="store_id")
    return store_id


def guess_store_id(text: str) -> str | None:
    """Return the store that a rejected row means: its id without invisible characters. None if it names none."""
    store_id = clean_store_id(UNSEEN.sub("", text)).strip()
    return store_id if store_id and len(store_id.encode()) <= MAX_STORE_ID_BYTES else None
