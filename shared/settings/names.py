"""Names and limits that settings share with what reads them."""

from pathlib import Path

PREFIX = "UPTILL_"
MAX_PRESIGN_S = 900
DEFAULT_DATA_DIR = Path(".uptill")
