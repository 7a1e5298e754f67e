"""``python -m bench.device OUT.json``: the same runs on the CPU and on a GPU, how far apart and how fast they are.

Augmentation draws from a generator of the device, so that views differ between devices; it is turned off where results
are compared, and on where speed is.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file

from bench.row import machine, wait
from cape_fed.compose import compose_config
from cape_fed.config import RunConfig
from cape_fed.jobs import pretrain_centrally
from cape_fed.pretrain.cohorts import Cohort, open_stores
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.pretrain.workbench import Workbench
from cape_fed.progress import no_progress
from cape_fed.release.embed import embed_store
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.rundir import read_metrics
from cape_fed.simulation import simulate_federation
from cape_fed.store.split import split_patients
from cape_fed.store.store import Store
from cape_fed.study.plant import make_stores
from cape_fed.synthetic.catalogue import default_cohorts

PATIENTS = 400
STILL = [
    "augment.crop=1", "augment.time_mask=0", "augment.gain=0", "augment.noise_mv=0", "augment.wander_mv=0",
    "augment.mains_mv=0", "augment.lead_mask=0",
]  # fmt: skip
QUICK = ["model=tiny", "train.pairs=32", "train.steps=40", "train.monitor_every=10", "split.seed=0"]
GPU = "cuda" if torch.cuda.is_available() else "cpu"


def main(out: Path) -> None:
    found: dict[str, Any] = {"machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        stores = _stores(Path(folder))
        found["central"] = _central(stores, Path(folder))
        found["federation"] = _federation(stores, Path(folder))
        found["embedding"] = _embedding(stores)
        found["steps"] = {
            f"{model}, {pairs} pairs, {precision}, {device}": _step(stores, model, pairs, precision, device)
            for model, pairs, devices in (("tiny", 96, ("cpu", GPU)), ("base", 256, (GPU,)), ("large", 256, (GPU,)))
            for precision in ("float32", "bfloat16")
            for device in devices
        }
    out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


def _stores(folder: Path) -> list[Store]:
    cohorts = default_cohorts(3, 0)
    make_stores(folder, cohorts, PATIENTS, 0, min(8, os.cpu_count() or 1))
    return open_stores([folder / cohort.name for cohort in cohorts])


def _config(stores: list[Store], out: Path, *overrides: str) -> RunConfig:
    train = ",".join(str(store.path) for store in stores[:2])
    return compose_config([f"data.train=[{train}]", f"out={out}", *QUICK, *overrides])


def _central(stores: list[Store], folder: Path) -> dict[str, Any]:
    def train(name: str, *overrides: str) -> tuple[list[float], dict[str, np.ndarray]]:
        config = _config(stores, folder / name, *STILL, *overrides)
        pretrain_centrally(config, no_progress)
        losses = [line["loss"] for line in read_metrics(config.out / "metrics.jsonl") if "loss" in line]
        return losses, load_file(config.out / "bundle" / "model.safetensors")

    cpu, gpu = train("cpu", "device=cpu"), train("gpu", f"device={GPU}")
    again, half = train("again", f"device={GPU}"), train("half", f"device={GPU}", "precision=bfloat16")
    return {
        "losses on the CPU": cpu[0],
        "losses on the GPU": gpu[0],
        "losses on the GPU in bfloat16": half[0],
        "weights, CPU to GPU, relative": _apart(cpu[1], gpu[1]),
        "weights, GPU to GPU again, relative": _apart(gpu[1], again[1]),
        "weights, CPU to GPU in bfloat16, relative": _apart(cpu[1], half[1]),
    }


def _federation(stores: list[Store], folder: Path) -> dict[str, Any]:
    settings = ["federation.rounds=3", "federation.local_steps=4", "federation.evaluate=false"]

    def simulate(name: str, *overrides: str) -> dict[str, np.ndarray]:
        config = _config(stores, folder / name, *STILL, *settings, *overrides)
        simulate_federation(config, no_progress, workers=1)
        return load_file(config.out / "bundle" / "model.safetensors")

    cpu, gpu = simulate("fed-cpu", "device=cpu"), simulate("fed-gpu", f"device={GPU}")
    return {"weights, CPU to GPU, relative": _apart(cpu, gpu)}


def _embedding(stores: list[Store]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for model in ("tiny", "base"):
        embedded = {}
        for device in ("cpu", GPU):
            encoder = PretrainedEncoder(build_encoder(MODELS[model], 0).to(device), stores[2].profile)
            rows = np.arange(min(len(stores[2]), 512 if device == "cpu" else 100_000))
            embed_store(encoder, stores[2], rows[:64])
            seconds, embedded[device] = _timed(lambda e=encoder, r=rows: embed_store(e, stores[2], r))
            found[f"{model}, records/s, {device}"] = round(len(rows) / seconds)
        several = embedded["cpu"]
        found[f"{model}, largest difference"] = float(np.abs(several - embedded[GPU][: len(several)]).max())
        found[f"{model}, spread of the embedding"] = float(several.std())
    return found


def _step(stores: list[Store], model: str, pairs: int, precision: str, device: str) -> dict[str, float]:
    config = PretrainConfig.model_validate({"model": model, "train": {"pairs": pairs}, "precision": precision})
    cohort = Cohort(stores[0], split_patients(stores[0], 0))
    bench = Workbench(config, "bench", [cohort], 1000, torch.device(device))
    steps = 5 if device == "cpu" else 30
    list(bench.train(0, 3))
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds, _ = _timed(lambda: list(bench.train(3, 3 + steps)))
    memory = {"MiB at most": round(torch.cuda.max_memory_allocated() / 2**20)} if on_gpu else {}
    return {"ms a step": round(1000 * seconds / steps, 1), **memory}


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    wait(torch.device(GPU))
    begin = perf_counter()
    result = work()
    wait(torch.device(GPU))
    return perf_counter() - begin, result


def _apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """Distance between two encoders over the norm of the first."""
    first, second = (np.concatenate([tensors[name].ravel() for name in sorted(one)]) for tensors in (one, other))
    return float(np.linalg.norm(first - second) / np.linalg.norm(first))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
