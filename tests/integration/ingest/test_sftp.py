"""Files on a real SFTP server: loaded, watched, moved away, and what happens when the server does not play along."""

import gzip
import os
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import asyncssh
import psycopg
import pytest

from tests.fixtures.cutting_proxy import cutting_proxy
from tests.fixtures.local_stack import eventually
from tests.fixtures.sftp_server import PASSWORD, USER, SftpStand, sftp_server
from tests.fixtures.small_disk import small_disk
from tests.integration.ingest.command import run_ingest
from tests.integration.ingest.test_watch import HEADER, ROW, watching


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[SftpStand]:
    with sftp_server(tmp_path) as stand:
        yield stand


def table(*stores: str) -> str:
    return HEADER + "".join(ROW.format(store=store) for store in stores)


def stores(database_url: str) -> list[str]:
    with psycopg.connect(database_url) as conn:
        return [
            store
            for (store,) in conn.execute("select store_id from observation join store using (store_key)")
        ]


def test_a_folder_is_loaded_with_its_subfolders(database_url: str, stand: SftpStand) -> None:
    folder = stand.root / "in"
    (folder / "north" / "deep").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "no.csv").write_text(table("no"))
    (folder / "one.csv").write_text(table("one"))
    (folder / "north" / "deep" / "two.csv.gz").write_bytes(gzip.compress(table("two").encode()))
    with zipfile.ZipFile(folder / "north" / "three.zip", "w") as archive:
        archive.writestr("three.csv", table("three"))
    (folder / "half.csv.part").write_text(table("half"))
    (folder / "link.csv").symlink_to("one.csv")
    done = run_ingest(database_url, stand.address(), env=stand.settings())
    assert done.returncode == 0, done.stderr
    assert sorted(stores(database_url)) == ["one", "three", "two"]
    told = done.stderr.decode()
    for name in (".hidden: it is hidden", "half.csv.part: its name", "link.csv: it is a link"):
        assert name in told


def test_one_file_and_a_password(database_url: str, stand: SftpStand) -> None:
    (stand.root / "in" / "one.csv").write_text(table("one"))
    env = {**stand.settings(), "UPTILL_SFTP_KEY": "", "UPTILL_SFTP_PASSWORD": PASSWORD}
    del env["UPTILL_SFTP_KEY"]
    done = run_ingest(database_url, stand.address("/in/one.csv"), env=env)
    assert done.returncode == 0, done.stderr
    again = run_ingest(database_url, stand.address("/in/one.csv"), env=env)
    assert b"the same bytes were loaded" in again.stderr
    assert stores(database_url) == ["one"]


def test_a_file_counts_once_it_is_renamed_into_place_and_is_moved_away(
    database_url: str, stand: SftpStand, tmp_path: Path
) -> None:
    folder = stand.root / "in"
    env = stand.settings(UPTILL_SFTP_ARCHIVE="done")
    with watching(database_url, stand.address(), tmp_path / "log", env) as watcher:
        (folder / "north").mkdir()
        (folder / "north" / "one.csv.part").write_text(table("one"))
        (folder / "quick.csv").write_text(table("quick"))
        eventually(lambda: watcher.imported() == ["quick.csv"])
        (folder / "north" / "one.csv.part").rename(folder / "north" / "one.csv")
        eventually((folder / "done" / "north" / "one.csv").exists)
        # The same name again, and the same bytes under another name.
        (folder / "quick.csv").write_text(table("quick", "later"))
        (folder / "copy.csv").write_text(table("one"))
        eventually(
            lambda: (folder / "done" / "quick-1.csv").exists() and (folder / "done" / "copy.csv").exists()
        )
        (folder / "bad.csv").write_text("shop\n")
        eventually(lambda: "bad.csv" in watcher.imported())
        assert watcher.end() == 0
    assert sorted(stores(database_url)) == ["later", "one", "quick"]
    assert sorted(entry.name for entry in folder.rglob("*.csv")) == [
        *("bad.csv", "copy.csv", "one.csv", "quick-1.csv", "quick.csv"),
    ]
    assert (folder / "bad.csv").exists()
    with watching(database_url, stand.address(), tmp_path / "second.log", env) as watcher:
        (folder / "last.csv").write_text(table("last"))
        eventually((folder / "done" / "last.csv").exists)
        assert watcher.imported() == ["last.csv"]


