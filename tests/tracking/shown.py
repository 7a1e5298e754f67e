"""What TensorBoard shows of a run, and what it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cape_fed.rundir import read_metrics
from cape_fed.tracking.follow import numbers_of


def expected(metrics: Path) -> dict[tuple[str, int], float]:
    return {(name, line["step"]): value for line in read_metrics(metrics) for name, value in numbers_of(line)}


def in_tensorboard(out: Path) -> dict[tuple[str, int], float]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(out / "tensorboard"), size_guidance={"scalars": 0}).Reload()
    return {(tag, event.step): event.value for tag in read.Tags()["scalars"] for event in read.Scalars(tag)}


def assert_same(shown: dict[tuple[str, int], float], held: dict[tuple[str, int], float]) -> None:
    assert shown.keys() == held.keys()
    assert shown == {place: float(np.float32(value)) for place, value in held.items()}
