"""Names and limits that settings share with what reads them."""

from pathlib import Path

PREFIX = "UPTILL_"
MAX_PRESIGN_S = 900
DEFAULT_DATA_DIR = Path(".uptill")
# Longer times overflow somewhere: a hundred years.
MAX_DAYS = 36_525
MAX_S = MAX_DAYS * 86_400
