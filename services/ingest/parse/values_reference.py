"""Writes the page `docs/reference/values.md` from the registries of the parser."""

from collections.abc import Iterable, Mapping, Sequence

from services.ingest.parse import written_forms
from services.ingest.parse.column_names import DIRECTORY_SPELLINGS, LOOSE_SPELLINGS, SPELLINGS
from services.ingest.parse.date_formats import DIRECTIVES
from services.ingest.parse.header_fields import SEPARATORS
from services.ingest.parse.kinds import OPTIONAL_COLUMNS, REQUIRED_COLUMNS
from services.ingest.parse.written_forms import SEPARATOR_NAMES, Form
from services.ingest.parse.zones import FIXED_ZONES, describe_fixed

_INTRODUCTION = """# How values may be written

Every row of these tables is a test: the value is parsed as in a file. A row is rejected with the reason in the
last column; [all reasons](reject-reasons.md) are listed. The [guide](../how-to/import.md#how-values-may-be-written)
explains the options.
"""
_COLUMNS = "Names after a semicolon count only if the header fits no kind of file without them."
_INSTANTS = """Years are 2000 to 2100, and the instant is at most 5 minutes in the future. A fraction of more than
six digits is cut."""
_FORMATTED = """With `--date-format` every timestamp must have the format. The zone comes from `%z`, or the format ends in
`UTC`, `GMT` or `Z`; otherwise the column is called `timestamp_utc` or `--assume-utc` is given."""
_DAYS = """If a file has day `7` and no day `0`, the numbers count from 1: `1` is Monday. A file with both is refused, and so
is one with both numbers and names (`day_numbers`). A rejected row counts too, if its store exists or has a valid
row."""
_DATES = """Of special hours and `effective_from`. Years are 2000 to 2100. The instants of lifetimes and closures have the
forms of [instants](#instants) and need a zone. `--status`, `--date-format` and `--assume-utc` apply to polls only."""
_ZONES = """IANA names, and Windows names by the mapping of CLDR. Neither case matters, nor spaces or underscores."""
_FIXED = """These zones never change their clocks. They are accepted with a warning, and listed as `zones_fixed_list` in the
quality report."""


def values_reference() -> str:
    """Return the page."""
    separators = [(f"`{_show(mark)}`", SEPARATOR_NAMES[mark]) for mark in SEPARATORS]
    separators.append(("`sep=;`", "a line above the header that names the separator; any of the four"))
    parts = [
        _INTRODUCTION,
        _section("Separators", "", ("separator", "name"), separators),
        _section("Names of columns", _COLUMNS, ("column", "also named"), _list_columns()),
        _forms("Status", "", written_forms.STATUSES),
        _forms("Instants", _INSTANTS, written_forms.INSTANTS),
        _forms("Instants with a date format", _FORMATTED, written_forms.FORMATTED),
        _section("Directives of a date format", "", ("directive", "stands for"), _list_directives()),
        _forms("Days of the week", _DAYS, written_forms.DAYS),
        _forms("Opening times", "", written_forms.OPENINGS),
        _forms("Closing times", "", written_forms.CLOSINGS),
        _forms("Dates", _DATES, written_forms.DATES),
        _forms("Time zones", _ZONES, written_forms.ZONES),
        _section("Zones with a fixed offset", _FIXED, ("zone", "warning"), _list_fixed()),
    ]
    return "\n".join(parts)


def _forms(title: str, text: str, forms: Sequence[Form]) -> str:
    rows = [
        (f"`{_show(form.written)}`", _list_conditions(form), "rejected" if form.is_rejected else f"`{form.read_as}`",
         f"`{form.read_as}`" if form.is_rejected else "")
        for form in forms
    ]  # fmt: skip
    return _section(title, text, ("written", "with", "read as", "reason"), rows)


def _list_conditions(form: Form) -> str:
    given = [f"column `{form.header}`"] if form.header else []
    if form.reading.status:
        given.append(f"`--status {form.reading.status}`")
    if form.reading.date_format:
        given.append(f"`--date-format '{form.reading.date_format}'`")
    if form.reading.assume_utc:
        given.append("`--assume-utc`")
    return ", ".join(given)


def _list_columns() -> Iterable[tuple[str, str]]:
    columns = (*REQUIRED_COLUMNS.values(), *OPTIONAL_COLUMNS.values())
    for column in dict.fromkeys(column for some in columns for column in some):
        exact, loose = (_list_names(spellings, column) for spellings in (SPELLINGS, LOOSE_SPELLINGS))
        directory = _list_names(DIRECTORY_SPELLINGS, column)
        yield (
            f"`{column}`",
            "; ".join(filter(None, (exact, loose, directory and f"{directory} beside a name"))),
        )


def _list_names(spellings: Mapping[str, str], column: str) -> str:
    return ", ".join(f"`{name}`" for name, meant in spellings.items() if meant == column)


def _list_directives() -> Iterable[tuple[str, str]]:
    return [(f"`{directive}`", text) for directive, (_, _, text) in DIRECTIVES.items()]


def _list_fixed() -> Iterable[tuple[str, str]]:
    return [(f"`{name}`", describe_fixed(name)) for name in FIXED_ZONES]


def _show(text: str) -> str:
    return text.replace("\t", "TAB").replace("|", "\\|")


def _section(title: str, text: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(
        [
            f"## {title}",
            "",
            *([text, ""] if text else []),
            f"| {' | '.join(heads)} |",
            "|" + "---|" * len(heads),
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
        ]
    )
