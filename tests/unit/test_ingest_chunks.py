"""Cutting a stream: whole lines, exact positions, bounded memory; files that are not tables are refused."""

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse.chunk import Checkpoint, Chunk
from services.ingest.parse.chunks import MAX_LINE_BYTES, Prefix, PrefixDiffers, open_table
from services.ingest.parse.reasons import FILE_REASONS
from shared.errors import BadInputFile

HEADER = b"store_id,status,timestamp_utc\n"


def blocks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def cut(data: bytes, *, block_bytes: int = 7, chunk_bytes: int = 64) -> list[Chunk]:
    return list(open_table(blocks(data, block_bytes), chunk_bytes)[1])


@given(
    lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=30),
    final_newline=st.booleans(),
    block_bytes=st.integers(1, 100),
    chunk_bytes=st.integers(1, 100),
)
def test_chunks_are_the_file_below_its_header(
    lines: list[bytes], *, final_newline: bool, block_bytes: int, chunk_bytes: int
) -> None:
    body = b"\n".join(lines) + (b"\n" if final_newline and lines else b"")
    data = HEADER + body
    chunks = cut(data, block_bytes=block_bytes, chunk_bytes=chunk_bytes)
    whole = body if body.endswith(b"\n") or not body else body + b"\n"
    assert b"".join(chunk.data for chunk in chunks) == whole
    place = len(HEADER)
    for chunk in chunks:
        assert chunk.checkpoint.prefix_sha256 == hashlib.sha256(data[: chunk.end_byte]).digest()
        assert chunk.checkpoint.end_line == chunk.first_line - 1 + chunk.data.count(b"\n")
        assert chunk.first_byte == place
        assert data[place : chunk.end_byte] in (chunk.data, chunk.data[:-1])
        assert chunk.first_line == 1 + data[:place].count(b"\n")
        place = chunk.end_byte
    assert place == len(data)


def test_an_endless_line_is_skipped_in_bounded_memory() -> None:
    good = b"a,active,2024-01-01 00:00:00 UTC\n"
    data = HEADER + good + b"x" * (50 * MAX_LINE_BYTES) + b"\n" + good
    chunks = cut(data, block_bytes=4096, chunk_bytes=MAX_LINE_BYTES)
    assert max(len(chunk.data) for chunk in chunks) <= MAX_LINE_BYTES + 2
    assert chunks[-1].data == good
    assert chunks[-1].first_byte == len(data) - len(good)
    assert chunks[-1].first_line == 4


def test_an_endless_last_line_ends_with_the_file() -> None:
    data = HEADER + b"x" * (3 * MAX_LINE_BYTES)
    chunks = cut(data, block_bytes=4096, chunk_bytes=4096)
    assert [chunk.end_byte for chunk in chunks] == [len(data)]


def test_bytes_are_counted_and_hashed_on_the_way() -> None:
    data = HEADER + b"x" * (3 * MAX_LINE_BYTES) + b"\ny"
    prefix = Prefix()
    list(open_table(blocks(data, 4096), 4096, prefix=prefix)[1])
    assert (prefix.size_bytes, prefix.lines) == (len(data), 3)
    assert prefix.digest.digest() == hashlib.sha256(data).digest()


ROWS = b"".join(b"store-%d,active,2024-01-01 00:00:00 UTC\n" % row for row in range(40))


@given(at=st.integers(0, 1 << 30), block_bytes=st.integers(1, 300), final_newline=st.booleans())
def test_cutting_resumes_after_a_checkpoint(at: int, block_bytes: int, *, final_newline: bool) -> None:
    data = HEADER + (ROWS if final_newline else ROWS[:-1])
    chunks = cut(data, chunk_bytes=200)
    done = at % len(chunks)
    _, rest = open_table(blocks(data, block_bytes), 200, resume_at=chunks[done].checkpoint)
    assert list(rest) == chunks[done + 1 :]


