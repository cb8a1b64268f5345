"""Rows that wait in chunks: an import that stopped halfway goes on, also after the release before, and none of them is lost."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from services.ingest.parse.parsed import ParsedLocalHours
from services.ingest.run import Limits, LoadOptions, ingest_paths
from services.ingest.write.import_result import ImportResult
from services.ingest.write.local_hours import LocalHoursWriter
from shared.db.queries import queries

HOURS = "store_id,day,start_time_local,end_time_local"
ZONES = "store_id,timezone_str"
Rows = list[str]


class Stopped(Exception):
    """The process ended."""


def load(database_url: str, file: Path) -> ImportResult:
    (result,) = ingest_paths(
        database_url, [str(file)], options=LoadOptions(limits=Limits(chunk_bytes=200, reject_limit=1.0))
    )
    return result


def stop_after(chunks: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Make the command stop after some chunks. Return a function that lets it go on."""
    write, written = LocalHoursWriter.write_chunk, iter(range(chunks))

    def write_chunk(self: LocalHoursWriter, hours: ParsedLocalHours) -> None:
        if next(written, None) is None:
            raise Stopped
        write(self, hours)

    monkeypatch.setattr(LocalHoursWriter, "write_chunk", write_chunk)
    return monkeypatch.undo


def hours_file(folder: Path, *more: str) -> Path:
    """Write rows of 20 stores, day by day: each chunk names stores of earlier ones."""
    rows = [f"store-{n},{day},09:00,1{day}:00" for day in range(7) for n in range(20)]
    (folder / "hours.csv").write_text("\n".join([HOURS, *rows, *more]) + "\n")
    return folder / "hours.csv"


def stored(database_url: str) -> Rows:
    with psycopg.connect(database_url) as conn:
        return [
            row
            for (row,) in conn.execute(
                "select concat_ws(',', store_id, day_of_week, opens, closes, timezone) from store left join business_hours"
                " using (store_key) order by 1"
            )
        ]


def undisturbed(database_url: str, file: Path) -> Rows:
    """Load the file, and forget it all."""
    assert load(database_url, file).state == "succeeded"
    found = stored(database_url)
    with psycopg.connect(database_url) as conn:
        conn.execute("truncate store, business_hours, import, import_reject, superseded_hours cascade")
    return found


def stage_one_by_one(database_url: str, file: Path) -> None:
    """Stage the rows that wait as the release before does: one by one."""
    lines = file.read_bytes().split(b"\n")
    with psycopg.connect(database_url) as conn:
        ((import_id, end_line),) = conn.execute(
            "select import_id, max(end_line) from import_chunk group by 1"
        )
        conn.execute("delete from import_staged")
        for line in range(2, end_line + 1):
            store_id, day, opens, closes = lines[line - 1].decode().split(",")
            values = [
                import_id,
                store_id,
                line,
                0,
                lines[line - 1],
                day,
                int(opens[:2]) * 3600,
                int(closes[:2]) * 3600,
            ]
            conn.execute(
                "insert into import_staged (import_id, store_id, line, byte_offset, raw, day_number, opens, closes)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s)",
                values,
            )


@pytest.mark.parametrize("chunks", [1, 3, 9])
def test_it_goes_on_after_the_last_chunk(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: int
) -> None:
    file = hours_file(tmp_path)
    wanted = undisturbed(database_url, file)
    go_on = stop_after(chunks, monkeypatch)
    assert load(database_url, file).state == "failed"
    assert stored(database_url) == []
    go_on()
    result = load(database_url, file)
    assert (result.accepted, result.rows_read) == (140, 140)
    assert result.resumed_at_byte > 0
    assert stored(database_url) == wanted


