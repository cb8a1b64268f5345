"""Lists public holidays from the package `holidays`, which only `uptill calendars add` needs."""

import difflib
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NoReturn

from services.cli.console import fail
from shared.exit_codes import ExitCode
from shared.texts import quoted

_MOST_YEARS = 20
_NEAR = 5
_MOST_SHOWN = 60


def list_holidays(country: str, subdivision: str | None, years: Sequence[int]) -> Mapping[date, str]:
    """Return the public holidays with their names. End the command if the country or the subdivision is unknown."""
    package = _import_holidays()
    countries = package.list_supported_countries(include_aliases=True)
    code = country.upper()
    if code not in countries:
        names = {module.replace("_", " "): codes[1] for module, codes in package.registry.COUNTRIES.items()}
        code = names.get(country.replace("_", " ").lower(), "")
        if not code:
            _fail_unknown("country", country, {**names, **{each.lower(): each for each in countries}})
    if subdivision is not None:
        rules = package.country_holidays(code)
        known = {name.lower(): name for name in rules.subdivisions}
        choices = {**{name.lower(): of for name, of in rules.subdivisions_aliases.items()}, **known}
        if subdivision.lower() not in choices:
            _fail_unknown(f"subdivision of {code}", subdivision, choices)
        subdivision = choices[subdivision.lower()]
    found = package.country_holidays(code, subdiv=subdivision, years=years, language="en_US")
    return dict(sorted(found.items()))


def parse_years(text: str | None, today: date) -> Sequence[int]:
    """Return the years of `2024`, `2024-2026` or `2024,2026`. By default, last year and the five after it."""
    if text is None:
        return range(today.year - 1, today.year + 5)
    years: set[int] = set()
    for part in text.split(","):
        first, found, last = part.partition("-")
        if not (first.strip().isdigit() and (last.strip().isdigit() or not found)):
            fail(
                f"invalid years {quoted(text)}: write them as 2024, 2024-2026 or 2024,2026",
                code=ExitCode.WRONG_USE,
            )
        begin, end = int(first), int(last or first)
        if not 2000 <= begin <= end <= 2100 or end - begin >= _MOST_YEARS:  # noqa: PLR2004 - as dates of calendars
            fail(
                f"invalid years {quoted(part.strip())}: use at most {_MOST_YEARS} of the years 2000 to 2100",
                code=ExitCode.WRONG_USE,
            )
        years.update(range(begin, end + 1))
    return sorted(years)


def _import_holidays() -> Any:
    try:
        import holidays  # noqa: PLC0415 - only this command needs it, and it may be missing
    except ModuleNotFoundError as error:
        if error.name != "holidays":
            raise
        fail(
            "`uptill calendars add` needs holidays, which is not installed; run: pip install 'uptill[holidays]'",
            code=ExitCode.WRONG_USE,
        )
    return holidays


def _fail_unknown(what: str, given: str, choices: Mapping[str, str]) -> NoReturn:
    """End the command. `choices`: the code of each name in lower case."""
    near = difflib.get_close_matches(given.replace("_", " ").lower(), choices, _NEAR)
    shown = [choices[name] if choices[name].lower() == name else f"{choices[name]} ({name})" for name in near]
    codes = sorted(set(choices.values()))
    hint = f"did you mean {', '.join(shown)}?" if shown else f"use one of {', '.join(codes[:_MOST_SHOWN])}"
    fail(f"unknown {what} {quoted(given)}: {hint}", code=ExitCode.WRONG_USE)
