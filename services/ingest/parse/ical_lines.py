"""Splits an iCalendar body (RFC 5545) into its content lines, each with the number of its first line in the file.

Reads lazily, so that a long body costs no memory beyond itself.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from icalendar.parser import Contentline

from shared.errors import InvalidRequest
from shared.texts import quoted

MAX_LINE_BYTES: Final = 256 << 10
_MAX_DEPTH: Final = 8
_SHOWN: Final = 60
_BOM: Final = b"\xef\xbb\xbf"
_FOLDS: Final = (b" ", b"\t")


@dataclass(frozen=True)
class Property:
    """A property of a component, with the line on which it begins. Names are in upper case."""

    line: int
    name: str
    parameters: Mapping[str, str]
    value: str

    def refuse(self, why: str) -> NoReturn:
        """Raise `InvalidRequest` for this property."""
        refuse_line(self.line, f"{self.name} {quoted(shorten(self.value))}: {why}")


@dataclass(frozen=True)
class Component:
    """The wanted properties of a component, in order. `path` has its name and those of the components around it."""

    path: tuple[str, ...]
    line: int
    properties: Sequence[Property]


def refuse_line(line: int, why: str) -> NoReturn:
    """Raise `InvalidRequest` that names the line."""
    raise InvalidRequest(f"line {line:,}: {why}", field=f"line {line}")


def shorten(text: str) -> str:
    """Return the beginning of a value, for messages."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def read_components(body: bytes, wanted: Mapping[str, frozenset[str]]) -> Iterator[Component]:
    """Yield the components of the wanted kinds as they end, inner ones first, with the properties wanted of each.

    Raise `InvalidRequest` if the body is not iCalendar, or is cut off.
    """
    open_ones: list[_Open] = []
    line = 0
    for line, content in _unfold(body):
        name = content.partition(b":")[0].partition(b";")[0].strip().upper().decode("ascii", "replace")
        if name == "BEGIN":
            open_ones.append(_Open(_component_name(content), line))
            if len(open_ones) > _MAX_DEPTH:
                refuse_line(line, "components are nested too deeply: export the calendar again")
        elif not open_ones:
            refuse_line(line, "this is not iCalendar: a file begins with BEGIN:VCALENDAR")
        elif name == "END":
            if (ended := _end_component(open_ones, line, content)).path[-1] in wanted:
                yield ended
        elif name in wanted.get(open_ones[-1].name, ()):
            open_ones[-1].properties.append(_parse_property(line, name, content))
    if open_ones:
        last = open_ones[-1]
        refuse_line(
            line, f"the file is cut off: the {last.name} of line {last.line:,} has no end; export it again"
        )
    if not line:
        refuse_line(1, "the body is empty: send an iCalendar file")


@dataclass(frozen=True)
class _Open:
    """A component that has begun."""

    name: str
    line: int
    properties: list[Property] = field(default_factory=list)


def _end_component(open_ones: list[_Open], line: int, content: bytes) -> Component:
    path = tuple(one.name for one in open_ones)
    last = open_ones.pop()
    if _component_name(content) != last.name:
        refuse_line(line, f"this ends another component than the {last.name} of line {last.line:,}")
    return Component(path, last.line, last.properties)


def _unfold(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each content line. A line that begins with a space or a tab continues the one before."""
    pending: list[bytes] = []
    began = 0
    for line, raw in enumerate(io.BytesIO(body.removeprefix(_BOM)), 1):
        text = raw.rstrip(b"\r\n")
        if pending and text.startswith(_FOLDS):
            pending.append(text[1:])
            continue
        if pending:
            yield began, b"".join(pending)
        pending, began = [text] if text.strip() else [], line
    if pending:
        yield began, b"".join(pending)


def _component_name(content: bytes) -> str:
    return content.partition(b":")[2].strip().upper().decode("ascii", "replace")[:_SHOWN]


def _parse_property(line: int, name: str, content: bytes) -> Property:
    if len(content) > MAX_LINE_BYTES:
        refuse_line(line, f"{name} is longer than {MAX_LINE_BYTES >> 10} KB: split it into several lines")
    try:
        _, parameters, value = Contentline(content.decode()).raw_parts()
    except UnicodeDecodeError:
        refuse_line(line, f"{name} is not UTF-8: export the calendar as UTF-8")
    except (ValueError, AssertionError):
        refuse_line(line, f"{name} is not written as NAME;PARAMETER=VALUE:VALUE: export the calendar again")
    return Property(line, name, {key.upper(): str(given) for key, given in parameters.items()}, value.strip())
