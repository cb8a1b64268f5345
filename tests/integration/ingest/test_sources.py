"""Sources: patterns, archives in any order, gzipped standard input, objects, and streams that break."""

import gzip
import io
import itertools
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from types_boto3_s3 import S3Client

from services.ingest.sources.find import find_stored
from services.ingest.sources.object_store import find_object
from services.ingest.sources.resolve import resolve_sources
from services.local.servers import Endpoints
from shared.errors import BadInputFile
from shared.settings import Settings
from shared.storage import make_client
from tests.fixtures.cutting_proxy import cutting_proxy
from tests.integration.ingest.command import run_ingest

POLLS = b"store_id,status,timestamp_utc\na,active,2024-10-14 12:00:00 UTC\nb,active,2024-10-14 12:00:00 UTC\n"
HOURS = b"store_id,day,start_time_local,end_time_local\na,0,09:00,17:00\n"
ZONES = b"store_id,timezone_str\na,America/Chicago"
DATA_SET = {"a_polls.csv": POLLS, "b_hours.csv": HOURS, "c_zones.csv": ZONES}


def zip_of(files: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def check_data_set(database_url: str) -> None:
    """Check that the whole data set is loaded, time zones first."""
    with psycopg.connect(database_url) as conn:
        kinds = conn.execute(
            "select kind, accepted from import where kind <> 'archive' order by started_at"
        ).fetchall()
        assert kinds == [("timezones", 1), ("hours", 1), ("polls", 2)]


@pytest.mark.parametrize(
    "order", list(itertools.permutations(DATA_SET)), ids=lambda order: "-".join(n[0] for n in order)
)
def test_a_zip_with_its_members_in_any_order(
    database_url: str, tmp_path: Path, order: tuple[str, ...]
) -> None:
    (tmp_path / "set.zip").write_bytes(zip_of({name: DATA_SET[name] for name in order}))
    done = run_ingest(database_url, str(tmp_path / "set.zip"))
    assert done.returncode == 0, done.stderr
    check_data_set(database_url)


def test_a_folder_of_plain_and_packed_files(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "polls.csv.gz").write_bytes(gzip.compress(POLLS))
    (tmp_path / "hours.zip").write_bytes(zip_of({"hours.csv": HOURS}))
    (tmp_path / "zones.CSV").write_bytes(ZONES)
    (tmp_path / "notes.txt").write_text("not taken")
    done = run_ingest(database_url, str(tmp_path))
    assert done.returncode == 0, done.stderr
    check_data_set(database_url)


def test_a_pattern_that_no_shell_expanded(database_url: str, tmp_path: Path) -> None:
    for name, content in DATA_SET.items():
        (tmp_path / name).write_bytes(content)
    done = run_ingest(database_url, str(tmp_path / "?_*.csv"))
    assert done.returncode == 0, done.stderr
    check_data_set(database_url)
    assert b"no file matches" in run_ingest(database_url, str(tmp_path / "*.parquet")).stderr


def test_packed_standard_input(database_url: str) -> None:
    done = run_ingest(database_url, "-", stdin=gzip.compress(POLLS))
    assert done.returncode == 0, done.stderr
    refused = run_ingest(database_url, "-", stdin=zip_of(DATA_SET))
    assert refused.returncode == 1
    assert b"not from standard input" in refused.stderr


def test_a_prefix_with_an_archive_and_plain_objects(env: dict[str, str], s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="in/set.zip", Body=zip_of({"h.csv": HOURS, "z.csv": ZONES}))
    s3.put_object(Bucket=bucket, Key="in/polls.csv.gz", Body=gzip.compress(POLLS))
    s3.put_object(Bucket=bucket, Key="in/readme.txt", Body=b"not taken")
    s3.put_object(Bucket=bucket, Key="elsewhere.csv", Body=b"not taken")
    done = run_ingest(env["UPTILL_DATABASE_URL"], f"s3://{bucket}/in/", env=env)
    assert done.returncode == 0, done.stderr
    check_data_set(env["UPTILL_DATABASE_URL"])


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://{bucket}/missing.csv", "is not there"),
        ("s3://{bucket}/nothing/", "holds no .csv"),
        ("s3://no-such-bucket/x.csv", "is not there"),
        ("s3:///x.csv", "names no bucket"),
    ],
)
def test_missing_objects(env: dict[str, str], address: str, message: str) -> None:
    done = run_ingest(env["UPTILL_DATABASE_URL"], address.format(bucket=env["UPTILL_S3_BUCKET"]), env=env)
    assert done.returncode == 1
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_wrong_credentials_and_an_unreachable_store(env: dict[str, str]) -> None:
    address = f"s3://{env['UPTILL_S3_BUCKET']}/x.csv"
    for change, code, message in (
        ({"UPTILL_S3_SECRET_KEY": "wrong"}, 1, "refuses these credentials"),
        ({"UPTILL_S3_ENDPOINT": "http://127.0.0.1:1"}, 3, "did not answer"),
    ):
        done = run_ingest(env["UPTILL_DATABASE_URL"], address, env={**env, **change})
        assert done.returncode == code
        assert message in done.stderr.decode()


