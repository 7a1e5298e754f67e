"""The table ``predictions.parquet``: what a comparison needs to pair runs record by record. Stays with the run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cape_fed.errors import InputError
from cape_fed.evaluate.prediction import Prediction
from cape_fed.files import PRIVATE, atomic_file

PREDICTIONS_FILE = "predictions.parquet"

_NAMES = ("method", "cohort", "task", "probe")
_WORD = pa.dictionary(pa.int32(), pa.string())
_SCHEMA = pa.schema(
    [
        *((name, _WORD) for name in _NAMES),
        ("row", pa.int64()),
        ("patient", pa.int64()),
        ("target", pa.float64()),
        ("score", pa.float64()),
    ]
)


def write_predictions(predictions: Iterable[Prediction], path: Path) -> None:
    """Write one row a record, task, probe and method; one row group a block."""
    with (
        atomic_file(path, PRIVATE) as partial,
        pq.ParquetWriter(partial, _SCHEMA, compression="zstd") as writer,
    ):
        for block in predictions:
            writer.write_table(_to_table(block), row_group_size=len(block.rows))


def read_predictions(path: Path) -> list[Prediction]:
    """Read all blocks; raises InputError where the file is missing or not such a table."""
    if not path.is_file():
        raise InputError(f"{path} is missing: a comparison needs it in addition to the results; evaluate again")
    try:
        file = pq.ParquetFile(path)
        return [_from_table(file.read_row_group(group)) for group in range(file.num_row_groups)]
    except (pa.ArrowException, OSError, KeyError) as error:
        raise InputError(f"{path} is not a table of predictions ({type(error).__name__}): evaluate again") from None


def _to_table(block: Prediction) -> pa.Table:
    zeros = np.zeros(len(block.rows), np.int32)
    names = [pa.DictionaryArray.from_arrays(zeros, [getattr(block, name)]) for name in _NAMES]
    return pa.table([*names, block.rows, block.patients, block.target, block.score], schema=_SCHEMA)


def _from_table(table: pa.Table) -> Prediction:
    names: dict[str, Any] = {name: table[name][0].as_py() for name in _NAMES}
    arrays = {name: table[name].to_numpy() for name in ("row", "patient", "target", "score")}
    return Prediction(
        **names, rows=arrays["row"], patients=arrays["patient"], target=arrays["target"], score=arrays["score"]
    )
