"""Unpacking: gzip streams cut anywhere, damage of any kind, and bombs only ever raise `BadInputFile`."""

import gzip
import io
import random
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse.reasons import FILE_REASONS
from services.ingest.sources.gzip_streams import decompress, gunzip
from services.ingest.sources.unpacking_limits import FREE_BYTES
from services.ingest.sources.zip_archives import ZipMember, buffer_archive, list_members
from shared.errors import BadInputFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


@dataclass(frozen=True)
class InMemory:
    """An archive in memory."""

    data: bytes
    name: str = "archive.zip"

    def open_seekable(self) -> io.RawIOBase:
        return Raw(self.data)


class Raw(io.RawIOBase):
    """Bytes as an unbuffered file."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        return self._inner.tell()

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        return self._inner.readinto(buffer)


def members_of(data: bytes) -> list[ZipMember]:
    archive = InMemory(data)
    return list_members(archive, buffer_archive(archive.open_seekable()))[0]


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


@given(parts=st.lists(st.binary(max_size=2000), min_size=1, max_size=4), size=st.integers(1, 300))
def test_gzip_members_one_after_another(parts: list[bytes], size: int) -> None:
    packed = b"".join(gzip.compress(part) for part in parts) + bytes(size % 7)
    assert b"".join(decompress(blocks(packed, size))) == b"".join(parts)


@given(
    data=st.binary(max_size=2000).filter(lambda data: not data.startswith(b"\x1f\x8b")),
    size=st.integers(1, 300),
)
def test_bytes_that_are_not_gzip_stay_as_they_are(data: bytes, size: int) -> None:
    assert b"".join(decompress(blocks(data, size))) == data


@given(data=st.binary(max_size=500), share=st.floats(0, 0.999))
def test_a_gzip_stream_that_is_cut_off(data: bytes, share: float) -> None:
    packed = gzip.compress(data)
    cut = packed[: max(1, int(len(packed) * share))]
    with pytest.raises(BadInputFile) as refusal:
        b"".join(gunzip(blocks(cut, 64)))
    assert refusal.value.reason == "truncated"


def test_a_bomb_is_stopped_early() -> None:
    packed = gzip.compress(bytes(4 * FREE_BYTES))
    passed = 0
    stream = gunzip(blocks(packed, 4096))

    def pass_all() -> None:
        nonlocal passed
        for block in stream:
            passed += len(block)

    with pytest.raises(BadInputFile) as refusal:
        pass_all()
    assert refusal.value.reason == "ratio"
    assert passed <= FREE_BYTES + 200 * len(packed)


def test_damage_of_any_kind_is_a_refusal() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(f"{name}.csv", b"a,active,2024-01-01 00:00:00 UTC\n" * 100)
    reasons = Counter(_outcome(packed.getvalue(), random.Random(seed)) for seed in range(500))
    assert reasons.keys() - {"none"} <= FILE_REASONS.keys()
    assert reasons["damaged"] + reasons["name"] > 200  # a damaged name is found first
    assert reasons["truncated"] > 20


def _outcome(archive: bytes, dice: random.Random) -> str:
    data = bytearray(archive)
    for _ in range(dice.randint(1, 8)):
        data[dice.randrange(len(data))] = dice.randrange(256)
    try:
        for member in members_of(bytes(data[: dice.choice([len(data), dice.randrange(len(data))])])):
            assert sum(map(len, member.read_blocks())) <= 10_000
    except BadInputFile as refusal:
        return refusal.reason
    return "none"


def test_names_in_an_archive_are_only_names() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in (
            "../../up.csv",
            "/root.csv",
            "__MACOSX/._polls.csv",
            "folder/.hidden.csv",
            "readme.pdf",
            "B.CSV",
        ):
            archive.writestr(name, b"x")
    found = [member.name for member in members_of(packed.getvalue())]
    assert found == ["archive.zip/../../up.csv", "archive.zip//root.csv", "archive.zip/B.CSV"]


def test_what_is_left_out_of_an_archive_is_listed_with_the_reason() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in ("a.csv", "b.tsv.gz", "c.TXT", "folder/", "inner.zip", "read.me", ".hidden.csv"):
            archive.writestr(name, b"x")
    archive_source = InMemory(packed.getvalue())
    members, left_out = list_members(archive_source, buffer_archive(archive_source.open_seekable()))
    assert [member.info.filename for member in members] == ["a.csv", "b.tsv.gz", "c.TXT"]
    assert [(one.name, one.reason.split(";")[0]) for one in left_out] == [
        ("archive.zip/inner.zip", "it is an archive inside the archive"),
        ("archive.zip/read.me", "its name does not end in .csv, .tsv or .txt (or these with .gz)"),
        ("archive.zip/.hidden.csv", "it is hidden"),
    ]


def test_files_of_one_name_in_an_archive_are_refused_and_the_others_read() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in ("a.csv", "b.csv", "a.csv", "~$b.csv"):
            archive.writestr(name, b"x")
    source = InMemory(packed.getvalue())
    members, left_out = list_members(source, buffer_archive(source.open_seekable()))
    assert [(member.info.filename, member.is_doubled) for member in members] == [
        ("a.csv", True),
        ("b.csv", False),
        ("a.csv", True),
    ]
    with pytest.raises(BadInputFile, match="several files of this name") as refusal:
        next(members[0].read_blocks())
    assert refusal.value.reason == "name"
    assert [(one.name, one.reason) for one in left_out] == [
        ("archive.zip/~$b.csv", "it is the lock file of a spreadsheet program")
    ]
