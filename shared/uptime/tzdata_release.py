"""Which time zone database this process reads. Must not import numpy: the scheduler has none."""

import tzdata


def tzdata_version() -> str:
    """Return the release of the time zone database that every process of this release reads, such as `2026a`."""
    return str(tzdata.IANA_VERSION)
