"""How the command line keeps its memory; a library leaves that to whoever imports it."""

import ctypes
import os
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
LARGEST_KEPT, MOST_KEPT = 2**30, 2**31 - 1  # bytes
HUGE_PAGES = "THP_MEM_ALLOC_ENABLE"  # torch asks the kernel for them; read when it first takes memory


def keep_freed_memory() -> bool:
    """Let glibc keep what is freed for what is asked next, in huge pages, rather than give it back to the system.

    A step of large images asks for the same tens of megabytes again and again, and the kernel clears each page anew:
    that was a third of the time of a training, and more. Call it before torch is imported.

    Returns:
        Whether it does: glibc alone can, which Linux has, but for musl; and where the user's environment says how
        memory is kept, that holds.
    """
    if platform.libc_ver()[0] != "glibc" or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        return False
    os.environ.setdefault(HUGE_PAGES, "1")
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(MMAP_THRESHOLD, LARGEST_KEPT)) and bool(mallopt(TRIM_THRESHOLD, MOST_KEPT))
