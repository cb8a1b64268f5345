"""Which line ends are clear. LF and CRLF may be mixed; a CR anywhere else leaves open where a row ends."""

import re

from services.ingest.parse.refusals import LineRefused

_QUOTED = re.compile(rb'"[^"]*(?:"|$)')


def refuse_unclear_end(line: bytes, number: int) -> None:
    """Raise `LineRefused` (`line_ends`) for a line, without its LF or CRLF, that has a CR outside quotes."""
    if b"\r" not in line:
        return
    if line.endswith(b"\r"):
        raise LineRefused(
            "line_ends",
            f"line {number:,} ends in CR CR LF: a program has converted the line ends twice, for example in text mode;"
            " save the file again with LF or CRLF, or remove every CR: tr -d '\\r'",
            number,
        )
    if b"\r" in _QUOTED.sub(b"", line):
        raise LineRefused(
            "line_ends",
            f"line {number:,} has a CR without LF, so it is unclear where its rows end; save the file with LF or CRLF,"
            " or convert old Mac line ends: tr '\\r' '\\n'",
            number,
        )