def test_a_connection_that_breaks_in_the_middle_of_a_file(database_url: str, stand: SftpStand) -> None:
    """Reading goes on where it broke off, on another connection."""
    rows = [f"store-{number:08}-{os.urandom(8).hex()}" for number in range(60_000)]
    (stand.root / "in" / "large.csv").write_text(table(*rows))
    limits = iter([1_500_000, 2_000_000])
    with cutting_proxy(f"http://127.0.0.1:{stand.port}", lambda: next(limits, 1 << 40)) as proxy:
        port = urlsplit(proxy.endpoint).port
        done = run_ingest(database_url, stand.address("/in/large.csv", port), env=stand.settings())
        assert done.returncode == 0, done.stderr
        assert proxy.cuts == 2
    assert sorted(stores(database_url)) == rows


def test_a_server_that_went_away_is_waited_for(database_url: str, stand: SftpStand, tmp_path: Path) -> None:
    limits = iter([30_000])
    with (
        cutting_proxy(f"http://127.0.0.1:{stand.port}", lambda: next(limits, 1 << 40)) as proxy,
        watching(
            database_url,
            stand.address(port=urlsplit(proxy.endpoint).port),
            tmp_path / "log",
            stand.settings(),
        ) as watcher,
    ):
        eventually(lambda: bool(watcher.events("waiting")))
        (stand.root / "in" / "one.csv").write_text(table("one"))
        eventually(lambda: watcher.imported() == ["one.csv"])
        assert "did not answer, or the connection was lost" in str(watcher.events("waiting")[0]["error"])
        assert watcher.end() == 0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("ssh-ed25519", b"has another host key than UPTILL_SFTP_HOST_KEY"),
        ("ecdsa-sha2-nistp256", b"the server has no key of the kind in UPTILL_SFTP_HOST_KEY"),
    ],
)
def test_another_host_key_is_refused_with_what_to_do(
    database_url: str, stand: SftpStand, kind: str, message: bytes
) -> None:
    (stand.root / "in" / "one.csv").write_text(table("one"))
    other = asyncssh.generate_private_key(kind).export_public_key().decode()
    done = run_ingest(
        database_url, "--watch", stand.address(), env=stand.settings(UPTILL_SFTP_HOST_KEY=other)
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert stores(database_url) == []


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"UPTILL_SFTP_HOST_KEY": None}, 2, "UPTILL_SFTP_HOST_KEY is not set: ask the operator of 127.0.0.1"),
        ({"UPTILL_SFTP_HOST_KEY": "what"}, 2, "UPTILL_SFTP_HOST_KEY is not a public key"),
        ({"UPTILL_SFTP_KEY": "what"}, 2, "UPTILL_SFTP_KEY cannot be read"),
        ({"UPTILL_SFTP_KEY": None}, 2, "neither UPTILL_SFTP_KEY nor UPTILL_SFTP_PASSWORD is set"),
        ({"UPTILL_SFTP_KEY": None, "UPTILL_SFTP_PASSWORD": "wrong"}, 1, "refuses the login"),
    ],
)
def test_a_login_that_cannot_be_used(
    database_url: str, stand: SftpStand, change: dict[str, str | None], status: int, message: str
) -> None:
    env = {name: value for name, value in {**stand.settings(), **change}.items() if value is not None}
    done = run_ingest(database_url, stand.address(), env=env)
    assert message in " ".join(done.stderr.decode().split())
    assert done.returncode == status


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sftp://127.0.0.1/in", "lacks the user or the host"),
        (f"sftp://{USER}:secret@127.0.0.1/in", "contains a password; put it into a file"),
        (f"sftp://{USER}@127.0.0.1:99999/in", "has an invalid port"),
        ("", "/in/none: it is not there"),
    ],
)
def test_an_address_that_names_nothing(
    database_url: str, stand: SftpStand, address: str, message: str
) -> None:
    done = run_ingest(database_url, address or stand.address("/in/none"), env=stand.settings())
    assert message in " ".join(done.stderr.decode().split())
    assert b"secret" not in done.stderr
    assert done.returncode == 1


