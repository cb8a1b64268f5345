"""Errors of the file system under the spool, as errors of the service."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import SpoolUnavailable, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def spool_errors_named() -> Iterator[None]:
    """Turn the errors of a full disk into `StorageFull`, all others of the file system into `SpoolUnavailable`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"the spool has no room for this upload ({error.strerror}); nothing of it was kept"
            ) from error
        raise SpoolUnavailable(f"the spool folder cannot be used ({error.strerror})") from error
