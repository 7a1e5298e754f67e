"""What an evaluation at the sites sends: sums to the coordinator, probes to the sites, cells to the coordinator.

No other records have these names, so that a message can hold both. Reading raises ValueError, with a reason
that quotes nothing of the sender's, for whatever could not have been written here from real records.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated

import numpy as np
from flwr.app import Array, ArrayRecord, RecordDict
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter

from cape_fed.evaluate.cohorts import ProbeKind
from cape_fed.evaluate.federated.cells import Cells
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.results import Cell
from cape_fed.evaluate.targets.support import Support
from cape_fed.federation.decoding import Part, json_record, read_arrays, read_json
from cape_fed.federation.messages import Records
from cape_fed.federation.plausibility import Size, check_cell, check_material

SUMS, SUMS_INDEX, PROBES, PROBES_INDEX, CELLS = "sums", "sums-index", "probes", "probes-index", "cells"
_MOST_TASKS = 500
_LARGEST_WEIGHT = 1e100
"""Beyond all that sums which are let in lead to; errors squared stay finite."""
_SETS, _TARGETS, _VALUES = "sets", "targets", "values"

SiteCells = dict[ProbeKind, Cells]
"""A site's cells by probe, cohort and task."""


def _printable(name: str) -> str:
    if not name.isprintable():
        raise ValueError("not printable")
    return name


_Name = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
_Count = Annotated[int, Field(ge=0)]


class _Support(Part):
    n: _Count
    n_pos: _Count
    patients: _Count
    patients_pos: _Count
    patients_neg: _Count


class _Side(Part):
    """The train or the validation sums of a task: over which set of records and how many dimensions."""

    row: _Count
    """Place among the sets."""
    width: Annotated[int, Field(gt=0)]
    support: _Support


class _TaskSums(Part):
    """One task's sums."""

    task: _Name
    train: _Side
    valid: _Side | None


class _ProbesIndex(Part):
    tasks: list[_Name] = Field(max_length=_MOST_TASKS)
    options: EvaluateOptions


_SUMS_INDEX = TypeAdapter(Annotated[list[_TaskSums], Field(max_length=_MOST_TASKS)])
_PROBES_INDEX = TypeAdapter(_ProbesIndex)
_CELLS = TypeAdapter(dict[ProbeKind, dict[str, dict[_Name, Cell]]])


def sums_records(sums: Mapping[str, ProbeSums]) -> Records:
    """What a site gives towards the probe of each task, each on its own number of features D and with one target.

    Array ``sets`` holds n, Σx and the upper triangle of Σxxᵀ of each set of records that sums are over, 1 + D +
    D(D + 1)/2 numbers, one after the other and once for all tasks with the same; ``targets`` holds Σxy, Σy and Σy², D +
    2 numbers, of train and then of valid where there is any, task by task.
    """
    rows: dict[bytes, int] = {}

    def side(moments: Moments, support: Support) -> _Side:
        row = rows.setdefault(_pack_set(moments), len(rows))
        return _Side(row=row, width=moments.width, support=_Support(**asdict(support)))

    index = [
        _TaskSums(
            task=task,
            train=side(material.train, material.support),
            valid=side(material.valid, material.valid_support) if material.valid.n else None,
        )
        for task, material in sums.items()
    ]
    targets = [_pack_target(part) for m in sums.values() for part in (m.train, m.valid) if part is m.train or part.n]
    arrays = {_SETS: np.frombuffer(b"".join(rows)), _TARGETS: np.concatenate([np.empty(0), *targets])}
    return {SUMS: _array_record(arrays), SUMS_INDEX: json_record(index, _SUMS_INDEX)}


def read_sums(content: RecordDict, width: int, size: Size) -> dict[str, ProbeSums]:
    """Sums by task out of a reply, as ``sums_records`` wrote them, on at most ``width`` features.

    ``size`` is how much the site said it has. Tasks over the same records share the arrays of Σx and Σxxᵀ. Raises
    ValueError for anything else.
    """
    index = read_json(content, SUMS_INDEX, _SUMS_INDEX)
    _check_distinct([entry.task for entry in index], SUMS_INDEX)
    sides = [side for entry in index for side in (entry.train, entry.valid) if side is not None]
    widths = _widths_of_rows(sides, width)
    lengths = [_set_length(widths[row]) for row in range(len(widths))]
    shapes = {_SETS: (sum(lengths),), _TARGETS: (sum(side.width + 2 for side in sides),)}
    arrays = read_arrays(content, SUMS, shapes)
    parts = np.split(arrays[_SETS], np.cumsum(lengths)[:-1])
    sets = [_unpack_set(part, widths[row]) for row, part in enumerate(parts[: len(lengths)])]
    targets = iter(np.split(arrays[_TARGETS], np.cumsum([side.width + 2 for side in sides])[:-1]))
    sums = {}
    for entry in index:
        train = _with_target(sets[entry.train.row], next(targets))
        valid, none = Moments.zero(train.width), Support()
        if entry.valid is not None:
            valid = _with_target(sets[entry.valid.row], next(targets))
        sums[entry.task] = ProbeSums(
            train,
            valid,
            Support(**dict(entry.train.support)),
            none if entry.valid is None else Support(**dict(entry.valid.support)),
        )
        check_material(entry.task, sums[entry.task], size)
    return sums


