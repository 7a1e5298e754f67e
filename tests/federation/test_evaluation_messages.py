"""Sums, probes and cells on the wire: exact where they are right, refused where they are anything else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, MetricRecord, RecordDict
from flwr.common.serde import recorddict_from_proto, recorddict_to_proto
from hypothesis import given, settings
from hypothesis import strategies as st

from cape_fed.evaluate.federated.transfer import fit_transfer, join_sums, lift, validation_score
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.moments import Moments, moments_by_task
from cape_fed.evaluate.probes.ridge import LinearProbe
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.results import Cell, Estimate
from cape_fed.evaluate.targets.support import support_of
from cape_fed.federation.decoding import LARGEST
from cape_fed.federation.evaluation import (
    CELLS,
    PROBES,
    PROBES_INDEX,
    SUMS,
    SUMS_INDEX,
    Records,
    SiteCells,
    cells_records,
    has_probes,
    probes_records,
    read_cells,
    read_probes,
    read_sums,
    sums_records,
)
from cape_fed.federation.plausibility import Size

WIDTH = 6
SIZE = Size(records=150, patients=130)
OPTIONS = EvaluateOptions(min_patients=8)
Change = Callable[[RecordDict], None]


def make_sums(width: int = WIDTH, labels: int = 3, seed: int = 0) -> dict[str, ProbeSums]:
    """Sums of 100 train and 20 validation records over two sets of each; the last label has no validation.

    Label 1 is on fewer features, and validation sums are on fewer still.
    """
    rng = np.random.default_rng(seed)
    x, patients = rng.standard_normal((120, width)).astype(np.float32), np.arange(120) % 118
    targets = {"age": rng.uniform(20, 90, 120)}
    targets |= {f"label{number}": (rng.random(120) < 0.4).astype(float) for number in range(labels)}
    targets["age"][:30] = np.nan
    train = moments_by_task(x[:100], {task: target[:100] for task, target in targets.items()})
    valid = moments_by_task(x[100:], {task: target[100:] for task, target in targets.items()})
    valid[f"label{labels - 1}"] = Moments.zero(width)
    sums = {
        task: ProbeSums(
            train[task], valid[task], support_of(target[:100], patients[:100]), support_of(target[100:], patients[100:])
        )
        for task, target in targets.items()
    }
    return {task: material.first(width - (task == "label1"), width - 2) for task, material in sums.items()}


def make_probes() -> dict[str, LinearProbe]:
    options = OPTIONS.model_copy(update={"dimensions": WIDTH})
    return lift(fit_transfer(join_sums({"a": make_sums()}), OPTIONS), WIDTH, options, seed=0)


def over_the_wire(records: Records) -> RecordDict:
    """The records as they arrive, beside others."""
    content = RecordDict({**records, "metrics": MetricRecord({"patients": 3})})
    return recorddict_from_proto(recorddict_to_proto(content))


def assert_equal(found: ProbeSums, expected: ProbeSums) -> None:
    assert found.support == expected.support
    assert found.valid_support == expected.valid_support
    for side in ("train", "valid"):
        for field in fields(Moments):
            values = [getattr(getattr(part, side), field.name) for part in (found, expected)]
            np.testing.assert_array_equal(*values)


def test_sums_arrive_exactly() -> None:
    sums = make_sums()
    found = read_sums(over_the_wire(sums_records(sums)), WIDTH, SIZE)
    assert list(found) == list(sums)
    for task, expected in sums.items():
        assert_equal(found[task], expected)
    assert found["label0"].train.xx is found["label2"].train.xx
    assert read_sums(over_the_wire(sums_records({})), WIDTH, SIZE) == {}


def test_sums_over_the_same_records_travel_once() -> None:
    content = over_the_wire(sums_records(make_sums(width=320, labels=20)))
    sizes = [len(array.data) for array in content.array_records[SUMS].values()]
    once = 320 * 321 // 2 * 8
    assert 3.9 * once < sum(sizes) < 4.4 * once  # those of age, of labels, of label 1, and of validation


def test_sums_over_more_dimensions_than_were_asked_for_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 5 dimensions"):
        read_sums(over_the_wire(sums_records(make_sums())), 5, SIZE)


def test_probes_arrive_exactly() -> None:
    probes = make_probes()
    content = over_the_wire(probes_records(probes, WIDTH, OPTIONS))
    found, options = read_probes(content, WIDTH)
    assert options == OPTIONS
    assert list(found) == list(probes) == ["age", "label0", "label1", "label2"]
    for task, expected in probes.items():
        for field in fields(LinearProbe):
            np.testing.assert_array_equal(getattr(found[task], field.name), getattr(expected, field.name))
    assert has_probes(content)
    assert not has_probes(over_the_wire(sums_records({})))
    assert read_probes(over_the_wire(probes_records({}, WIDTH, OPTIONS)), WIDTH) == ({}, OPTIONS)


def cell(**changes: Any) -> Cell:
    second = Estimate(metric="auprc", point=1 / 3, low=0.1, high=0.9)
    right = {"metric": "auroc", "point": 2 / 3, "low": 0.5, "high": 0.8, "n": 90, "n_pos": 30, "patients": 80}
    return Cell.model_validate({"cohort": "a", "probe": "transfer", "second": second, **right, **changes})


def make_cells(**changes: Any) -> SiteCells:
    age = {"metric": "mae", "n_pos": None, "second": Estimate(metric="r2")}
    within = Cell(metric="auroc", cohort="b", probe="within", reason="few")
    return {"transfer": {"a": {"AF": cell(**changes), "age": cell(**age)}}, "within": {"a": {}, "b": {"AF": within}}}


def test_cells_arrive_exactly() -> None:
    assert read_cells(over_the_wire(cells_records(make_cells())), ["a", "b", "c"], SIZE) == make_cells()
    assert read_cells(over_the_wire(cells_records({})), ["a"], SIZE) == {}


def set_array(record: str, name: str, change: Callable[[np.ndarray], np.ndarray | None]) -> Change:
    def apply(content: RecordDict) -> None:
        values = content.array_records[record][name].numpy().copy()
        changed = change(values)
        content.array_records[record][name] = Array(values if changed is None else changed)

    return apply


def put(record: str, name: str, place: Any, value: float) -> Change:
    def change(values: np.ndarray) -> None:
        values[place] = value

    return set_array(record, name, change)


def set_data(change: Callable[[bytes], bytes]) -> Change:
    def apply(content: RecordDict) -> None:
        array = content.array_records[SUMS]["sets"]
        content.array_records[SUMS]["sets"] = Array(array.dtype, array.shape, array.stype, change(array.data))

    return apply


def set_json(record: str, change: Callable[[Any], Any]) -> Change:
    def apply(content: RecordDict) -> None:
        value = json.loads(str(content.config_records[record]["json"]))
        changed = change(value)
        content[record] = ConfigRecord({"json": json.dumps(value if changed is None else changed)})

    return apply


def set_record(name: str, value: ArrayRecord | ConfigRecord | MetricRecord | None) -> Change:
    def apply(content: RecordDict) -> None:
        del content[name]
        if value is not None:
            content[name] = value

    return apply


def add_array(content: RecordDict) -> None:
    content.array_records[SUMS]["more"] = Array(np.zeros(3))


def huge_header(data: bytes) -> bytes:
    """A header that claims an array of petabytes."""
    return re.sub(rb"\((\d+),", rb"(3000000000000,", data)


SETS, TARGETS = (SUMS, "sets"), (SUMS, "targets")
LENGTH = 1 + WIDTH + WIDTH * (WIDTH + 1) // 2
"""Numbers of the first set, the train records that are annotated for age."""
AGE_LENGTH = 2 * WIDTH + 2
"""Numbers of targets before those of the first label: of age, in train and in validation."""
WRONG_SUMS: dict[str, Change] = {
    "no sums": set_record(SUMS, None),
    "no index": set_record(SUMS_INDEX, None),
    "sums of another kind": set_record(SUMS, MetricRecord({"sets": 1.0})),
    "index of another kind": set_record(SUMS_INDEX, MetricRecord({"json": 1.0})),
    "index is a number": set_record(SUMS_INDEX, ConfigRecord({"json": 3})),
    "index with another key": set_record(SUMS_INDEX, ConfigRecord({"json": "[]", "more": 1})),
    "index is not JSON": set_record(SUMS_INDEX, ConfigRecord({"json": "[" * 100_000})),
    "index is too long": set_record(SUMS_INDEX, ConfigRecord({"json": "[" + " " * (1 << 22) + "]"})),
    "another array": add_array,
    "unknown key": set_json(SUMS_INDEX, lambda index: index[0].update(more=1)),
    "a task too few": set_json(SUMS_INDEX, lambda index: index[:-1]),
    "a task twice": set_json(SUMS_INDEX, lambda index: index[1].update(task="age")),
    "a task without a name": set_json(SUMS_INDEX, lambda index: index[1].update(task="")),
    "a task that breaks lines": set_json(SUMS_INDEX, lambda index: index[1].update(task="a\nb")),
    "a task with a long name": set_json(SUMS_INDEX, lambda index: index[1].update(task="a" * 201)),
    "a row that is not there": set_json(SUMS_INDEX, lambda index: index[1]["train"].update(row=9)),
    "a negative row": set_json(SUMS_INDEX, lambda index: index[1]["train"].update(row=-1)),
    "a row that is no number": set_json(SUMS_INDEX, lambda index: index[1]["train"].update(row="0")),
    "a huge row": set_json(SUMS_INDEX, lambda index: index[1]["train"].update(row=10**4000)),
    "an infinite count": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(n=float("inf"))),
    "a fractional count": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(n=100.0)),
    "a negative count": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(n=-1)),
    "another count than n": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(n=99)),
    "other positives than the sums'": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(n_pos=1)),
    "too many patients": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(patients=131)),
    "too few patients": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(patients=1)),
    "more positive patients": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(patients_pos=99)),
    "more negative patients": set_json(SUMS_INDEX, lambda index: index[1]["train"]["support"].update(patients_neg=99)),
    "validation that is not zero": set_json(SUMS_INDEX, lambda index: index[1].update(valid=None)),
    "a width of nothing": set_json(SUMS_INDEX, lambda index: index[2]["train"].update(width=0)),
    "a smaller width": set_json(SUMS_INDEX, lambda index: index[2]["train"].update(width=WIDTH - 2)),
    "a row of two widths": set_json(SUMS_INDEX, lambda index: index[3]["train"].update(width=WIDTH - 1)),
    "a huge width": set_json(SUMS_INDEX, lambda index: index[2]["train"].update(width=10**9)),
    "validation of nobody": set_json(SUMS_INDEX, lambda index: index[1]["valid"]["support"].update(n=0)),
    "more validation patients": set_json(SUMS_INDEX, lambda index: index[1]["valid"]["support"].update(patients=99)),
    "sets that end early": set_array(*SETS, lambda sets: sets[:-1]),
    "a set too many": set_array(*SETS, lambda sets: np.concatenate([sets, sets[:LENGTH]])),
    "sets in float32": set_array(*SETS, lambda sets: sets.astype(np.float32)),
    "sets as big-endian": set_array(*SETS, lambda sets: sets.astype(">f8")),
    "sets as a table": set_array(*SETS, lambda sets: sets[None]),
    "sets of complex numbers": set_array(*SETS, lambda sets: sets.astype(complex)),
    "targets of another shape": set_array(*TARGETS, lambda targets: targets[1:]),
    "data that are not an array": set_data(lambda data: b"not an array"),
    "data that end early": set_data(lambda data: data[:-8]),
    "data that go on": set_data(lambda data: data + bytes(8)),
    "data of no length": set_data(lambda data: b""),
    "a header of petabytes": set_data(huge_header),
    "a header of brackets": set_data(lambda data: data[:10] + b"(" * (len(data) - 10)),
    "NaN": put(*SETS, 3, np.nan),
    "infinity": put(*TARGETS, 2, np.inf),
    "a huge number": put(*SETS, LENGTH - 1, 10 * LARGEST),
    "no record": put(*SETS, 0, 0.0),
    "a negative count of records": put(*SETS, 0, -70.0),
    "half a record": put(*SETS, 0, 70.5),
    "more records than the site has": put(*SETS, 0, 151.0),
    "a square no feature has": put(*SETS, 1 + WIDTH, 1e-100),
    "a negative square": put(*SETS, 1 + WIDTH, -1.0),
    "a sum beyond its squares": put(*SETS, 1, 1e6),
    "a product beyond its squares": put(*SETS, 2 + WIDTH, 1e6),
    "a target beyond its squares": put(*TARGETS, 0, 1e6),
    "a negative square of a target": put(*TARGETS, WIDTH + 1, -1.0),
    "a yes that is not 1": put(*TARGETS, AGE_LENGTH + WIDTH + 1, 99.0),
}


@pytest.mark.parametrize("change", WRONG_SUMS.values(), ids=WRONG_SUMS.keys())
def test_sums_that_cannot_be_are_refused(change: Change) -> None:
    content = over_the_wire(sums_records(make_sums()))
    change(content)
    with pytest.raises(ValueError, match=r"^.{5,100}$"):
        read_sums(content, WIDTH, SIZE)


def test_sums_larger_than_the_site_are_refused() -> None:
    content = over_the_wire(sums_records(make_sums()))
    for size in (Size(119, 130), Size(150, 117), Size(150, 99)):
        with pytest.raises(ValueError, match=r"site has|go together"):
            read_sums(content, WIDTH, size)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), scale=st.sampled_from([1e-300, 1e-150, 1e-9, 1.0, 1e9, 1e29]))
def test_whatever_sums_are_let_in_give_finite_probes(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    content = over_the_wire(sums_records(make_sums()))
    for name in ("sets", "targets"):
        values = content.array_records[SUMS][name].numpy().copy()
        hit = rng.random(values.shape) < rng.choice([0.002, 0.02])
        values[hit] = scale * rng.standard_normal(hit.sum()) * rng.integers(0, 2, hit.sum())
        content.array_records[SUMS][name] = Array(values)
    try:
        found = read_sums(content, WIDTH, SIZE)
    except ValueError:
        return
    joined = join_sums({"a": make_sums(seed=1), "b": found} if seed % 2 else {"b": found})
    probes = fit_transfer(joined, OPTIONS)
    assert all(np.isfinite(probe.weights).all() and np.isfinite(probe.intercept).all() for probe in probes.values())
    assert all(np.isfinite(value) for value in validation_score(joined, probes).values())
    lifted = lift(probes, WIDTH, OPTIONS.model_copy(update={"dimensions": WIDTH}), seed=0)
    assert read_probes(over_the_wire(probes_records(lifted, WIDTH, OPTIONS)), WIDTH)[0].keys() == probes.keys()


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_bytes_arrive_are_read_or_refused(data: st.DataObject) -> None:
    content = over_the_wire({**sums_records(make_sums()), **cells_records(make_cells())})
    array = content.array_records[SUMS]["sets"]
    header = bytearray(array.data)
    header[data.draw(st.integers(0, 127))] = data.draw(st.integers(0, 255))
    content.array_records[SUMS]["sets"] = Array(array.dtype, array.shape, array.stype, bytes(header))
    for record in (SUMS_INDEX, CELLS):
        text = str(content.config_records[record]["json"])
        place = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.sampled_from(["", '"', "9", "-", "null", "{", "]", "e999", "\\ud800", "\x00"]))
        content[record] = ConfigRecord({"json": text[:place] + piece + text[place + data.draw(st.integers(0, 3)) :]})
    for read in (lambda: read_sums(content, WIDTH, SIZE), lambda: read_cells(content, ["a", "b"], SIZE)):
        with suppress(ValueError):
            read()


WRONG_PROBES: dict[str, Change] = {
    "no values": set_record(PROBES, None),
    "no index": set_record(PROBES_INDEX, None),
    "a task too many": set_json(PROBES_INDEX, lambda index: index["tasks"].append("more")),
    "a task twice": set_json(PROBES_INDEX, lambda index: index["tasks"].__setitem__(0, "label0")),
    "a task that is no name": set_json(PROBES_INDEX, lambda index: index["tasks"].__setitem__(0, 3)),
    "unknown options": set_json(PROBES_INDEX, lambda index: index["options"].update(more=1)),
    "no resample": set_json(PROBES_INDEX, lambda index: index["options"].update(resamples=0)),
    "NaN": put(PROBES, "values", (0, 0), np.nan),
    "a negative penalty": put(PROBES, "values", (0, -1), -1.0),
    "another width": set_array(PROBES, "values", lambda values: values[:, 1:]),
}


@pytest.mark.parametrize("change", WRONG_PROBES.values(), ids=WRONG_PROBES.keys())
def test_probes_that_cannot_be_are_refused(change: Change) -> None:
    content = over_the_wire(probes_records(make_probes(), WIDTH, OPTIONS))
    change(content)
    with pytest.raises(ValueError, match=r"^.{5,100}$"):
        read_probes(content, WIDTH)


@pytest.mark.parametrize(
    "changes",
    [
        {"low": 0.9},
        {"low": None},
        {"point": None},
        {"point": 1.1},
        {"low": -0.1},
        {"n": None},
        {"patients": None},
        {"patients": 0},
        {"patients": 91},
        {"patients": 131, "n": 140},
        {"n": 151},
        {"n_pos": None},
        {"n_pos": 0},
        {"n_pos": 90},
        {"n_pos": -1},
        {"metric": "auprc"},
        {"metric": "accuracy"},
        {"cohort": "b"},
        {"probe": "within"},
        {"reason": "few"},
        {"second": Estimate(metric="r2", point=0.1)},
        {"second": Estimate(metric="auprc", point=1.1)},
        {"second": Estimate(metric="auprc", low=0.1, high=0.2)},
    ],
    ids=str,
)
def test_cells_that_are_no_result_are_refused(changes: dict[str, Any]) -> None:
    content = over_the_wire(cells_records(make_cells(**changes)))
    with pytest.raises(ValueError, match=r"^.{5,100}$"):
        read_cells(content, ["a", "b"], SIZE)


WRONG_CELLS: dict[str, Change] = {
    "no cells": set_record(CELLS, None),
    "another kind": set_record(CELLS, MetricRecord({"json": 1.0})),
    "a list": set_json(CELLS, lambda cells: []),
    "another probe": set_json(CELLS, lambda cells: cells.update(both={})),
    "another cohort": set_json(CELLS, lambda cells: cells["within"].update(z={})),
    "another task's metric": set_json(CELLS, lambda cells: cells["transfer"]["a"].update(age={**_af(cells)})),
    "unknown key": set_json(CELLS, lambda cells: _af(cells).update(more=1)),
    "a number as text": set_json(CELLS, lambda cells: _af(cells).update(point="0.6")),
    "a fractional count": set_json(CELLS, lambda cells: _af(cells).update(n=90.5)),
    "an unknown reason": set_json(CELLS, lambda cells: cells["within"]["b"]["AF"].update(reason="<script>")),
    "a count beside a reason": set_json(CELLS, lambda cells: cells["within"]["b"]["AF"].update(n=3)),
    "positives of a regression": set_json(CELLS, lambda cells: cells["transfer"]["a"]["age"].update(n_pos=3)),
}


def _af(cells: Any) -> dict[str, Any]:
    found: dict[str, Any] = cells["transfer"]["a"]["AF"]
    return found


@pytest.mark.parametrize("change", WRONG_CELLS.values(), ids=WRONG_CELLS.keys())
def test_other_things_than_cells_are_refused(change: Change) -> None:
    content = over_the_wire(cells_records(make_cells()))
    change(content)
    with pytest.raises(ValueError, match=r"^.{5,100}$"):
        read_cells(content, ["a", "b"], SIZE)
