"""A file that fails does not stop the watcher from loading the others, whatever its name is."""

import os
from pathlib import Path
from typing import Any

import psycopg

from services.ingest.run import Limits, LoadOptions, load_source
from services.ingest.sources.source import Source
from services.ingest.watch import Watcher
from services.ingest.write.import_result import ImportResult
from shared.settings import Settings

POLLS = b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n"


def test_poison_is_tried_five_times_and_the_others_are_loaded(database_url: str, tmp_path: Path) -> None:
    loads: list[str] = []
    (tmp_path / "a_poison.csv").write_bytes(POLLS)
    (tmp_path / "b.csv").write_bytes(POLLS)
    with open(os.fsencode(tmp_path) + b"/c\xff.csv", "wb") as file:  # noqa: PTH123 (a name that is no text)
        file.write(POLLS)
    with psycopg.connect(database_url) as conn:
        conn.execute(
            "create function refuse() returns trigger language plpgsql as $$ begin"
            " raise exception 'out of range' using errcode = '22003'; end $$"
        )
        conn.execute(
            "create trigger refuse before update on import for each row"
            " when (old.source like '%poison.csv' and new.kind is not null) execute function refuse()"
        )

    def load(source: Source, *step: Any) -> ImportResult:
        loads.append(Path(source.name).name)
        return load_source(database_url, source, *step, options=LoadOptions(limits=Limits()))

    watcher = Watcher(str(tmp_path), Settings.model_validate({"database_url": database_url}), load)
    watcher.check_once()
    watcher.check_once()
    assert loads.count("b.csv") >= 1
    for _ in range(8):
        watcher.check_once()
    assert loads.count("a_poison.csv") == 5
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from import where state = 'succeeded'").fetchone() == (2,)
        assert conn.execute("select count(*) from watched_source").fetchone() == (3,)
    done = len(loads)
    again = Watcher(str(tmp_path), Settings.model_validate({"database_url": database_url}), load)
    again.check_once()
    again.check_once()
    assert len(loads) == done
