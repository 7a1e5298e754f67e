"""A bundle in an evaluation suite: a stand-in of the suite's base class, its handling of NaN and its optimiser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cape_fed.export.suite import Mode, SuiteModel
from cape_fed.release.bundle import load_encoder
from tests.export.helpers import recording


class SuiteBase(nn.Module):
    """What a public suite expects of a model: these two numbers, ``forward(x, **kwargs)`` and ``get_params()``."""

    def __init__(self, num_classes: int, num_output_tokens: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.num_output_tokens = num_output_tokens

    def get_model_transforms(self, transforms: list[Any]) -> list[Any]:
        return transforms


class Wrapper(SuiteBase):
    """As in docs/using-an-encoder.md."""

    def __init__(self, num_classes: int, num_output_tokens: int, pretrained_path: str, **options: Any) -> None:
        super().__init__(num_classes, num_output_tokens)
        self.model = SuiteModel(pretrained_path, num_classes, **options)

    def get_params(self) -> list[dict[str, Any]]:
        return self.model.get_params()

    def forward(self, x: Tensor, **_: Any) -> Tensor:
        return self.model(x)


def batch(count: int, samples: int) -> Tensor:
    return torch.from_numpy(np.stack([recording(samples, seed) for seed in range(count)]))


def suite_step(model: Any, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor) -> float:
    """A step as the suite takes it, missing samples set to 0 beforehand."""
    x[torch.isnan(x)] = 0
    loss = nn.functional.binary_cross_entropy_with_logits(torch.nan_to_num(model(x)), y)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return float(loss.detach())


@pytest.mark.parametrize("mode", get_args(Mode))
def test_it_learns_in_every_mode_and_moves_what_it_should(bundle: Path, mode: Mode, one_thread: None) -> None:
    torch.manual_seed(0)
    model = Wrapper(3, 1, str(bundle), rate=240, eval_mode=mode, lr=0.01)
    model.train()
    before = {name: value.clone() for name, value in model.model.encoder.state_dict().items()}
    optimiser = torch.optim.AdamW(model.get_params())
    x, y = batch(8, 600), torch.eye(3)[torch.arange(8) % 3]
    losses = [suite_step(model, optimiser, x.clone(), y) for _ in range(12)]
    assert losses[-1] < losses[0] - 0.02
    assert model(x).shape == (8, 3)
    moved = [name for name, value in model.model.encoder.state_dict().items() if not torch.equal(value, before[name])]
    assert (len(moved) == len(before)) if mode.startswith("finetuning") else not moved


def test_rates_go_down_with_the_layers(bundle: Path) -> None:
    model = SuiteModel(bundle, 2, lr=1.0, discriminative_lr_factor=0.5)
    groups = model.get_params()
    assert [group["lr"] for group in groups] == [1.0, 0.5, 0.25]
    named = {id(parameter): name for name, parameter in model.named_parameters()}
    names = [[named[id(parameter)] for parameter in group["params"]] for group in groups]
    assert sorted(sum(names, [])) == sorted(named.values())  # noqa: RUF017
    assert names[0] == ["head.weight", "head.bias"]
    assert "encoder.stem.weight" in names[2]
    assert all(name.startswith("encoder.blocks.") for name in names[1])


def test_tokens_are_the_encoders_features(bundle: Path) -> None:
    model, encoder = SuiteModel(bundle, 2, rate=500, eval_mode="linear"), load_encoder(bundle)
    x = batch(2, 3000)
    sequence, valid = encoder.features(x.numpy(), 500)
    tokens = model.tokens(x).detach().numpy()
    np.testing.assert_allclose(tokens, sequence[:, valid[0]], atol=1e-3)
