"""Two processes on loopback share a batch as one process would."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp

from cape_fed.pretrain.cohorts import open_cohorts
from cape_fed.pretrain.config import AugmentConfig, PretrainConfig
from cape_fed.pretrain.distributed import Processes, join_processes, leave_processes
from cape_fed.pretrain.workbench import Workbench
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals

CPU = torch.device("cpu")
# Augmentation off: each process draws its own, so only without it the two ways see the same views.
CONFIG = PretrainConfig.model_validate(
    {
        "model": "tiny",
        "augment": {name: 1.0 if name == "crop" else 0.0 for name in AugmentConfig.model_fields},
        "train": {"pairs": 8, "learning_rate": 0.01, "optimiser": "sgd", "schedule": "constant", "warmup": 0.0},
    }
)
STEPS = 3


def train(root: Path, processes: Processes) -> tuple[dict[str, torch.Tensor], list[float]]:
    torch.set_num_threads(1)
    cohorts = open_cohorts([root / "a"], CONFIG.split, root / "splits")
    bench = Workbench(CONFIG, "central", cohorts, STEPS, CPU, processes)
    losses = [float(loss) for _, loss in bench.train(0, STEPS)]
    return bench.learner.encoder.state_dict(), losses


def process(rank: int, world: int, port: int, root: Path) -> None:
    import os

    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    processes = join_processes(CPU)
    weights, losses = train(root, processes)
    torch.save({"weights": weights, "losses": losses}, root / f"rank{rank}.pt")
    leave_processes()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_processes_equal_one(tiny_store: TinyStore, tmp_path: Path) -> None:
    signals, owner = patient_signals(patients=24, seed=0)
    tiny_store("a", signals=signals, patient=[f"a{patient}" for patient in owner])
    weights, losses = train(tmp_path, Processes())
    mp.start_processes(process, args=(2, free_port(), tmp_path), nprocs=2, start_method="spawn")
    ranks = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
    assert ranks[0]["losses"] == pytest.approx(losses, rel=1e-5)
    for name, value in weights.items():
        assert torch.equal(ranks[0]["weights"][name], ranks[1]["weights"][name])
        assert torch.allclose(ranks[0]["weights"][name], value, rtol=1e-4, atol=1e-6), name


def test_alone_outside_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert join_processes(CPU).world == 1
    assert Processes().share(8) == slice(0, 8)
    assert Processes(1, 2).share(8) == slice(4, 8)
