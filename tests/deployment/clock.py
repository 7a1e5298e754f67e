"""Processes whose clock is wrong, while the machine's is right."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.deployment.network import NetworkError, run_command

CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long offset(void) { const char *text = getenv("TEST_CLOCK_OFFSET"); return text ? atol(text) : 0; }

int clock_gettime(clockid_t id, struct timespec *out) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, out);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) out->tv_sec += offset();
    return result;
}

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    struct timespec now;
    (void) zone;
    clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}
"""


def clock(folder: Path, seconds: int) -> dict[str, str]:
    """The environment of a process whose clock, like that of its children, is ``seconds`` ahead of the machine's.

    A preloaded library shifts the time of day and nothing else. libfaketime 0.9.10 is of no use here: either it
    shifts the monotonic clock as well, so that waits with a timeout hang, or ``time.sleep`` fails.
    """
    reason = clock_available()
    if reason:
        raise NetworkError(reason)
    source, library = folder / "clock.c", folder / "clock.so"
    if not library.exists():
        source.write_text(CLOCK)
        run_command(_compiler(), "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl")
    return {"LD_PRELOAD": str(library), "TEST_CLOCK_OFFSET": str(seconds)}


def clock_available() -> str | None:
    """Why a process cannot be given another clock on this machine, or None."""
    if not sys.platform.startswith("linux"):
        return "the library that shifts the clock is written for Linux"
    return None if _compiler() else "the library that shifts the clock needs a C compiler"


def _compiler() -> str:
    return next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), "")
