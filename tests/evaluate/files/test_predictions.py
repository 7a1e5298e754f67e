from __future__ import annotations

import numpy as np
import pytest

from cape_fed.errors import InputError
from cape_fed.evaluate.files.predictions import read_predictions, write_predictions
from cape_fed.evaluate.prediction import Prediction


def block(method: str, n: int) -> Prediction:
    rng = np.random.default_rng(n)
    return Prediction(
        method, "cöhort/1", "AF", "within", np.arange(n), rng.integers(0, 5, n), rng.random(n), rng.random(n)
    )


def test_round_trip(tmp_path) -> None:
    blocks = [block("one", 3), block("two", 50)]
    write_predictions(blocks, tmp_path / "p.parquet")
    read = read_predictions(tmp_path / "p.parquet")
    assert [(b.method, b.cohort, b.task, b.probe) for b in read] == [
        ("one", "cöhort/1", "AF", "within"),
        ("two", "cöhort/1", "AF", "within"),
    ]
    for before, after in zip(blocks, read, strict=True):
        for name in ("rows", "patients", "target", "score"):
            np.testing.assert_array_equal(getattr(before, name), getattr(after, name))


def test_no_predictions_make_an_empty_table(tmp_path) -> None:
    write_predictions([], tmp_path / "p.parquet")
    assert read_predictions(tmp_path / "p.parquet") == []


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"{}"])
def test_other_files_are_refused(tmp_path, content: bytes) -> None:
    (tmp_path / "p.parquet").write_bytes(content)
    with pytest.raises(InputError, match="not a table of predictions"):
        read_predictions(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="is missing"):
        read_predictions(tmp_path / "q.parquet")
