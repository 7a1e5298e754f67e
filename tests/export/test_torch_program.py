"""A program of torch.export runs without this project's classes and follows batch and length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cape_fed.export.graph import PaddedMaxPool
from cape_fed.export.write import export_bundle
from cape_fed.release.bundle import load_encoder
from tests.export.helpers import PARITY, differences


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_prepared_recordings_of_many_lengths(bundle: Path, tmp_path: Path) -> None:
    export_bundle(bundle, "torch", tmp_path / "out")
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()

    def model(ecg: np.ndarray) -> np.ndarray:
        return np.asarray(program(torch.from_numpy(np.concatenate([ecg, -ecg]))).detach())

    lengths = (129, 200, 512, 513, 999, 1000)
    assert max(differences(load_encoder(bundle), model, 100, lengths, raw=False)) < PARITY
    with pytest.raises(AssertionError, match="Guard failed"):
        model(np.zeros((1, 12, 128), np.float32))


@pytest.mark.parametrize("samples", [1, 3, 4, 5, 101])
def test_padded_pooling_is_pooling(samples: int) -> None:
    x = torch.randn(2, 3, samples, generator=torch.Generator().manual_seed(0))
    assert torch.equal(PaddedMaxPool(4)(x), torch.nn.functional.max_pool1d(x, 4, ceil_mode=True))
