"""Whether the raw headers of a request say in one way only where its body ends."""

import re

_BLANK_LINE = re.compile(rb"\n\r?\n")
_LENGTH = re.compile(rb"\ncontent-length[ \t]*:([^\n]*)")
_CODING = re.compile(rb"\ntransfer-encoding[ \t]*:")
UNSAFE_TRANSFER = "ambiguous body length: send one Content-Length or one Transfer-Encoding, not both"


def is_framed_once(received: bytes) -> bool:
    """Whether the headers so far give the body's length at most once; otherwise a proxy may read it differently."""
    end = _BLANK_LINE.search(received)
    head = received[: end.start() + 1 if end else None].lower()
    lengths = b",".join(_LENGTH.findall(head))
    return bool(lengths) + len(_CODING.findall(head)) <= 1 and b"," not in lengths