def test_rows_that_the_release_before_staged_take_effect(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = hours_file(tmp_path, "store-3,6,09:00,25:00", "store-4,8,09:00,10:00")
    wanted = undisturbed(database_url, file)
    go_on = stop_after(3, monkeypatch)
    load(database_url, file)
    stage_one_by_one(database_url, file)
    go_on()
    result = load(database_url, file)
    assert (result.accepted, result.rejected) == (126, 16)
    assert stored(database_url) == wanted
    with psycopg.connect(database_url) as conn:
        rejects = conn.execute("select raw from import_reject where reason = 'store_incomplete'").fetchall()
    assert sorted(rejects) == sorted(
        (f"store-{n},{day},09:00,1{day}:00".encode(),) for n in (3, 4) for day in range(7)
    )


@pytest.mark.parametrize("header", [HOURS, ZONES])
def test_the_release_before_stops_at_a_packed_chunk(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, header: str
) -> None:
    """It would add the staged stores first, and the store of a chunk has no id."""
    file = tmp_path / "rows.csv"
    rest = "0,09:00,10:00" if header == HOURS else "UTC"
    file.write_text("\n".join([header, *(f"store-{n},{rest}" for n in range(40))]) + "\n")
    stop_after(2, monkeypatch)
    load(database_url, file)
    sql = queries("ingest")
    with psycopg.connect(database_url) as conn:
        ids = [import_id for (import_id,) in conn.execute("select id from import")]
        new = [store_id for (store_id,) in conn.execute(sql["new_staged_ids"], {"ids": ids, "held": []})]
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute(sql["insert_stores"], {"ids": new})


def test_a_chunk_that_is_missing_is_noticed(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers of stores would mean other stores."""
    file = hours_file(tmp_path)
    go_on = stop_after(3, monkeypatch)
    load(database_url, file)
    with psycopg.connect(database_url) as conn:
        conn.execute("delete from import_staged where position = (select min(position) from import_staged)")
    go_on()
    result = load(database_url, file)
    assert result.state == "failed"
    assert "have a gap" in str(result.error)
    assert stored(database_url) == []


COLUMNS = {
    "hours": (HOURS, "{id},{day},09:00,{end}"),
    "hours, the id last": ("end_time_local;day;start_time_local;store_id", "{end};{day};09:00;{id}"),
    "hours, the id in the middle": ("day,start_time_local,store_id,end_time_local", "{day},09:00,{id},{end}"),
    "hours, a column that is not read": (f"{HOURS},remark", "{id},{day},09:00,{end},x{day}{day}"),
    "zones": (ZONES, "{id},{zone}"),
    "zones, the id last": ("timezone_str,store_id", "{zone},{id}"),
}
ZONES_OF_ROWS = ("UTC", "America/Chicago", "Central Standard Time")


def write_row(form: str, store_id: str, number: int, *, valid: bool = True) -> str:
    zone = ZONES_OF_ROWS[number % 3] if valid else "Mars"
    return form.format(id=store_id, day=number % 7, end="10:00" if valid else "99:00", zone=zone)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("columns", COLUMNS)
def test_rows_of_a_store_that_is_held_are_rejected_as_they_are_in_the_file(
    database_url: str, tmp_path: Path, columns: str, end: str
) -> None:
    """The last line has no end. Blank and quoted lines, and ids that are written differently, come among them."""
    header, form = COLUMNS[columns]
    ids = [("store-1" if n % 10 == 1 else f"caf\u00e9-{n % 10}") + " " * (n in {40, 41}) for n in range(60)]
    rows = [write_row(form, store_id, n) for n, store_id in enumerate(ids)]
    rows[12:12] = ["", write_row(form, '"store-1"', 0), write_row(form, " store-1", 1)]
    rows += [write_row(form, "store-1", 2, valid=False), write_row(form, "store-1", 3)]
    lines = [header, *rows]
    file = tmp_path / "rows.csv"
    file.write_bytes(end.join(lines).encode())
    assert load(database_url, file).state == "succeeded"
    text = file.read_bytes()
    with psycopg.connect(database_url) as conn:
        rejects = conn.execute(
            "select line, byte_offset, raw from import_reject where reason = 'store_incomplete' order by line"
        ).fetchall()
    places = [
        line
        for line, row in enumerate(lines, 1)
        if "store-1" in row and "99:00" not in row and "Mars" not in row
    ]
    assert [line for line, _, _ in rejects] == places
    for line, offset, raw in rejects:
        assert raw == lines[line - 1].encode()
        assert text[offset : offset + len(raw)] == raw


@pytest.mark.parametrize(
    ("form", "keeps_text"),
    [
        ("{id},{day},09:00,10:00\n", False),
        ("{id},{day},9:00,10:00:00\n", False),
        ("{id},{day},09:00,10:00\r\n", True),
        ('"{id}",{day},09:00,10:00\n', True),
        (" {id},{day},09:00,10:00\n", True),
    ],
)
def test_a_chunk_keeps_its_text_only_if_its_lines_cannot_be_rebuilt(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, *, keeps_text: bool
) -> None:
    file = tmp_path / "rows.csv"
    rows = (form.format(id=f"store-{n}", day=day) for day in range(7) for n in range(20))
    file.write_bytes("".join([f"{HOURS}\n", *rows]).encode())
    stop_after(3, monkeypatch)
    load(database_url, file)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select raw is not null from import_staged").fetchall() == [(keeps_text,)] * 3


def test_stores_without_weekly_rows_keep_their_weekly_hours(database_url: str, tmp_path: Path) -> None:
    """Between two stores whose weekly hours are replaced: one with dated rows only, and one that is held."""
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    names = ("first", "dated", "held", "last")
    before.write_text("\n".join([HOURS, *(f"{name},0,09:00,10:00" for name in names)]) + "\n")
    load(database_url, before)
    rows = [
        "first,0,09:00,11:00,",
        "dated,0,09:00,11:00,2024-09-02",
        "held,0,09:00,11:00,",
        "held,0,09:00,99:00,",
    ]
    after.write_text("\n".join([f"{HOURS},effective_from", *rows, "last,0,09:00,11:00,"]) + "\n")
    result = load(database_url, after)
    assert (result.state, (result.quality or {})["hours_rows"]) == ("succeeded", len(names) - 1)
    hour = {"first": 11, "dated": 10, "held": 10, "last": 11}
    assert stored(database_url) == sorted(f"{name},0,32400,{hour[name] * 3600}" for name in names)
