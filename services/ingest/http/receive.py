"""Streams the body of an upload into the spool, as it comes: one file, or the files of a form. Knows no CSV.

A block is on its way to the disk before the next one is read: a fast sender waits for a slow disk.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool

from services.ingest.http.bodies import announced_bytes, media_type, refuse_longer
from services.ingest.http.spool_errors import spool_errors_named
from services.ingest.http.spooled_files import file_name, list_files
from services.ingest.sources.file_names import find_name_fault as name_fault
from shared.errors import BodyTooLarge, InvalidRequest, UnsupportedMediaType

FORM = "multipart/form-data"
RAW_TYPES = frozenset(
    {
        "",
        "text/csv",
        "text/plain",
        "application/csv",
        "application/octet-stream",
        "application/gzip",
        "application/x-gzip",
        "application/zip",
        "application/x-zip-compressed",
    }
)
OPTIONS = frozenset({"status", "date_format", "assume_utc", "effective_from"})
_MAX_OPTION_BYTES = 1000
_CODINGS = frozenset({"", "identity", "gzip", "x-gzip"})
_MAX_FILES = 1000
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Received:
    """What came: the names of the files, and the bytes and SHA-256 of all of them together.

    `options` are the form's parts without a file, by name: some of `OPTIONS`.
    """

    names: list[str]
    size_bytes: int
    sha256: bytes
    options: Mapping[str, str]


@dataclass
class _Files:
    """The files of one upload, written one after the other. `digest` is of all of them, `digests` of each."""

    folder: Path
    take: Callable[[int], None]  # reserve room for this many bytes, or raise `StorageFull`
    names: list[str] = field(default_factory=list)
    size_bytes: int = 0
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    digests: "list[hashlib._Hash]" = field(default_factory=list)
    _file: BinaryIO | None = None

    def begin(self, name: str) -> None:
        path = self.folder / file_name(len(self.names), name)
        self.names.append(name)
        if self.digests:  # a second file: until now one digest served as both
            self.digest = self.digest.copy()
        self.digests.append(hashlib.sha256() if self.digests else self.digest)
        self._file = path.open("xb", buffering=0)  # the folder is private

    def write(self, data: bytes | memoryview) -> None:
        assert self._file is not None  # noqa: S101 - begin comes first
        self.size_bytes += len(data)
        self.take(self.size_bytes)
        self.digests[-1].update(data)
        if self.digests[-1] is not self.digest:
            self.digest.update(data)
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    @property
    def sha256s(self) -> list[bytes]:
        return [digest.digest() for digest in self.digests]

    def end(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None


async def receive(
    request: Request, folder: Path, name: str, limit_bytes: int, take: Callable[[int, int], None]
) -> Received:
    """Write the body into the folder; `take(bytes, announced)` reserves room.

    Raises `UnsupportedMediaType`, `BodyTooLarge`, `InvalidRequest` (a form that is none, or holds no file),
    `StorageFull`, `SpoolUnavailable`, and ClientDisconnect when the sender goes away before the end.
    """
    kind = media_type(request)
    if kind != FORM and kind not in RAW_TYPES:
        raise UnsupportedMediaType(f"send CSV, gzip, zip or {FORM}, not {kind}")
    if (coding := request.headers.get("content-encoding", "").strip().lower()) not in _CODINGS:
        raise UnsupportedMediaType(f"send the body as it is or with Content-Encoding gzip, not {coding}")
    refuse_longer(request, limit_bytes)
    announced = announced_bytes(request)
    options: Mapping[str, str] = {}
    files = _Files(folder, lambda size_bytes: take(size_bytes, announced))
    try:
        with spool_errors_named():
            files.take(0)
            if kind == FORM:
                form = _Form(request.headers["content-type"], files)
                await _stream(request, form.write, limit_bytes)
                await run_in_threadpool(form.end)
                options = form.options
            else:
                files.begin(name)
                await _stream(request, files.write, limit_bytes)
                await run_in_threadpool(files.end)
            await run_in_threadpool(list_files, folder, files.names, files.sha256s)
    finally:
        files.end()
    return Received(files.names, files.size_bytes, files.digest.digest(), options)


async def _stream(request: Request, write: Callable[[bytes], None], limit_bytes: int) -> None:
    """Pass the body on in large blocks."""
    pending, size_bytes = bytearray(), 0
    async for block in request.stream():
        size_bytes += len(block)
        if size_bytes > limit_bytes:
            raise BodyTooLarge(limit_bytes)
        pending += block
        if len(pending) >= _BLOCK_BYTES:
            await run_in_threadpool(write, bytes(pending))
            pending.clear()
    if pending:
        await run_in_threadpool(write, bytes(pending))


class _Form:
    """Takes a form apart: files, and `options`, which are read as text."""

    def __init__(self, content_type: str, files: _Files) -> None:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise InvalidRequest("the form's Content-Type names no boundary")
        self._files = files
        self._ended = False
        self._is_unnamed = False
        self.options: dict[str, str] = {}
        self._option: tuple[str, bytearray] | None = None  # the name and the value of the current part
        self._header, self._value, self._disposition = b"", b"", b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    def write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise InvalidRequest(f"the body is not valid {FORM}: {error}") from error

    def end(self) -> None:
        if not self._ended:
            raise InvalidRequest("the form is cut off; send it again")
        if not self._files.names:
            raise InvalidRequest("the form holds no file")

    def _on_part_begin(self) -> None:
        self._disposition = b""
        self._is_unnamed = False

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_headers_finished(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if b"filename" not in options:
            part = options.get(b"name", b"").decode("utf-8", "replace")
            if part not in OPTIONS:
                raise InvalidRequest(f"the form's part {part!r} is not a file")
            if part in self.options:
                raise InvalidRequest(f"the form has {part} twice: send it once", field=part)
            self._option = part, bytearray()
            return
        if len(self._files.names) == _MAX_FILES:
            raise InvalidRequest(f"the form holds more than {_MAX_FILES} files")
        name = options[b"filename"].decode("utf-8", "replace")
        if not name:  # a browser sends such a part, without data, for a field in which no file was chosen
            self._is_unnamed = True
            return
        if fault := name_fault(name):
            raise InvalidRequest(f"file {len(self._files.names)} of the form: {fault}", field="filename")
        self._files.begin(name)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._option is None:
            if self._is_unnamed:
                self._files.begin("upload")
                self._is_unnamed = False
            self._files.write(memoryview(data)[start:end])
            return
        name, value = self._option
        value += data[start:end]
        if len(value) > _MAX_OPTION_BYTES:
            raise InvalidRequest(f"the value is longer than {_MAX_OPTION_BYTES:,} bytes", field=name)

    def _on_part_end(self) -> None:
        if self._option is None:
            self._files.end()
            return
        name, value = self._option
        if value:  # an empty field of a form is an option that was not given
            self.options[name] = value.decode("utf-8", "replace")
        self._option = None

    def _on_end(self) -> None:
        self._ended = True
