"""What may follow the end of gzip data: another member, or padding of NUL bytes. Anything else is refused by name."""

import gzip

import pytest

from services.ingest.sources.gzip_streams import gunzip
from shared.errors import BadInputFile

ONE, TWO = gzip.compress(b"one\n" * 1000, mtime=0), gzip.compress(b"two\n" * 1000, mtime=0)
KB = 1024


def unpack(data: bytes, block_bytes: int) -> bytes:
    return b"".join(gunzip(data[start : start + block_bytes] for start in range(0, len(data), block_bytes)))


@pytest.mark.parametrize("block_bytes", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    ("data", "unpacked"),
    [
        (ONE, b"one\n" * 1000),
        (ONE + TWO, b"one\n" * 1000 + b"two\n" * 1000),
        (ONE + bytes(1), b"one\n" * 1000),
        (ONE + bytes(10 * KB), b"one\n" * 1000),
        (ONE + TWO + bytes(64 * KB), b"one\n" * 1000 + b"two\n" * 1000),
        (ONE + gzip.compress(b"", mtime=0), b"one\n" * 1000),
        (gzip.compress(b"", mtime=0) + ONE, b"one\n" * 1000),
        (ONE * 50, b"one\n" * 50_000),
    ],
    ids=["one", "two", "one NUL", "padded", "two and padded", "empty last", "empty first", "fifty"],
)
def test_members_and_padding_are_read(data: bytes, unpacked: bytes, block_bytes: int) -> None:
    assert unpack(data, block_bytes) == unpacked


@pytest.mark.parametrize("block_bytes", [1, 2, 7, 1 << 20])
@pytest.mark.parametrize(
    "tail",
    [
        b"x",
        b"\n",
        b"\x1f",
        b"garbage",
        b"store_id,status\n",
        b"a,active,2024-10-14 12:00:00 UTC\n" * 1000,
        b"PK\x03\x04rest",
        bytes(100) + b"x",
        bytes(100) + TWO,  # a part in between may be lost
        bytes(64 * KB + 1),
        b"\xff" * 9,
        b"\x1a",
    ],
    ids=lambda tail: f"{tail[:4]!r}-{len(tail)}",
)
def test_other_bytes_after_the_end_are_refused(tail: bytes, block_bytes: int) -> None:
    with pytest.raises(BadInputFile) as refusal:
        unpack(ONE + tail, block_bytes)
    assert refusal.value.reason == "damaged"
    assert f"the gzip data end at byte {len(ONE):,}" in str(refusal.value)
    assert "gzip -dc" in str(refusal.value)


@pytest.mark.parametrize("cut", [1, 4, 8, 9, len(TWO) // 2, len(TWO) - 2])
def test_a_member_that_is_cut_off_is_truncated(cut: int) -> None:
    for data in (ONE[: len(ONE) - min(cut, len(ONE) - 2)], ONE + TWO[: len(TWO) - cut]):
        with pytest.raises(BadInputFile) as refusal:
            unpack(data, 7)
        assert refusal.value.reason == "truncated"


def test_nul_bytes_in_the_place_of_the_rest_are_damage() -> None:
    with pytest.raises(BadInputFile) as refusal:
        unpack(ONE[: len(ONE) // 2] + bytes(len(ONE) // 2), 7)
    assert refusal.value.reason in {"damaged", "truncated"}