def _widths_of_rows(sides: Sequence[_Side], most: int) -> dict[int, int]:
    """The width of each set by its row; ValueError where rows are missing or of two widths, or a width is too large."""
    widths = {side.row: side.width for side in sides}
    if set(widths) != set(range(len(widths))):
        raise ValueError(f"{SUMS_INDEX}: rows are missing")
    if any(widths[side.row] != side.width for side in sides):
        raise ValueError(f"{SUMS_INDEX}: a row has two widths")
    if any(side.width > most for side in sides):
        raise ValueError(f"{SUMS_INDEX}: sums are over more than {most} dimensions")
    return widths


def probes_records(probes: Mapping[str, LinearProbe], width: int, options: EvaluateOptions) -> Records:
    """Probes by task on ``width`` features D, and how to evaluate them.

    The array ``values [T, D + 2]`` holds weights, intercept and penalty of each.
    """
    rows = [np.concatenate([probe.weights[:, 0], probe.intercept, [probe.penalty]]) for probe in probes.values()]
    values = np.array(rows).reshape(len(rows), width + 2)
    index = _ProbesIndex(tasks=list(probes), options=options)
    return {PROBES: _array_record({_VALUES: values}), PROBES_INDEX: json_record(index, _PROBES_INDEX)}


def has_probes(content: RecordDict) -> bool:
    """Whether probes are in a message, be they right or wrong."""
    return PROBES in content or PROBES_INDEX in content


def read_probes(content: RecordDict, width: int) -> tuple[dict[str, LinearProbe], EvaluateOptions]:
    """Probes by task and how to evaluate them, as ``probes_records`` wrote them; ValueError for anything else."""
    index = read_json(content, PROBES_INDEX, _PROBES_INDEX)
    _check_distinct(index.tasks, PROBES_INDEX)
    shapes = {_VALUES: (len(index.tasks), width + 2)}
    values = read_arrays(content, PROBES, shapes, largest=_LARGEST_WEIGHT)[_VALUES]
    if (values[:, -1] < 0).any():
        raise ValueError(f"{PROBES}: a penalty is negative")
    probes = {
        task: LinearProbe(row[:width, None], row[width : width + 1], float(row[-1]))
        for task, row in zip(index.tasks, values, strict=True)
    }
    return probes, index.options


def cells_records(cells: SiteCells) -> Records:
    """A site's cells."""
    return {CELLS: json_record(cells, _CELLS)}


def read_cells(content: RecordDict, cohorts: Collection[str], size: Size) -> SiteCells:
    """A site's cells, of some or all of its ``cohorts``; ``size`` is how much the site said it has.

    Raises ValueError for cells of other cohorts and for cells that are no result.
    """
    cells = read_json(content, CELLS, _CELLS)
    for probe, tables in cells.items():
        if not tables.keys() <= set(cohorts):
            raise ValueError(f"{CELLS}: of a cohort that the site does not have")
        for cohort, tasks in tables.items():
            for task, cell in tasks.items():
                check_cell(cell, cohort, task, probe, size)
    return cells


def _array_record(arrays: Mapping[str, NDArray[np.float64]]) -> ArrayRecord:
    return ArrayRecord({name: Array(np.ascontiguousarray(values, "<f8")) for name, values in arrays.items()})


def _set_length(width: int) -> int:
    return 1 + width + width * (width + 1) // 2


def _pack_set(moments: Moments) -> bytes:
    return np.concatenate([[moments.n], moments.x, moments.xx[np.triu_indices(moments.width)]]).tobytes()


def _unpack_set(row: NDArray[np.float64], width: int) -> Moments:
    """Moments of a set of records, without any target."""
    xx = np.empty((width, width))
    upper = np.triu_indices(width)
    xx[upper] = row[1 + width :]
    xx.T[upper] = row[1 + width :]
    nothing = np.empty(0)
    return Moments(float(row[0]), row[1 : 1 + width], xx, np.empty((width, 0)), nothing, nothing)


def _pack_target(moments: Moments) -> NDArray[np.float64]:
    return np.concatenate([moments.xy[:, 0], moments.y, moments.yy])


def _with_target(moments: Moments, row: NDArray[np.float64]) -> Moments:
    return replace(moments, xy=row[:-2, None], y=row[-2:-1], yy=row[-1:])


def _check_distinct(tasks: Sequence[str], where: str) -> None:
    if len(set(tasks)) < len(tasks):
        raise ValueError(f"{where}: a task is listed twice")
