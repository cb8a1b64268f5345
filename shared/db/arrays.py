"""Arrays as parameters: the bytes that Postgres reads, of numbers and instants made by numpy.

psycopg's own arrays take several calls of Python per element.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Dumper
from psycopg.pq import Format

_INT4, _INT8, _FLOAT4, _TIMESTAMPTZ, _BYTEA, _TEXT = (
    psycopg.postgres.types[name] for name in ("int4", "int8", "float4", "timestamptz", "bytea", "text")
)
_HEADER: Final = np.dtype([(name, ">i4") for name in ("dimensions", "has_nulls", "oid", "length", "first")])
_POSTGRES_EPOCH_US: Final = 946_684_800_000_000  # 2000-01-01


@dataclass(frozen=True)
class _BinaryArray:
    data: bytes


class KeyArray(_BinaryArray):
    """A parameter of type integer[], in the binary format."""


class IntArray(_BinaryArray):
    """A parameter of type bigint[], in the binary format."""


class InstantArray(_BinaryArray):
    """A parameter of type timestamptz[], in the binary format."""


class RealArray(_BinaryArray):
    """A parameter of type real[], in the binary format."""


class ByteArray(_BinaryArray):
    """A parameter of type bytea[], in the binary format."""


class TextArray(_BinaryArray):
    """A parameter of type text[], in the binary format."""


def key_array(keys: Iterable[int] | NDArray[np.int64]) -> KeyArray:
    """Return keys of stores as a parameter."""
    return KeyArray(_encode(_INT4.oid, np.dtype(">i4"), _as_numbers(keys)))


def int_array(values: Iterable[int] | NDArray[np.int64]) -> IntArray:
    """Return numbers as a parameter."""
    return IntArray(_encode(_INT8.oid, np.dtype(">i8"), _as_numbers(values)))


def instant_array(instants_us: NDArray[np.int64], missing_us: int | None = None) -> InstantArray:
    """Return instants, given in microseconds since 1970, as a parameter. `missing_us` stands for none: -infinity."""
    values = instants_us - _POSTGRES_EPOCH_US
    if missing_us is not None:
        values = np.where(instants_us == missing_us, np.iinfo(np.int64).min, values)
    return InstantArray(_encode(_TIMESTAMPTZ.oid, np.dtype(">i8"), values))


def real_array(values: NDArray[np.float64]) -> RealArray:
    """Return numbers as a parameter, rounded."""
    return RealArray(_encode(_FLOAT4.oid, np.dtype(">f4"), values))


def byte_array(rows: NDArray[np.uint8]) -> ByteArray:
    """Return rows of equally many bytes as a parameter."""
    return ByteArray(_encode(_BYTEA.oid, np.dtype((np.uint8, rows.shape[1:])), rows))


def text_array(texts: Collection[str]) -> TextArray:
    """Return texts as a parameter."""
    data = bytearray(_encode_header(_TEXT.oid, len(texts)))
    # There may be millions, so no list of them is made.
    for value in map(str.encode, texts):
        data += len(value).to_bytes(4)
        data += value
    return TextArray(bytes(data))


def _as_numbers(values: Iterable[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    return values if isinstance(values, np.ndarray) else np.array(list(values), dtype=np.int64)


def _encode(oid: int, element: np.dtype[Any], values: NDArray[np.number[Any]]) -> bytes:
    elements = np.empty(len(values), dtype=[("size", ">i4"), ("value", element)])
    elements["size"], elements["value"] = element.itemsize, values
    return _encode_header(oid, len(values)) + elements.tobytes()


def _encode_header(oid: int, length: int) -> bytes:
    return np.array([(1, 0, oid, length, 1)], dtype=_HEADER).tobytes()


class _BinaryArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: _BinaryArray) -> bytes:
        return obj.data


for _kind, _element in (
    (KeyArray, _INT4),
    (IntArray, _INT8),
    (InstantArray, _TIMESTAMPTZ),
    (RealArray, _FLOAT4),
    (ByteArray, _BYTEA),
    (TextArray, _TEXT),
):
    psycopg.adapters.register_dumper(
        _kind, type(f"_{_kind.__name__}Dumper", (_BinaryArrayDumper,), {"oid": _element.array_oid})
    )
