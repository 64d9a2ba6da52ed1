"""This machine: its processor, its matrix multiplication, and the process's memory."""

import ctypes
import mmap
import platform
import re
import sys
import time
from bisect import bisect_left
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch

GEMM_SIDE = 2048
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc
# In /proc/self/maps, a file mapped for this process alone; in smaps, one of which nothing was changed in memory.
_FILE = r"^(?P<start>\w+)-(?P<end>\w+) r\S\Sp \w+ \S+ [1-9]\d* .*$"
_MAPPED = re.compile(_FILE, re.M)
_UNCHANGED = re.compile(_FILE + r"\n(?:\w+:.*\n)*?Anonymous: +0 kB\n(?:\w+:.*\n)*?Swap: +0 kB$", re.M)


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


def release(weights: "Iterable[torch.Tensor]") -> None:
    """Let the system take back the memory of weights that are mapped from a file, and what malloc keeps beside them.

    Using the weights reads them again. Files of which anything was changed in memory stay; what another thread changes
    at this moment may be lost. On Linux; elsewhere, or where no weights are mapped, nothing happens.

    Args:
        weights: any of a file's; all of the file is released.
    """
    addresses = sorted(weight.data_ptr() for weight in weights)

    def holds_weights(found: re.Match[str]) -> bool:
        first = bisect_left(addresses, int(found["start"], 16))
        return first < len(addresses) and addresses[first] < int(found["end"], 16)

    try:
        libc = ctypes.CDLL(None)
        madvise, trim = libc.madvise, libc.malloc_trim
        if not any(map(holds_weights, _MAPPED.finditer(Path("/proc/self/maps").read_text(errors="replace")))):
            return  # quickly; the next takes 20 ms
        maps = Path("/proc/self/smaps").read_text(errors="replace")
    except (AttributeError, OSError, TypeError):
        return
    for found in filter(holds_weights, _UNCHANGED.finditer(maps)):
        start, end = int(found["start"], 16), int(found["end"], 16)
        madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED)
    trim(ctypes.c_size_t(0))


def peak_rss_mb() -> float | None:
    """Most memory that this process has held so far, in MB (10⁶ bytes); None where nobody counts it."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def gemm_rate(device: "torch.device", repeats: int = 5) -> float:
    """Return the best GFLOP/s of float32 matrix products of 2048 x 2048."""
    import torch

    a = torch.rand(GEMM_SIDE, GEMM_SIDE, device=device)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        float((a @ a)[0, 0])  # waits for the device
        best = min(best, time.perf_counter() - start)
    return 2 * GEMM_SIDE**3 / best / 1e9


def cpu_name() -> str:
    """The processor's name as Linux gives it, else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
