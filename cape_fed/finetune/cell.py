"""One mode with one share of the labels and one seed: what is trained, and what it says about the test patients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from cape_fed.config import RunConfig
from cape_fed.errors import InputError, RunError
from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.prediction import Prediction, predictions_of
from cape_fed.evaluate.targets.registry import is_regression
from cape_fed.files import atomic_directory
from cape_fed.finetune.classifier import Classifier
from cape_fed.finetune.config import FinetuneConfig, Mode
from cape_fed.finetune.keep import keep
from cape_fed.finetune.labelled import Labelled, Part, labelled, with_share_of_patients
from cape_fed.finetune.objective import objective_for
from cape_fed.finetune.results import CellFacts
from cape_fed.finetune.train import fit, predict
from cape_fed.pretrain.encoder import Encoder, build_encoder
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.seeds import derive_seed

_FACTS, _OUTPUTS = "facts.json", "outputs.npz"

Outputs = dict[str, NDArray[np.float64]]
"""By cohort ``[tested records, tasks]``."""


class Cell(NamedTuple):
    """What is done."""

    mode: Mode
    fraction: float
    repeat: int

    @property
    def name(self) -> str:
        """Name of the cell's directory, and its method in tables of predictions."""
        return f"{self.mode}-{self.fraction:g}-{self.repeat}"


@dataclass(frozen=True)
class Material:
    """What all cells have in common."""

    encoder: PretrainedEncoder
    cohorts: Sequence[EvaluatedCohort]
    """Those whose labels are learnt (ID) and those that are only tested (OOD)."""
    tasks: Sequence[str]
    config: RunConfig
    device: torch.device

    @cached_property
    def train(self) -> Labelled:
        """The train records of the ID cohorts."""
        return self._part("train")

    @cached_property
    def valid(self) -> Labelled:
        """Their validation records."""
        return self._part("valid")

    @property
    def learnt(self) -> list[EvaluatedCohort]:
        """The ID cohorts."""
        return [cohort for cohort in self.cohorts if cohort.role == "id"]

    def _part(self, name: Part) -> Labelled:
        return labelled(self.learnt, name, self.tasks)


def plan_cells(config: FinetuneConfig) -> list[Cell]:
    """All cells, a scratch one beside each share of the labels and repeat."""
    modes: tuple[Mode, ...] = ("scratch", *config.modes)
    return [
        Cell(mode, fraction, repeat)
        for repeat in range(config.repeats)
        for fraction in config.fractions
        for mode in modes
    ]


def share_of(material: Material, cell: Cell) -> Labelled:
    """The labelled records that a cell may train on: the same in every mode."""
    return with_share_of_patients(material.train, cell.fraction, _seed(material, cell))


def check_shares(material: Material, cells: Sequence[Cell]) -> None:
    """InputError where a cell has nothing to learn: no task with both classes, or no known age."""
    for cell in cells:
        if cell.mode == "scratch":  # the other modes have the same labels
            train = share_of(material, cell)
            if not any(train.support(task).strength(name) for task, name in enumerate(material.tasks)):
                lacking = "none has a known age" if is_regression(material.tasks[0]) else "no task has a yes and a no"
                raise InputError(
                    f"finetune.fractions: {cell.fraction:g} of the train patients are "
                    f"{len(np.unique(train.patients))}, of whom {lacking}: take a larger share"
                )


def run_cell(material: Material, cell: Cell, directory: Path) -> None:
    """Train, predict the test patients once, and write both facts and outputs to ``directory``, whole or not at all."""
    begin = perf_counter()
    config, seed, profile = material.config, _seed(material, cell), material.encoder.profile
    train = share_of(material, cell)
    objective = objective_for(material.tasks, train.targets)
    classifier = Classifier(_encoder(material, cell, seed), len(material.tasks)).to(material.device)
    try:
        choice = fit(classifier, cell.mode, train, material.valid, objective, profile, config, seed)
    except RunError as error:
        raise RunError(f"{cell.name}: {error}") from error
    outputs = {
        cohort.name: predict(classifier, profile, cohort.store, cohort.tested["transfer"])
        for cohort in material.cohorts
    }
    facts = CellFacts(
        mode=cell.mode,
        fraction=cell.fraction,
        repeat=cell.repeat,
        patients=len(np.unique(train.patients)),
        records=len(train),
        positives={
            task: train.support(index).patients_pos
            for index, task in enumerate(material.tasks)
            if not is_regression(task)
        },
        learning_rate=choice.learning_rate,
        step=choice.step,
        validation_score=choice.score,
        validation_loss=choice.loss,
        seconds=perf_counter() - begin,
    )
    with atomic_directory(directory) as partial:
        np.savez(partial / _OUTPUTS, **outputs)  # type: ignore[arg-type]
        (partial / _FACTS).write_text(json.dumps(facts.model_dump(mode="json"), indent=1, allow_nan=False) + "\n")
        if config.finetune.save and cell.mode != "scratch":
            keep(partial, classifier, material.tasks, profile, material.encoder.provenance, material.learnt)


def read_cell(directory: Path) -> tuple[CellFacts, Outputs]:
    """What a finished cell left; InputError where it was damaged since."""
    try:
        facts = CellFacts.model_validate_json((directory / _FACTS).read_text())
        with np.load(directory / _OUTPUTS, allow_pickle=False) as stored:
            return facts, {cohort: stored[cohort] for cohort in stored.files}
    except (OSError, ValueError, BadZipFile) as error:
        raise InputError(f"{directory} cannot be read: delete it and go on with resume=true") from error


def predictions(material: Material, cell: Cell, outputs: Outputs) -> list[Prediction]:
    """A cell's outputs as evaluations keep them: annotated test records, task by task."""
    return [
        block
        for number, task in enumerate(material.tasks)
        for cohort in material.cohorts
        for block in predictions_of(cell.name, cohort, "transfer", {task: outputs[cohort.name][:, number]})
    ]


def _encoder(material: Material, cell: Cell, seed: int) -> Encoder:
    pretrained = material.encoder.encoder
    if cell.mode == "scratch":
        return build_encoder(pretrained.config, derive_seed(seed, "encoder"))
    return deepcopy(pretrained)


def _seed(material: Material, cell: Cell) -> int:
    """One for all cells of a repeat: they differ by what they are about and by nothing else."""
    return derive_seed(material.config.seed, "finetune", cell.repeat)