def test_what_the_server_does_not_show_stops_nothing_else(
    database_url: str, stand: SftpStand, tmp_path: Path
) -> None:
    folder = stand.root / "in"
    (folder / "closed").mkdir()
    (folder / "closed" / "no.csv").write_text(table("no"))
    (folder / "denied.csv").write_text(table("denied"))
    stand.refused = {"denied.csv", "closed"}
    with watching(database_url, stand.address(), tmp_path / "log", stand.settings()) as watcher:
        eventually(lambda: "denied.csv" in watcher.imported())
        (folder / "one.csv").write_text(table("one"))
        eventually(lambda: "one.csv" in watcher.imported())
        assert watcher.end() == 0
        (denied,) = [one for one in watcher.events("imported") if str(one["source"]).endswith("denied.csv")]
        assert "permission denied" in str(denied["error"])
        assert [str(one["name"]).rpartition("/")[2] for one in watcher.events("left_out")] == ["closed"]
    assert stores(database_url) == ["one"]


@pytest.mark.parametrize("archive", [".", "/in", "x/.."])
def test_loaded_files_cannot_be_moved_into_the_watched_folder(
    database_url: str, stand: SftpStand, archive: str
) -> None:
    (stand.root / "in" / "one.csv").write_text(table("one"))
    done = run_ingest(
        database_url, "--watch", stand.address(), env=stand.settings(UPTILL_SFTP_ARCHIVE=archive)
    )
    assert (done.returncode, [one.name for one in (stand.root / "in").iterdir()]) == (2, ["one.csv"])
    assert b"UPTILL_SFTP_ARCHIVE names the watched folder itself" in done.stderr


def test_a_name_that_is_not_utf_8_costs_no_other_file(database_url: str, stand: SftpStand) -> None:
    folder = stand.root / "in"
    (folder / "dir\udcff").mkdir()
    for name, store in (("one.csv", "one"), ("b\udcff.csv", "two"), ("dir\udcff/100%.csv", "three")):
        (folder / name).write_text(table(store))
    done = run_ingest(database_url, stand.address(), env=stand.settings())
    assert done.returncode == 0, done.stderr
    assert sorted(stores(database_url)) == ["one", "three", "two"]
    # The names that are stored can be given back.
    with psycopg.connect(database_url) as conn:
        sources = [source for (source,) in conn.execute("select source from import")]
    again = run_ingest(database_url, *sources, env=stand.settings())
    assert again.stderr.decode().count("the same bytes were loaded") == 3, again.stderr


def test_a_file_that_grows_while_it_is_read_is_loaded_when_it_is_complete(
    database_url: str, stand: SftpStand, tmp_path: Path
) -> None:
    file = stand.root / "in" / "grows.csv"
    file.write_text(table("first"))
    grown: list[int] = []

    def grow(_: str) -> None:
        if not grown:
            grown.append(file.write_text(table("first", "second")))

    stand.on_read = grow
    with watching(database_url, stand.address(), tmp_path / "log", stand.settings()) as watcher:
        eventually(
            lambda: bool(watcher.imported()) and watcher.events("imported")[-1]["state"] == "succeeded"
        )
        assert watcher.end() == 0
        assert "changed while it was read" in str(watcher.events("imported")[0]["error"])
    assert sorted(stores(database_url)) == ["first", "second"]


def test_a_full_disk_of_the_server_leaves_loaded_files_until_there_is_room(
    database_url: str, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", 256, files=24) as disk, sftp_server(disk) as stand:
        (stand.root / "in" / "one.csv").write_text(table("one"))
        fillers = fill_with_files(disk)
        env = stand.settings(UPTILL_SFTP_ARCHIVE="/done/by/day")
        with watching(database_url, stand.address(), tmp_path / "log", env) as watcher:
            eventually(lambda: bool(watcher.events("not_archived")))
            assert (stand.root / "in" / "one.csv").exists()
            for filler in fillers:
                filler.unlink()
            eventually((stand.root / "done" / "by" / "day" / "one.csv").exists)
            assert watcher.imported() == ["one.csv"]
            assert watcher.end() == 0
    assert stores(database_url) == ["one"]


def fill_with_files(disk: Path) -> list[Path]:
    """Make files until the disk takes no more of them."""
    made: list[Path] = []
    with suppress(OSError):
        for number in count():
            made.append(disk / f"filler-{number}")
            made[-1].touch()
    return made[:-1]
