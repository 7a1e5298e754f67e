"""One trial on disk: what it is to do, and what came out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from cape_fed.compose import describe
from cape_fed.errors import InputError
from cape_fed.evaluate.handmade.features import handmade
from cape_fed.evaluate.probes.representation import DEMOGRAPHICS, Representation
from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.files import atomic_directory, atomic_file
from cape_fed.pretrain.cohorts import open_stores, split_stores
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.heads import load_heads
from cape_fed.pretrain.objective import ProjectionHead
from cape_fed.release.bundle import load_encoder
from cape_fed.release.embed import embed_store
from cape_fed.release.untrained import untrained
from cape_fed.rundir import RunDirectory, read_metrics
from cape_fed.seeds import derive_seed
from cape_fed.study.measure import Measures, finite, mean_measures, measure, probe_artefact
from cape_fed.study.plan import Trial
from cape_fed.study.train import pretrain_trial

TRIAL_FILE, OUTCOME = "cell.json", "outcome"
_POINTS, _DRAWS, _SAMPLE, _RUNS = "measures.json", "draws.npz", "sample.npy", "runs"


@dataclass(frozen=True)
class Outcome:
    """What a trial gave."""

    measures: Measures
    sample: NDArray[np.float32]
    """Embeddings ``[n, D]`` of a sample of records, the same in every trial on the same cohorts."""
    facts: dict[str, float]
    """Numbers of the training without resamples: seconds, last loss, mean client drift."""


def write_trial(directory: Path, trial: Trial) -> None:
    """Write a trial into its directory, from which it can be run."""
    with atomic_file(directory / TRIAL_FILE) as partial_file:
        partial_file.write_text(trial.model_dump_json(indent=1) + "\n")


def run_trial(directory: Path) -> None:
    """Train and measure the trial of a directory; nothing where its outcome is there."""
    if (directory / OUTCOME).is_dir():
        return
    begin = perf_counter()
    trial = _read_trial(directory)
    torch.set_num_threads(trial.config.threads or 1)
    runs = pretrain_trial(trial, directory / _RUNS)
    trained = perf_counter() - begin
    found = [_measure(trial, method, heads) for method, heads in _methods(trial, runs)]
    facts = {"seconds": perf_counter() - begin, "training_seconds": trained, **_training_facts(runs)}
    _write(directory / OUTCOME, mean_measures([measures for measures, _ in found]), found[0][1], facts)
    shutil.rmtree(directory / _RUNS, ignore_errors=True)


def read_outcome(directory: Path) -> Outcome:
    """The outcome of a trial that has one."""
    folder = directory / OUTCOME
    plain = json.loads((folder / _POINTS).read_text())
    with np.load(folder / _DRAWS, allow_pickle=False) as draws:
        measures = {name: Sampled(point, draws[name].astype(np.float64)) for name, point in plain["measures"].items()}
    return Outcome(measures, np.load(folder / _SAMPLE, allow_pickle=False), plain["facts"])


def _read_trial(directory: Path) -> Trial:
    try:
        return Trial.model_validate_json((directory / TRIAL_FILE).read_text())
    except (OSError, ValidationError) as error:
        what = describe(error) if isinstance(error, ValidationError) else error.strerror
        raise InputError(f"{directory / TRIAL_FILE} cannot be read: {what}; plan the study again") from error


def _methods(trial: Trial, runs: list[RunDirectory]) -> Iterator[tuple[Representation, dict[str, ProjectionHead]]]:
    """What is measured, with the heads it was trained with."""
    device = choose_device(trial.config.device)
    if trial.keys.pretraining == "demographics":
        yield DEMOGRAPHICS, {}
    elif trial.keys.pretraining == "handmade":
        yield handmade(workers=1), {}
    elif trial.keys.pretraining == "untrained":
        config = trial.config.pretraining
        profile = open_stores([trial.config.data.train[0][0]])[0].profile
        encode = untrained(config.encoder_config, derive_seed(config.seed, "encoder"), profile, device)
        yield Representation("untrained", encode), {}
    for run in runs:
        trained = partial(embed_store, load_encoder(run.bundle, str(device)))
        yield Representation(run.path.name, trained), load_heads(run)


def _measure(
    trial: Trial, method: Representation, heads: dict[str, ProjectionHead]
) -> tuple[Measures, NDArray[np.float32]]:
    config, options = trial.config, trial.config.evaluation
    train = open_stores([site[0] for site in config.data.train])
    evaluate = open_stores([path for site in config.data.evaluate for path in site]) if config.data.evaluate else []
    splits = split_stores([*train, *evaluate], config.split)
    measures, sample = measure(method, train, evaluate, splits, options, heads)
    for artefact, sites in trial.artefacts.items():
        measures |= probe_artefact(artefact, method, open_stores(sites.train), config.split, options)
    return dict(finite(measures)), sample


def _training_facts(runs: list[RunDirectory]) -> dict[str, float]:
    lines = [line for run in runs for line in read_metrics(run.metrics)]
    facts = {}
    for name in ("drift", "cosine"):
        if values := [line[name] for line in lines if line.get(name) is not None]:
            facts[name] = float(np.mean(values))
    if losses := [line["loss"] for line in lines if line.get("loss") is not None]:
        facts["loss"] = losses[-1]
    return facts


def _write(folder: Path, measures: Measures, sample: NDArray[np.float32], facts: dict[str, float]) -> None:
    points = {"measures": {name: value.point for name, value in measures.items()}, "facts": facts}
    with atomic_directory(folder) as partial_folder:
        draws: dict[str, Any] = {name: value.draws.astype(np.float32) for name, value in measures.items()}
        np.savez(partial_folder / _DRAWS, **draws)
        np.save(partial_folder / _SAMPLE, sample.astype(np.float32))
        (partial_folder / _POINTS).write_text(json.dumps(points, indent=1, allow_nan=False) + "\n")
