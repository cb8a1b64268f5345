"""Timestamps: the grammar, and the vectorised decoder compared with it."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse.instants import decode_instants, parse_instant
from shared.clock import to_us

POLL = to_us(datetime(2024, 10, 14, 23, 55, 18, 727055, tzinfo=UTC))
WHOLE = to_us(datetime(2024, 10, 14, 23, 55, 18, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-10-14 23:55:18.727055 UTC", POLL),
        ("2024-10-14T23:55:18.727055Z", POLL),
        ("2024-10-14 23:55:18.727055+00:00", POLL),
        ("2024-10-15 05:40:18.727055+0545", POLL),
        ("2024-10-14 18:55:18.727055-05", POLL),
        (" 2024-10-14 23:55:18.727055999 UTC ", POLL),
        ("2024-10-14 23:55:18 UTC", WHOLE),
        ("2024-10-14 23:55:18.7 UTC", WHOLE + 700_000),
        ("2024-02-29 00:00:00 UTC", to_us(datetime(2024, 2, 29, tzinfo=UTC))),
        ("2000-01-01 00:00:00 UTC", to_us(datetime(2000, 1, 1, tzinfo=UTC))),
        ("2100-12-31 23:59:59 UTC", to_us(datetime(2100, 12, 31, 23, 59, 59, tzinfo=UTC))),
        ("2024-10-14 23:55:18", "tz_missing"),
        ("2024-10-14 23:55:18 EST", "timestamp"),
        ("2024-10-14 23:55:18. UTC", "timestamp"),
        ("2024-10-14 24:00:00 UTC", "timestamp"),
        ("2024-10-14 23:55:60 UTC", "timestamp"),
        ("2024-10-14 23:60:00 UTC", "timestamp"),
        ("2023-02-29 00:00:00 UTC", "timestamp"),
        ("2024-02-30 00:00:00 UTC", "timestamp"),
        ("2024-13-01 00:00:00 UTC", "timestamp"),
        ("2024-00-01 00:00:00 UTC", "timestamp"),
        ("2024-10-14 23:55:18 +24:00", "timestamp"),
        ("01/02/2023 00:00:00 UTC", "timestamp"),
        ("1728950118", "timestamp"),
        ("now", "timestamp"),
        ("infinity", "timestamp"),
        ("", "timestamp"),
        ("٢024-10-14 23:55:18 UTC", "timestamp"),
        ("1999-12-31 23:59:59 UTC", "timestamp_range"),
        ("2101-01-01 00:00:00 UTC", "timestamp_range"),
        ("0000-01-01 00:00:00 UTC", "timestamp_range"),
        ("2000-01-01 00:00:00+01:00", "timestamp_range"),
    ],
)
def test_grammar(text: str, expected: int | str) -> None:
    assert parse_instant(text) == expected
    decoded_us, decoded = _decode([text])
    assert not decoded[0] or decoded_us[0] == expected


def test_the_usual_forms_are_decoded_vectorised() -> None:
    texts = [
        f"2024-10-14{separator}23:55:18{fraction}{zone}"
        for separator in " T"
        for fraction in ("", ".7", ".72", ".727", ".7270", ".72705", ".727055")
        for zone in (" UTC", "Z", "+00:00")
    ]
    decoded_us, decoded = _decode(texts)
    assert decoded.all()
    assert decoded_us.tolist() == [parse_instant(text) for text in texts]


_ALMOST = st.builds(
    lambda at, separator, fraction, zone, place, char: _spoilt(
        f"{at:%Y-%m-%d}{separator}{at:%H:%M:%S}{fraction}{zone}", place, char
    ),
    st.datetimes().map(lambda at: at.replace(year=1990 + at.year % 120, day=min(at.day, 28))),
    st.sampled_from(" T-"),
    st.from_regex(r"(\.[0-9]{0,8})?", fullmatch=True),
    st.sampled_from([" UTC", "Z", "+00:00", "+01:00", "", " EST"]),
    st.integers(0, 60),
    st.one_of(st.just(""), st.sampled_from(list("0129:.- /TZa")), st.characters(codec="utf-8")),
)


def _spoilt(text: str, place: int, char: str) -> str:
    return text[:place] + char + text[place + 1 :] if char else text


@given(st.lists(st.one_of(_ALMOST, st.text(max_size=40)), max_size=20))
def test_the_vectorised_decoder_agrees_with_the_grammar(texts: list[str]) -> None:
    decoded_us, decoded = _decode(texts)
    for text, us, ok in zip(texts, decoded_us.tolist(), decoded.tolist(), strict=True):
        assert not ok or parse_instant(text) == us


def _decode(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    fields = [text.encode() for text in texts]
    ends = np.cumsum([len(field) for field in fields], dtype=np.int64)
    starts = ends - np.array([len(field) for field in fields], np.int64)
    return decode_instants(b"".join(fields) + bytes(64), starts, ends)
