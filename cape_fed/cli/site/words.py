"""What a rehearsal came to, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cape_fed.rehearsal import Rehearsed


def rehearsal_words(done: Rehearsed) -> Iterator[str]:
    """A line on the sites, one a round, one a number of the evaluation, and the end."""
    first, second = done.patients
    yield f"two sites with {first} and {second} of your patients trained together and were evaluated"
    for line in done.rounds:
        answered = len(line["sites"])
        share = line["bytes_up"] / max(1, answered) / 1e6
        yield (
            f"round {line['round']}: {answered} sites answered in {line['seconds']:.1f} s, loss {line['loss']:.3f}; "
            f"{share:.1f} MB would have left each"
        )
    cells = list(_cells(done.evaluation))
    yield from cells
    if not cells:
        yield "no number of the evaluation would have left: every group is smaller than limits.min_patients"
    yield "all files of the rehearsal are deleted; nothing has left this machine"


def _cells(evaluation: dict[str, Any]) -> Iterator[str]:
    for task, scopes in evaluation.get("tasks", {}).items():
        for cohorts in scopes.values():
            for cohort, kinds in cohorts.items():
                cell = kinds.get("within") or {}
                if cell.get("point") is not None:
                    yield (
                        f"would have left: {task} in {cohort}, {cell['metric']} {cell['point']:.3f} "
                        f"({cell['low']:.3f} to {cell['high']:.3f}) of {cell['patients']} patients"
                    )
