"""One function chooses where to compute, for commands, sites and loaded bundles."""

from __future__ import annotations

import pytest
import torch

from cape_fed.errors import InputError
from cape_fed.pretrain.device import choose_device, compute_repeatably


@pytest.mark.parametrize("device", ["cuda:99", "cuda", "gpu", "meta", "abacus", ""])
def test_a_device_that_is_not_there_is_one_line(device: str) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(InputError, match=f"device '{device}' is not available here: use cpu, or auto"):
        choose_device(device)


def test_auto_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == torch.device("cpu")


def test_a_gpu_computes_repeatably_and_the_cpu_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    compute_repeatably(torch.device("cpu"))
    assert not torch.backends.cudnn.deterministic
    compute_repeatably(torch.device("cuda", 1))
    assert torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = False
