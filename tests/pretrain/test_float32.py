"""TF32 is off inside, whoever else is inside, and as it was afterwards. No GPU is needed to ask for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch

from cape_fed.pretrain.float32 import without_tf32

BACKENDS = torch.backends
NEW = pytest.mark.skipif(not hasattr(BACKENDS.cudnn, "conv"), reason="this PyTorch has one setting for cuDNN")


def precision() -> list[str]:
    return [where.fp32_precision for where in (BACKENDS.cudnn.conv, BACKENDS.cudnn.rnn, BACKENDS.cuda.matmul)]


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    convolutions, products = BACKENDS.cudnn.allow_tf32, BACKENDS.cuda.matmul.allow_tf32
    yield
    BACKENDS.cudnn.allow_tf32, BACKENDS.cuda.matmul.allow_tf32 = convolutions, products


def old_names() -> None:
    BACKENDS.cudnn.allow_tf32, BACKENDS.cuda.matmul.allow_tf32 = True, True


def new_names() -> None:
    BACKENDS.cudnn.conv.fp32_precision, BACKENDS.cuda.matmul.fp32_precision = "ieee", "tf32"


@NEW
@pytest.mark.parametrize("ask", [lambda: None, old_names, new_names])
def test_it_is_off_inside_and_as_before_afterwards(ask: Callable[[], None]) -> None:
    ask()
    before = precision()
    with without_tf32():
        assert precision() == ["ieee"] * 3
        torch.nn.functional.conv1d(torch.ones(1, 1, 8), torch.ones(1, 1, 3))
        with without_tf32():
            pass
        assert precision() == ["ieee"] * 3
    assert precision() == before
    with pytest.raises(KeyError), without_tf32():
        raise KeyError
    assert precision() == before


@NEW
def test_the_last_of_several_threads_sets_it_as_before() -> None:
    before = precision()
    entered, left, seen = threading.Event(), threading.Event(), []

    def compute() -> None:
        with without_tf32():
            entered.set()
            left.wait(30)
            seen.append(precision())

    thread = threading.Thread(target=compute)
    with without_tf32():
        thread.start()
        assert entered.wait(30)
    left.set()
    thread.join()
    assert seen == [["ieee"] * 3]
    assert precision() == before


def test_an_older_pytorch_has_other_names(monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn, cuda = SimpleNamespace(allow_tf32=True), SimpleNamespace(matmul=SimpleNamespace(allow_tf32=True))
    with monkeypatch.context() as older:
        older.setattr(BACKENDS, "cudnn", cudnn)
        older.setattr(BACKENDS, "cuda", cuda)
        with without_tf32():
            assert (cudnn.allow_tf32, cuda.matmul.allow_tf32) == (False, False)
        assert (cudnn.allow_tf32, cuda.matmul.allow_tf32) == (True, True)
