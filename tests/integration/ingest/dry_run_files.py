"""A folder of files of every kind, after others were loaded."""

from pathlib import Path

from services.ingest.run import ingest_paths

BEFORE = {
    "hours.csv": "store_id,day,start_time_local,end_time_local\na,0,10:00,22:00\na,1,10:00,22:00\na,2,10:00,22:00\n",
    "polls.csv": "store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\na,active,2024-09-02 01:00:00 UTC\n",
}
FILES = {
    "zones.csv": "store_id,timezone_str\na,America/Denver\nb,Mars\nc,UTC\n",
    "hours1.csv": "store_id,day,start_time_local,end_time_local\na,0,10:00,12:00\n",
    "hours2.csv": "store_id,day,start_time_local,end_time_local,effective_from\nb,0,10:00,12:00,2025-03-01\nd,1,9:00,10:00,\n",
    "special1.csv": "store_id,date,start_time_local,end_time_local\na,2024-12-25,,\n",
    "special2.csv": "store_id,date,start_time_local,end_time_local\nb,2024-12-24,10:00,14:00\n",
    "lifetimes1.csv": "store_id,opened_at,closed_at\na,2024-05-01T00:00:00Z,\n",
    "lifetimes2.csv": "store_id,opened_at,closed_at\nb,,2024-06-01T00:00:00Z\n",
    "closures1.csv": "store_id,starts_at,ends_at,treatment,reason,note\n*,2024-10-18T21:00:00Z,2024-10-19T21:00:00Z,exclude,,\n",
    "closures2.csv": "store_id,starts_at,ends_at,treatment,reason,note\na,2024-10-20T21:00:00Z,,exclude,,\n",
    "polls1.csv": "store_id,status,timestamp_utc\na,inactive,2024-09-02 00:00:00 UTC\na,active,2024-09-02 01:00:00 UTC\n"
    "e,active,2024-09-03 01:00:00 UTC\ne,active,2024-09-03 01:00:00 UTC\ne,open,2024-09-03 02:00:00 UTC\n",
    "stores1.csv": "store_id,name,region\na,Alpha,north\nf,Foxtrot,\n",
    "stores2.csv": "store_id,name,timezone,opened_at\na,,UTC,2024-04-01T00:00:00Z\nb,Bravo,Mars,\n",
    "text.csv": "nothing\n",
}


def make_folder(database_url: str, tmp_path: Path) -> Path:
    """Write a folder of files, load others, and return the folder."""
    for name, files in (("before", BEFORE), ("new", FILES)):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    assert {one.state for one in ingest_paths(database_url, [str(tmp_path / "before")])} == {"succeeded"}
    return tmp_path / "new"
