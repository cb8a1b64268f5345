"""The names of columns that say more about a store's opening than the columns that are read."""

import re
import unicodedata
from typing import Final

# For closed, and for a day off, without accents: words, beginnings of words, and what stands anywhere in a name.
_CLOSED: Final = frozenset(
    [
        "closed", "isclosed", "closedallday", "closedtoday", "geschlossen", "ruhetag", "ferme", "fermee", "cerrado", "cerrada",
        "fechado", "fechada", "encerrado", "chiuso", "chiusa", "chiusura", "gesloten", "stangt", "stangd", "lukket", "stengt",
        "suljettu",
    ]
)  # fmt: skip
_CLOSED_STEMS: Final = (
    "zamkniet", "zavreno", "zatvoren", "inchis", "kapali", "zarva", "закрыт", "выходно", "закрит", "κλειστ",
)  # fmt: skip
_CLOSED_ANYWHERE: Final = ("定休日", "休業", "休息")
_OPEN: Final = frozenset(
    [
        "24h", "24hours", "24x7", "247", "allday", "alwaysopen", "is24h", "is24hours", "isopen", "istgeoffnet", "open24h",
        "open24hours", "open247", "ganztagig", "ganztags", "durchgehend",
    ]
)  # fmt: skip
_HOLIDAYS: Final = frozenset(
    [
        "bankholiday", "feiertag", "feiertage", "feriado", "festivo", "holiday", "holidays", "isholiday", "jourferie",
        "publicholiday", "publicholidays",
    ]
)  # fmt: skip
_BREAKS: Final = frozenset(["break", "breaks", "lunch", "lunchbreak", "mittagspause", "pause", "siesta"])
_LIMITS: Final = frozenset(
    [
        "datefrom", "dateto", "effectivedate", "effectiveto", "effectiveuntil", "enddate", "expires", "fromdate",
        "gultigab", "gultigbis", "gultigvon", "startdate", "todate", "until", "validfrom", "validto", "validuntil",
    ]
)  # fmt: skip
# isClosed is two words.
_BETWEEN_WORDS: Final = re.compile(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])")
# What people and programs add to the name of a column: open2, open_2, status.1, status...3, status (2), second_open.
_NUMBERED: Final = re.compile(
    r"(?P<name>.*?[^0-9.(])(?:\.{0,3}|duplicated|\()[0-9]+\)?"
    r"|(?:second|third|2nd|3rd|zweite[rs]?)(?P<after>.+)"
    r"|(?P<before>.+)(?:second|third|2nd|3rd)"
)


def fold_letters(name: str) -> str:
    """Return the letters and digits of a name, without case and accents."""
    return "".join(char for char in unicodedata.normalize("NFKD", name.casefold()) if char.isalnum())


def is_closing_flag(name: str) -> bool:
    """Whether a name says that a store is closed, or open around the clock. Disclosed and fermentation do not."""
    if fold_letters(name) in _OPEN or any(text in name for text in _CLOSED_ANYWHERE):
        return True
    return any(word in _CLOSED or word.startswith(_CLOSED_STEMS) for word in _fold_words(name))


def is_holiday_flag(letters: str) -> bool:
    """Whether a name, by its letters, says that a row is for holidays."""
    return letters in _HOLIDAYS


def is_break(name: str) -> bool:
    """Whether a name is that of a break within an opening. Breakfast is none."""
    return not _BREAKS.isdisjoint(_fold_words(name))


def limits_dates(letters: str) -> bool:
    """Whether a name, by its letters, limits the dates for which a row holds."""
    return letters in _LIMITS


def strip_number(folded: str) -> str | None:
    """Return a folded name without the number that was added to it, or None if it has none."""
    match = _NUMBERED.fullmatch(folded)
    return match["name"] or match["after"] or match["before"] if match else None


def _fold_words(name: str) -> list[str]:
    return [fold_letters(word) for word in _BETWEEN_WORDS.split(name)]
