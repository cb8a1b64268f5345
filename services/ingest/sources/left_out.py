"""What is not read from an archive or a folder, and why. Nothing is left out without a word."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

TABLES = (".csv", ".tsv", ".txt")  # also with .gz
_ARCHIVES = (".zip", ".tar", ".tgz", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")
_SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers")
_SHOWN = 5
LOCK_FILE = "it is the lock file of a spreadsheet program"


@dataclass(frozen=True)
class LeftOut:
    """Something that was not read."""

    name: str
    reason: str


def is_lock_file(name: str) -> bool:
    """Return whether a spreadsheet program made the file beside one that it has open."""
    return name.startswith("~$")


def find_member_fault(name: str) -> str | None:
    """Return why a member of an archive is not read, or None if it is."""
    path = PurePosixPath(name)
    if is_lock_file(path.name):
        return LOCK_FILE
    if path.name.startswith(".") or "__MACOSX" in path.parts:
        return "it is hidden"
    if name.lower().removesuffix(".gz").endswith(TABLES):
        return None
    if name.lower().endswith(_ARCHIVES):
        return "it is an archive inside the archive; unpack it and load it by itself"
    if name.lower().endswith(_SPREADSHEETS):
        return "it is a spreadsheet; save each sheet as CSV UTF-8"
    return f"its name does not end in {', '.join(TABLES[:-1])} or {TABLES[-1]} (or these with .gz)"


def describe_left_out(left_out: Sequence[LeftOut]) -> str:
    """Return the first names with their reasons, to end an error message with."""
    shown = "; ".join(f"{one.name} was left out: {one.reason}" for one in left_out[:_SHOWN])
    return f". {shown}" if shown else ""
