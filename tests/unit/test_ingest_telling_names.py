"""Names of columns that say when a store is open, in the languages of the words for closed."""

import pytest

from services.ingest.parse.chunks import read_layout
from tests.unit.test_ingest_other_columns import HOURS, POLLS, SPECIAL, refuse

OPENINGS = """
    second_opening, opening2, Opening (2), reopens, closing_2, shift 2 start, afternoon_open, pm_close, closing, zweite Öffnung,
    öffnet2, schließt 2, von2, nachmittags bis, 2e ouverture, heure de fermeture 2, segunda apertura, abre2, cierre 2,
    segunda abertura, seconda apertura, apre 2, tweede opening, öppnar 2, åbner2, lukker 2, åpner 2, avataan 2, otwarcie 2,
    druhé otevření, otvaranje 2, deschidere 2, ikinci a\u00e7\u0131l\u0131\u015f, második nyitás, второе открытие, δεύτερο άνοιγμα,
    from, to, desde, hasta, od, tot, opening_hours, Öffnungszeiten, horaires, orario, 営業時間"""
BREAKS = """
    gap_start, gap_end, midday_close, noon, Mittag, midi, pausa, pranzo, almoço, mediodía, frokost, lounas, przerwa, polední, mola, перерыв,
    διάλειμμα, 休憩"""
DAYS = "open_sunday, Sunday, Sat open, Sonntag, open_days, days, Öffnungstage, jours d'ouverture, días, giorni di apertura, dagen, дни"
NIGHTS = """
    closes_next_day, next day, overnight, past_midnight, closes_after_midnight, nächster Tag, Folgetag, lendemain,
    día siguiente, giorno dopo, dia seguinte, volgende dag, næste dag, следующий день, 翌日"""
WEEKDAYS = """
    day_name, DayName, weekday, Weekday (name), dow, day_number, isoWeekday, Wochentag, Tag, jour, jour de la semaine, día,
    día de la semana, dia da semana, giorno, giorno della settimana, dag, weekdag, veckodag, ugedag, ukedag, viikonpäivä,
    dzień, dzień tygodnia, den v týdnu, dan u tjednu, ziua, gün, nap, день недели, ημέρα, 曜日, 星期, 요일"""
CLOSED = (
    "Ruhetage, Schließtage, jours fermés, días cerrados, giorni di chiusura, dias fechados, currently open"
)


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


@pytest.mark.parametrize("name", names(OPENINGS))
def test_another_opening(name: str) -> None:
    for header in (HOURS, SPECIAL):
        assert "write each opening in a row of its own" in refuse(f"{header},{name}")


@pytest.mark.parametrize("name", names(BREAKS))
def test_a_break(name: str) -> None:
    assert "the openings before and after it" in refuse(f"{HOURS},{name}")


@pytest.mark.parametrize("name", names(DAYS))
def test_several_days(name: str) -> None:
    assert "a row for each day" in refuse(f"{HOURS},{name}")


@pytest.mark.parametrize("name", names(WEEKDAYS))
def test_the_day_of_a_row_a_second_time(name: str) -> None:
    header = HOURS.replace("day", "day_of_week", 1)
    assert "keep the right one of the two columns" in refuse(f"{header},{name}")


@pytest.mark.parametrize("name", names(NIGHTS))
def test_the_next_day(name: str) -> None:
    for header in (HOURS, SPECIAL):
        assert "so write 18:00 to 02:00" in refuse(f"{header},{name}")


@pytest.mark.parametrize("name", names(CLOSED))
def test_closed_days(name: str) -> None:
    assert "leave out the rows of closed days" in refuse(f"{HOURS},{name}")


@pytest.mark.parametrize(
    "name", ["status", "open_status", "Statut", "active", "is_deleted", "gelöscht", "activo"]
)
def test_rows_that_may_not_count(name: str) -> None:
    for header in (HOURS, SPECIAL):
        assert "leave out rows that do not count" in refuse(f"{header},{name}")


@pytest.mark.parametrize("name", ["open_ampm", "AM/PM", "meridiem"])
def test_half_of_a_day(name: str) -> None:
    for header in (HOURS, SPECIAL, POLLS):
        assert "such as 9:00 PM" in refuse(f"{header},{name}")


@pytest.mark.parametrize("name", ["week", "Kalenderwoche", "every_year", "saison", "fecha inicio"])
def test_rows_that_hold_in_some_weeks_only(name: str) -> None:
    assert "effective_from" in refuse(f"{HOURS},{name}")
    assert "a row for each date" in refuse(f"{SPECIAL},{name}")


@pytest.mark.parametrize("name", ["Zeitzone", "fuseau horaire", "utc_offset"])
def test_a_zone(name: str) -> None:
    assert "write zones in a file of their own" in refuse(f"{HOURS},{name}")
    assert "call it timezone" in refuse(f"store_id,name,{name}")


@pytest.mark.parametrize("name", ["type", "Day Type", "row_type", "Typ"])
def test_a_column_that_may_tell_open_rows_from_closed_ones(name: str) -> None:
    for header in (HOURS, SPECIAL):
        assert "may say which rows are closed" in refuse(f"{header},{name}")


@pytest.mark.parametrize("header", ["store_id,name,type", f"{HOURS},store_type", f"{HOURS},date_of_entry"])
def test_a_type_of_something_else(header: str) -> None:
    layout = read_layout(iter([f"{header}\n".encode()]))
    assert (*layout.labels, *layout.unread) == (header.rpartition(",")[2],)


@pytest.mark.parametrize("name", ["gültig ab", "valid_from", "start_date"])
def test_the_first_date_is_renamed_where_that_helps(name: str) -> None:
    assert refuse(f"{HOURS},{name}").endswith("rename it to effective_from, otherwise remove it")
    for header in (f"{HOURS},effective_from,{name}", f"{HOURS},season"):
        assert refuse(header).endswith("so write a row for each change of hours, and remove the column")


@pytest.mark.parametrize("name", ["open_sunday", "monday", "Sonntag geöffnet", "from", "gap_start"])
def test_a_label_of_a_day(name: str) -> None:
    assert "store_" in refuse(f"store_id,name,{name}")
