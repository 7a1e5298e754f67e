from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cape_fed.errors import InputError
from cape_fed.evaluate.foreign.load import LoadedForeign
from cape_fed.evaluate.results import ForeignInfo
from cape_fed.finetune.foreign import ForeignModule, FrozenForeign, adapt_foreign
from cape_fed.release.embed import embed_store
from tests.conftest import TinyStore

pytestmark = pytest.mark.usefixtures("one_thread")


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(24.0).reshape(12, 2) / 24)

    def forward(self, ecg: Tensor) -> Tensor:
        return ecg.mean(dim=2) @ self.weight


class Layered(Net):
    def layers(self) -> list[list[nn.Parameter]]:
        return [[self.weight]]


class Embeds:
    def __deepcopy__(self, memo: Any) -> Any:
        raise AssertionError("what somebody else's encoder holds is not copied")

    def embed(self, ecg_mv: np.ndarray, fs: float, leads: Any) -> np.ndarray:
        return ecg_mv.mean(axis=2) @ (np.arange(24.0).reshape(12, 2) / 24)


class Trains(Embeds):
    def __init__(self, made: Any) -> None:
        self.made = made

    def module(self, fs: float, leads: Any) -> Any:
        return self.made() if callable(self.made) else self.made


def loaded(encoder: Any) -> LoadedForeign:
    return LoadedForeign("X", encoder, ForeignInfo(factory="m:f"))


def test_an_encoder_without_gradients_embeds_as_it_is(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=9)
    adapted = adapt_foreign(loaded(Embeds()), store, ["linear"])
    assert isinstance(deepcopy(adapted.encoder), FrozenForeign)
    expected = store.millivolts(np.arange(len(store))).mean(axis=2) @ (np.arange(24.0).reshape(12, 2) / 24)
    assert np.allclose(embed_store(adapted, store), expected, atol=1e-6)
    assert adapted.encoder.layers() == []


def test_a_module_takes_records_of_each_length_without_padding_and_has_gradients() -> None:
    encoder = ForeignModule(Net(), 2)
    ecg = torch.from_numpy(np.random.default_rng(0).normal(0, 1, (5, 12, 30)).astype(np.float32))
    valid = torch.tensor([30, 10, 30, 20, 10])
    found = encoder(ecg, valid)
    for row, length in enumerate(valid.tolist()):
        assert torch.allclose(found[row], encoder(ecg[row : row + 1, :, :length])[0])
    found.sum().backward()
    assert encoder.module.weight.grad is not None  # type: ignore[union-attr]


def test_modes_that_train_take_the_module(tiny_store: TinyStore) -> None:
    store = tiny_store("a", patients=9)
    assert isinstance(adapt_foreign(loaded(Trains(Layered)), store, ["full", "decayed"]).encoder, ForeignModule)
    assert isinstance(adapt_foreign(loaded(Trains(Net)), store, ["linear"]).encoder, FrozenForeign)


def raises() -> nn.Module:
    raise ValueError("only at 500 Hz")


def other() -> nn.Module:
    net = Net()
    nn.init.ones_(net.weight)
    return net


@pytest.mark.parametrize(
    ("encoder", "mode", "says"),
    [
        (Embeds(), "full", r"offers no module\(fs, leads\), which full train: take finetune.modes=\[linear\]"),
        (Trains(raises), "full", "its module raised ValueError: only at 500 Hz"),
        (Trains("text"), "full", "its module raised TypeError: a str is no torch module with parameters"),
        (Trains(nn.Flatten), "full", "a Flatten is no torch module with parameters"),
        (Trains(lambda: nn.Conv1d(3, 2, 1)), "full", "its module raised RuntimeError"),
        (Trains(Net), "decayed", r"its module has no layers\(\), which the mode decayed goes by"),
        (Trains(other), "full", "its module and its embed give other embeddings"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(encoder: Any, mode: Any, says: str, tiny_store: TinyStore) -> None:
    with pytest.raises(InputError, match=says) as error:
        adapt_foreign(loaded(encoder), tiny_store("a", patients=5), [mode])
    assert str(error.value).startswith("encoder X (m:f)")
