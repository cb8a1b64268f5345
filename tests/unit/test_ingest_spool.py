"""The spool: unknown files, lists of files, failed uploads, and limits of its size."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from services.ingest.http import spool as spool_module
from services.ingest.http.spool import Spool
from services.ingest.http.spool_room import SpoolRoom
from services.ingest.http.spooled_files import file_name, list_files
from shared.errors import SpoolUnavailable, StorageFull, UploadLost
from shared.ids import new_id


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool.open(str(tmp_path / "spool"))
    yield spool
    spool.close()


def put(spool: Spool, *names: str, body: bytes = b"x") -> UUID:
    """Receive an upload with these files."""
    import_id = new_id()
    with spool.receiving(import_id) as folder:
        for number, name in enumerate(names):
            (folder / file_name(number, name)).write_bytes(body)
        list_files(folder, names, [hashlib.sha256(body).digest()] * len(names))
    return import_id


def folder_of(spool: Spool) -> Path:
    return Path(spool.place.partition(":")[2])


def test_unknown_files_are_left_alone_and_logged_once(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    upload, folder = put(spool, "a.csv"), folder_of(spool)
    (folder / "lost+found").mkdir(mode=0)
    (folder / "note.txt").touch()
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "linked.part").symlink_to(folder / "lost+found")
    (folder / "file.part").touch()
    (folder / str(new_id()).upper()).mkdir()
    (folder / str(new_id())).symlink_to(folder / str(upload))
    (folder / str(new_id())).touch()
    told: list[str] = []
    # Not structlog's capture_logs: it misses a logger that an earlier test has used.
    monkeypatch.setattr(spool_module, "_log", SimpleNamespace(warning=lambda _, name: told.append(name)))
    for _ in range(2):
        assert spool.uploads() == [upload]
    assert told.count("lost+found") == 1
    spool.forget_failed(keep_s=-1)
    spool.close()
    again = Spool.open(str(folder))  # and so does the next start
    assert again.uploads() == [upload]
    assert {"lost+found", "note.txt", "file.part", "linked.part"} <= {path.name for path in folder.iterdir()}
    assert spool.spool_id == again.spool_id
    spool._lock = again._lock


def test_a_file_name_of_any_length_is_kept(spool: Spool) -> None:
    names = ("Б" * 255, "../../a.csv", "a b%20.csv")
    assert tuple(file.name for file in spool.files(put(spool, *names))) == names


def test_an_upload_of_the_previous_release_has_no_list(spool: Spool) -> None:
    upload = put(spool, "a.csv", "b.csv")
    (folder_of(spool) / f"{upload}.json").unlink()
    assert [file.name for file in spool.files(upload)] == ["a.csv", "b.csv"]


def test_an_upload_with_changed_files_is_lost(spool: Spool) -> None:
    for harm in (Path.unlink, lambda path: path.write_bytes(b"longer"), lambda path: os.truncate(path, 0)):
        upload = put(spool, "a.csv", "b.csv")
        harm(folder_of(spool) / str(upload) / file_name(1, "b.csv"))
        with pytest.raises(UploadLost, match=r"b\.csv"):
            spool.files(upload)
    spool.remove(upload)
    assert not spool.holds(upload)
    with pytest.raises(UploadLost):
        spool.files(upload)


def test_a_file_that_changed_and_kept_its_length_is_lost(spool: Spool) -> None:
    upload = put(spool, "a.csv", "b.csv", body=b"0123456789" * 200_000)
    file = folder_of(spool) / str(upload) / file_name(1, "b.csv")
    blocks: list[None] = []
    spool.files(upload, lambda: blocks.append(None))
    read_once = len(blocks)
    spool.files(upload, lambda: blocks.append(None))
    assert read_once == len(blocks) == 4  # what did not change is not read again
    with file.open("r+b") as opened:
        opened.seek(1_500_000)
        opened.write(b"x")
    with pytest.raises(UploadLost, match=r"b\.csv.*SHA-256"):
        spool.files(upload)


def test_a_list_of_the_release_before_has_no_digests(spool: Spool) -> None:
    upload = put(spool, "a.csv")
    listed = folder_of(spool) / f"{upload}.json"
    (entry,) = json.loads(listed.read_bytes())
    del entry["sha256"]
    listed.write_text(json.dumps([entry]), encoding="utf-8")
    assert [file.name for file in spool.files(upload)] == ["a.csv"]


def test_failed_uploads_are_kept_for_a_while(spool: Spool) -> None:
    upload = put(spool, "a.csv")
    aside = spool.put_aside(upload)
    assert spool.uploads() == []
    assert sorted(path.name for path in aside.iterdir()) == ["0000-a.csv", "files.json"]
    spool.forget_failed()
    assert aside.is_dir()
    os.utime(aside, (0, 0))
    spool.forget_failed()
    assert not aside.exists()


def test_an_incomplete_upload_leaves_nothing(spool: Spool) -> None:
    with pytest.raises(RuntimeError), spool.receiving(new_id()):
        raise RuntimeError
    folder = folder_of(spool)
    assert [path for path in folder.iterdir() if not path.name.startswith(".")] == []
    (folder / ".id").unlink()
    (folder / ".lock").unlink()
    folder.rmdir()
    with pytest.raises(SpoolUnavailable, match="No such file"), spool.receiving(new_id()):
        pass


def test_room_for_what_waits_and_three_times_as_much(tmp_path: Path) -> None:
    room = SpoolRoom(tmp_path, reserve_bytes=0, quota_bytes=0)
    free = room.free_bytes()
    room.take(new_id(), 1000)
    with pytest.raises(StorageFull, match="3 times the spooled"):
        room.take(new_id(), 0, expected_bytes=free // 3)
    with pytest.raises(StorageFull, match="UPTILL_SPOOL_RESERVE_BYTES"):
        SpoolRoom(tmp_path, reserve_bytes=2 * free, quota_bytes=0).take(new_id(), 0)


def test_a_quota_counts_what_others_hold_until_it_is_gone(tmp_path: Path) -> None:
    room = SpoolRoom(tmp_path, reserve_bytes=0, quota_bytes=1000)
    first, second = new_id(), new_id()
    room.take(first, 600)
    room.take(second, 400)
    with pytest.raises(StorageFull, match="UPTILL_SPOOL_MAX_BYTES"):
        room.take(second, 401)
    with pytest.raises(StorageFull):
        room.take(second, 0, expected_bytes=500)  # refused before it is sent
    room.free(first)
    room.take(second, 1000)
    assert room.spooled_bytes == 1000


def test_a_restart_counts_the_spooled_bytes(spool: Spool) -> None:
    put(spool, "a.csv", "b.csv", body=b"x" * 100)
    spool.close()
    again = Spool.open(str(folder_of(spool)), quota_bytes=250)
    assert again.room.spooled_bytes == 200
    with pytest.raises(StorageFull):
        again.room.take(new_id(), 51)
    spool._lock = again._lock
