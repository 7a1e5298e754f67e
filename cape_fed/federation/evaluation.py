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


class _TaskSums(Part):
    """One task's sums: over which sets of records, as rows in the array of sets."""

    task: _Name
    train: _Count
    valid: _Count | None
    support: _Support


class _ProbesIndex(Part):
    tasks: list[_Name] = Field(max_length=_MOST_TASKS)
    options: EvaluateOptions


_SUMS_INDEX = TypeAdapter(Annotated[list[_TaskSums], Field(max_length=_MOST_TASKS)])
_PROBES_INDEX = TypeAdapter(_ProbesIndex)
_CELLS = TypeAdapter(dict[ProbeKind, dict[str, dict[_Name, Cell]]])


def sums_records(sums: Mapping[str, ProbeSums], width: int) -> Records:
    """What a site gives towards the probe of each task, on ``width`` features D and with one target.

    Array ``sets [S, 1 + D + D(D + 1)/2]`` holds n, Σx and the upper triangle of Σxxᵀ of each set of records that sums
    are over, once for all its tasks; ``targets [2, T, D + 2]`` holds Σxy, Σy and Σy² of train and of valid. Raises
    ValueError for sums of another width.
    """
    rows: dict[bytes, int] = {}

    def row_of(moments: Moments) -> int:
        return rows.setdefault(_pack_set(moments, width), len(rows))

    index = [
        _TaskSums(
            task=task,
            train=row_of(material.train),
            valid=row_of(material.valid) if material.valid.n else None,
            support=_Support(**asdict(material.support)),
        )
        for task, material in sums.items()
    ]
    sets = np.frombuffer(b"".join(rows)).reshape(len(rows), _set_length(width))
    sides = [[_pack_target(m.train) for m in sums.values()], [_pack_target(m.valid) for m in sums.values()]]
    arrays = {_SETS: sets, _TARGETS: np.array(sides).reshape(2, len(sums), width + 2)}
    return {SUMS: _array_record(arrays), SUMS_INDEX: json_record(index, _SUMS_INDEX)}


def read_sums(content: RecordDict, width: int, size: Size) -> dict[str, ProbeSums]:
    """Sums by task out of a reply, as ``sums_records`` wrote them; ``size`` is how much the site said it has.

    Tasks over the same records share the arrays of Σx and Σxxᵀ. Raises ValueError for anything else.
    """
    index = read_json(content, SUMS_INDEX, _SUMS_INDEX)
    used = {row for entry in index for row in (entry.train, entry.valid) if row is not None}
    if used != set(range(len(used))):
        raise ValueError(f"{SUMS_INDEX}: rows are missing")
    _check_distinct([entry.task for entry in index], SUMS_INDEX)
    shapes = {_SETS: (len(used), _set_length(width)), _TARGETS: (2, len(index), width + 2)}
    arrays = read_arrays(content, SUMS, shapes)
    sets = [_unpack_set(row, width) for row in arrays[_SETS]]
    nothing = Moments.zero(width)
    sums = {}
    for entry, train, valid in zip(index, *arrays[_TARGETS], strict=True):
        if entry.valid is None and valid.any():
            raise ValueError(f"{SUMS}: sums of no record are not 0")
        sums[entry.task] = ProbeSums(
            _with_target(sets[entry.train], train),
            nothing if entry.valid is None else _with_target(sets[entry.valid], valid),
            Support(**dict(entry.support)),
        )
        check_material(entry.task, sums[entry.task], size)
    return sums


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


def _pack_set(moments: Moments, width: int) -> bytes:
    if moments.xx.shape != (width, width):
        raise ValueError(f"sums on {len(moments.x)} features are not on {width}")
    return np.concatenate([[moments.n], moments.x, moments.xx[np.triu_indices(width)]]).tobytes()


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