@pytest.mark.parametrize(
    "data",
    [
        HEADER + ROWS.replace(b"store-3,", b"store-4,"),
        HEADER.replace(b"status", b"Status") + ROWS,
        HEADER + ROWS[:100],
        b"a," + HEADER.replace(b"\n", b"," + b"x" * 500 + b"\n") + ROWS,
    ],
)
def test_different_bytes_before_the_checkpoint_are_detected(data: bytes) -> None:
    checkpoint = cut(HEADER + ROWS, chunk_bytes=200)[1].checkpoint
    with pytest.raises(PrefixDiffers):
        open_table(blocks(data, 64), 200, resume_at=checkpoint)


def test_a_line_that_grew_after_the_checkpoint_is_detected() -> None:
    checkpoint = cut(HEADER + ROWS[:-1], chunk_bytes=4096)[-1].checkpoint
    assert checkpoint == Checkpoint(len(HEADER + ROWS) - 1, 41, hashlib.sha256(HEADER + ROWS[:-1]).digest())
    with pytest.raises(PrefixDiffers):
        open_table(blocks(HEADER + ROWS, 64), resume_at=checkpoint)


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf", b"\n\r\n", b"\xef\xbb\xbf\n \n"])
def test_header_with_byte_order_mark_and_blank_lines(start: bytes) -> None:
    layout, _ = open_table(blocks(start + b" Timestamp UTC,STORE_ID , extra,status\r\n", 3))
    assert layout.kind == "polls"
    assert layout.columns == (1, 3, 0)
    assert layout.width == 4


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("store_id,dayOfWeek,start_time_local,end_time_local", "hours"),
        ("store_id,day,start_time_local,end_time_local", "hours"),
        ("store_id,day_of_week,start_time_local,end_time_local", "hours"),
        ("store_id,timezone_str", "timezones"),
        ('"timezone","store_id"', "timezones"),
        ("store_id,status,timestamp_utc,region,timestamp_local,day_of_week", "polls"),
    ],
)
def test_kind_by_header(header: str, kind: str) -> None:
    assert open_table(iter([header.encode()]))[0].kind == kind


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty_file"),
        (b"\n \n", "empty_file"),
        (b"a,b,c\n", "header"),
        (b"store_id,status\n", "header"),
        (b"fca2,active,2024-10-04 00:08:00 UTC\n", "header"),
        (b"store_id,status,Status,timestamp_utc\n", "header"),
        (b"store_id,status,timestamp_utc,timezone\n", "header"),
        (b'"store_id,status\n', "header"),
        (b"x" * (2 * MAX_LINE_BYTES), "header"),
        (b"store_id;status,timestamp_utc\n", "header"),
        (b"sep=;\nstore_id,status,timestamp_utc\n", "header"),
        ("store_id,status\n".encode("utf-16"), "encoding"),
        ("store_id,status\n".encode("utf-16-le"), "encoding"),
        (b"store_id,\xff,status\n", "encoding"),
        (b"PK\x03\x04rest", "magic"),
        (b"\x1f\x8brest", "magic"),
        (b"PAR1rest", "magic"),
    ],
)
def test_refused_files(data: bytes, reason: str) -> None:
    with pytest.raises(BadInputFile) as refusal:
        open_table(blocks(data, 16))
    assert refusal.value.reason == reason
    assert reason in FILE_REASONS


@pytest.mark.parametrize(
    ("header", "hint"),
    [
        (b"# exported 2024-10-14", "Comments are not read: remove the lines above the header"),
        (b"#store_id,status,timestamp_utc", "and a # in front of it"),
        (b"store_id,starts_at,ends_at,treatment,reason", "To be a file of closures it lacks note"),
        (b"store_id;status", "To be a file of polls it lacks timestamp_utc"),
        (b"store_id,status,status,timestamp_utc", "Keep one of these columns"),
    ],
)
def test_a_refused_header_says_what_to_change(header: bytes, hint: str) -> None:
    with pytest.raises(BadInputFile, match=hint):
        open_table(iter([header + b"\n"]))