def settings_for(servers: Endpoints, endpoint: str) -> Settings:
    return Settings.model_validate(
        {
            "s3_endpoint": endpoint,
            "s3_access_key": servers.s3_access_key,
            "s3_secret_key": servers.s3_secret_key,
        }
    )


def test_a_broken_stream_resumes(servers: Endpoints, s3: S3Client, bucket: str) -> None:
    data = bytes(range(256)) * 20_000
    s3.put_object(Bucket=bucket, Key="big.csv", Body=data)
    limits = itertools.chain(
        [10_000, 10_000], itertools.repeat(700_000)
    )  # the first ones hold the headers, too
    with cutting_proxy(servers.s3_endpoint, lambda: next(limits)) as proxy:
        settings = settings_for(servers, proxy.endpoint)
        source = find_object(make_client(settings, settings.s3_endpoint), f"s3://{bucket}/big.csv")
        assert b"".join(source.read_blocks()) == data
        assert proxy.cuts > 5


def test_a_zip_in_an_object_store_is_read_over_a_bad_connection(
    servers: Endpoints, s3: S3Client, bucket: str
) -> None:
    polls = b"\n".join(b"%d,%d" % (n, n * n) for n in range(300_000))
    s3.put_object(Bucket=bucket, Key="set.zip", Body=zip_of({"polls.csv": polls, "zones.csv": ZONES}))
    with cutting_proxy(servers.s3_endpoint, lambda: 400_000) as proxy:
        (archive,) = find_stored(f"s3://{bucket}/set.zip", settings_for(servers, proxy.endpoint))
        members = resolve_sources(archive).sources
        assert [b"".join(member.read_blocks()) for member in members] == [polls, ZONES]


def test_an_object_that_is_replaced_while_it_is_read(servers: Endpoints, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="polls.csv", Body=bytes(8 << 20))
    with cutting_proxy(servers.s3_endpoint, lambda: 2 << 20) as proxy:
        settings = settings_for(servers, proxy.endpoint)
        source = find_object(make_client(settings, settings.s3_endpoint), f"s3://{bucket}/polls.csv")
        blocks = source.read_blocks()
        next(blocks)
        s3.put_object(Bucket=bucket, Key="polls.csv", Body=b"\1" * (8 << 20))
        with pytest.raises(BadInputFile) as refusal:
            list(blocks)
        assert refusal.value.reason == "changed_during_read"


def test_counts_and_log_lines_of_the_command(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "polls.csv").write_bytes(POLLS + b"c,open,2024-10-14 12:00:00 UTC\n")
    done = run_ingest(database_url, str(tmp_path / "polls.csv"), env={"COLUMNS": "80"})
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    assert all(len(line.rstrip()) <= 80 for line in lines)
    assert any(line.split()[:2] == ["rejected", "1"] for line in lines), lines
    assert any(line.startswith("stores") for line in lines), lines
    for line in done.stderr.decode().splitlines():
        assert not line.startswith("{") or json.loads(line)


@pytest.mark.parametrize(
    "name", [b"\xff\xfe.csv", b"a\nb.csv", b"\x1b[31m.csv", "é".encode() * 120 + b".csv"]
)
def test_a_file_of_any_name_is_loaded_and_shown(database_url: str, tmp_path: Path, name: bytes) -> None:
    """Names on disk are bytes. Neither the database nor the terminal accepts all of them."""
    path = os.path.join(os.fsencode(tmp_path), name)  # noqa: PTH118 (of bytes)
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"store_id,status,timestamp_utc\na,active,2024-09-02 00:00:00 UTC\n")
    done = run_ingest(database_url, str(tmp_path))
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
    with psycopg.connect(database_url) as conn:
        ((source,),) = conn.execute("select source from import")
    assert not set(source) & {"\n", "\x1b", "\udcff"}
