"""Limits that stop archives which unpack to far more than they are."""

from shared.errors import BadInputFile

MAX_RATIO = 200  # bytes out per byte in; real exports reach 12, rows that repeat each other 100
FREE_BYTES = 64 << 20  # unpacked before the ratio counts
MAX_MEMBERS = 1000


def check_ratio(bytes_in: int, bytes_out: int) -> None:
    """Raise `BadInputFile` (`ratio`) if the packed bytes unpack to too many."""
    if bytes_out > FREE_BYTES + MAX_RATIO * bytes_in:
        raise BadInputFile(
            "ratio",
            f"{bytes_in:,} packed bytes unpack to {bytes_out:,} or more; the limit is {MAX_RATIO} times;"
            " send the file unpacked",
        )


def refuse_too_many_members() -> BadInputFile:
    """Return the error that names the limit."""
    return BadInputFile("ratio", f"the archive has more than {MAX_MEMBERS:,} members; split it")
