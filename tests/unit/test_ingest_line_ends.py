"""Line ends: LF and CRLF may be mixed; everything else that leaves a row's end open is refused, with the fix."""

import pytest

from services.ingest.parse.chunks import MAX_LINE_BYTES, open_table
from services.ingest.parse.polls import PollParser
from services.ingest.parse.reasons import FILE_REASONS
from shared.errors import BadInputFile
from tests.unit.test_ingest_instants import POLL

HEADER = b"store_id,status,timestamp_utc"
A, B = b"a,active,2024-10-14 23:55:18 UTC", b"b,active,2024-10-14 23:55:18 UTC"


def load(data: bytes, block_bytes: int = 1 << 20) -> list[tuple[int, str]]:
    """Return the rejected rows of a file as (line, reason)."""
    blocks = (data[start : start + block_bytes] for start in range(0, len(data), block_bytes))
    layout, chunks = open_table(blocks)
    parser = PollParser(layout)
    parsed = [parser.parse_chunk(chunk, POLL + 3_600_000_000) for chunk in chunks]
    return [(reject.line, reject.reason) for chunk in parsed for reject in chunk.rejects]


@pytest.mark.parametrize(
    "data",
    [
        b"\n".join([HEADER, A, B, b""]),
        b"\r\n".join([HEADER, A, B, b""]),
        HEADER + b"\r\n" + A + b"\n" + B + b"\r\n",
        HEADER + b"\n" + A + b"\r\n" + B + b"\n",
        HEADER + b"\n" + A + b"\r",
        HEADER + b"\r\n" + A + b"\r\n\r\n\n" + B + b"\r",
        HEADER + b"\n" + A,
        b"\r\n\n" + HEADER + b"\r\n" + A + b"\n",
        b"sep=,\r\n" + HEADER + b"\n" + A + b"\r\n",
    ],
)
def test_lf_and_crlf_may_be_mixed(data: bytes) -> None:
    for block_bytes in (1, 7, 1 << 20):
        assert load(data, block_bytes) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\r\r\n".join([HEADER, A, B, b""]), "line 1 ends in CR CR LF"),
        (HEADER + b"\r\n" + A + b"\r\r\n" + B + b"\r\n", "line 2 ends in CR CR LF"),
        (HEADER + b"\n" + A + b"\n" + B + b"\r\r", "line 3 ends in CR CR LF"),
        (HEADER + b"\n" + A + b"\n\r\r\n" + B + b"\n", "line 3 ends in CR CR LF"),
        (HEADER + b"\n" + A + b"\r\r\r\n", "line 2 ends in CR CR LF"),
        (HEADER + b"\r" + A + b"\r" + B + b"\r", "line 1 has a CR without LF"),
        (HEADER + b"\r" + A + b"\n" + B + b"\n", "line 1 has a CR without LF"),
        (HEADER + b"\n" + A + b"\r" + B + b"\n", "line 2 has a CR without LF"),
        (HEADER + b"\r\n" + A + b"\r" + B + b"\r\n", "line 2 has a CR without LF"),
        (HEADER + b"\n\r" + A + b"\n\r" + B, "line 2 has a CR without LF"),
        (HEADER + b"\n" + A + b"\na\rb,active,2024-10-14 23:55:18 UTC\n", "line 3 has a CR without LF"),
        (HEADER + b"\n" + A + b'\n"b",active\r,2024-10-14 23:55:18 UTC\n', "line 3 has a CR without LF"),
        (HEADER + b"\r" + b"\r".join([A] * 3000), "line 1 has a CR without LF"),
        (b"\xef\xbb\xbf" + HEADER + b"\r" + A, "line 1 has a CR without LF"),
    ],
)  # fmt: skip
def test_an_unclear_end_is_refused(data: bytes, message: str) -> None:
    for block_bytes in (3, 1 << 20):
        with pytest.raises(BadInputFile, match=message) as refusal:
            load(data, block_bytes)
        assert refusal.value.reason == "line_ends"
        assert refusal.value.reason in FILE_REASONS
        assert "LF or CRLF" in str(refusal.value)


def test_a_body_of_cr_only_below_a_good_header() -> None:
    with pytest.raises(BadInputFile, match="line 2 has a CR without LF"):
        load(HEADER + b"\n" + b"\r".join([A] * (3 * MAX_LINE_BYTES // len(A))))


def test_a_cr_in_quotes_rejects_its_row_only() -> None:
    assert load(b"\n".join([HEADER, b'"a\rb",active,2024-10-14 23:55:18 UTC', A, b""])) == [
        (2, "control_character")
    ]
    assert load(b"\n".join([HEADER, b'a,active,"x\ry', b'z"', A, b""])) == [(2, "quoting"), (3, "quoting")]
