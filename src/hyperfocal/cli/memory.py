"""The process's memory: how much it took at most, and keeping what was freed."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc


def keep_freed_memory() -> None:
    """Let glibc keep freed memory instead of handing it back; nothing happens on other systems.

    Activations are large, so malloc maps each from the system and unmaps it when freed; the next layer's pages
    then fault in anew, one by one. That took a quarter to a half of the time of prediction.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_TOP_PAD, 64 * 2**20)


def peak_rss_mb() -> float | None:
    """Most memory that this process has held so far, in MB (10⁶ bytes); None where nobody counts it."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
