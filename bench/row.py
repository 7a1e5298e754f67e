"""One row of the results, and a fair way to time two functions."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch


@dataclass(frozen=True)
class Row:
    """A measurement and what it is compared with."""

    what: str
    ours: str
    reference: str
    result: str
    goal: str
    floor: str

    def as_line(self) -> str:
        return " | ".join((self.what, self.ours, self.reference, self.result, f"goal {self.goal}", self.floor))


def as_markdown(rows: Sequence[Row]) -> str:
    head = "| what | here | compared with | result | goal | floor |\n|---|---|---|---|---|---|\n"
    return head + "".join(
        f"| {row.what} | {row.ours} | {row.reference} | **{row.result}** | {row.goal} | {row.floor} |\n" for row in rows
    )


def machine() -> str:
    """What this machine is, for a line above measurements."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no accelerator"
    return f"{os.cpu_count()} cores ({platform.machine()}), {device}, PyTorch {torch.__version__.split('+')[0]}"


def wait(device: torch.device) -> None:
    """Return when a device has done what it was given: a GPU does it later."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def alternate(first: Callable[[], None], second: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Median seconds of two functions called in turn, so that drift affects both; the first turn does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(repeats + 1):
        for kept, way in zip(times, (first, second), strict=True):
            begin = perf_counter()
            way()
            if turn:
                kept.append(perf_counter() - begin)
    return median(times[0]), median(times[1])
