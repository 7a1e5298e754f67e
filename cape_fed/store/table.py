"""The record table: from columns at hand to the schema of the store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cape_fed.signal.profile import Profile
from cape_fed.store.format import COLUMNS

Columns = Mapping[str, Any]


def label_columns(schema: pa.Schema) -> tuple[str, ...]:
    """Names of the label columns in the order in which the table holds them."""
    return tuple(name for name in schema.names if name not in COLUMNS)


def complete_table(columns: pa.Table | Columns, profile: Profile, digests: NDArray[np.uint64] | None) -> pa.Table:
    """Cast to the store's schema and fill what is missing.

    ``record`` and ``patient`` are required. A missing column means: patient known, age and sex not known, no quality
    flag, all samples valid, recorded at the profile's rate, in no fold, beginning at an unknown time. Every further
    column becomes a nullable boolean label.
    Raises ValueError for a required column that is missing and for a repeated record.
    """
    given = columns if isinstance(columns, pa.Table) else pa.table(dict(columns))
    if missing := {"record", "patient"} - set(given.column_names):
        raise ValueError(f"records need the columns {sorted(missing)}")
    defaults = _defaults(given.num_rows, profile, digests)
    fixed = {
        name: given[name].cast(kind) if name in given.column_names else pa.chunked_array([defaults[name]], kind)
        for name, kind in COLUMNS.items()
    }
    labels = {name: given[name].cast(pa.bool_()) for name in label_columns(given.schema)}
    table = pa.table(fixed | labels)
    if pc.count_distinct(table["record"]).as_py() != len(table):
        raise ValueError("records are not unique")
    return table


def _defaults(rows: int, profile: Profile, digests: NDArray[np.uint64] | None) -> dict[str, pa.Array]:
    nothing = pa.nulls(rows)
    return {
        "record": nothing,
        "patient": nothing,
        "patient_known": pa.array(np.ones(rows, bool)),
        "age": pa.nulls(rows, pa.float32()),
        "sex": pa.nulls(rows, pa.string()),
        "quality": pa.array(np.zeros(rows, np.uint32)),
        "valid": pa.array(np.full(rows, profile.samples, np.int32)),
        "source_fs": pa.array(np.full(rows, profile.fs, np.float32)),
        "source_samples": pa.array(np.full(rows, profile.samples, np.int32)),
        "digest": pa.nulls(rows, pa.uint64()) if digests is None else pa.array(digests),
        "fold": pa.nulls(rows, pa.int8()),
        "begins": pa.nulls(rows, pa.float32()),
    }


def rate_counts(table: pa.Table) -> dict[str, int]:
    """Records by source sampling rate, the most frequent first."""
    counts = pc.value_counts(table["source_fs"]).to_pylist()
    ordered = sorted(counts, key=lambda entry: (-entry["counts"], entry["values"]))
    return {f"{entry['values']:g}": entry["counts"] for entry in ordered}
