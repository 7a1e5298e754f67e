"""One mode with one share of the labels and one seed: what is trained, and what it says about the test patients."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from time import perf_counter
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from cape_fed.errors import InputError, RunError
from cape_fed.evaluate.prediction import Prediction, predictions_of
from cape_fed.evaluate.targets.registry import is_regression
from cape_fed.files import atomic_directory
from cape_fed.finetune.classifier import Classifier
from cape_fed.finetune.config import FinetuneConfig, Mode
from cape_fed.finetune.labelled import Labelled, with_share_of_patients
from cape_fed.finetune.objective import objective_for
from cape_fed.finetune.results import FitFacts
from cape_fed.finetune.save import save_classifier
from cape_fed.finetune.setup import FinetuneSetup
from cape_fed.finetune.train import Choice, fit, predict
from cape_fed.pretrain.encoder import Encoder
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.seeds import derive_seed

_FACTS, _OUTPUTS = "facts.json", "outputs.npz"

Outputs = dict[str, NDArray[np.float64]]
"""By cohort ``[tested records, tasks]``."""


class Fit(NamedTuple):
    """Which classifier is fitted."""

    mode: Mode
    fraction: float
    repeat: int

    @property
    def name(self) -> str:
        """Name of the fit's directory, and its method in tables of predictions."""
        return f"{self.mode}-{self.fraction:g}-{self.repeat}"


def plan_fits(config: FinetuneConfig) -> list[Fit]:
    """All fits; each share of the labels and repeat has one from scratch."""
    modes: tuple[Mode, ...] = ("scratch", *config.modes)
    return [
        Fit(mode, fraction, repeat)
        for repeat in range(config.repeats)
        for fraction in config.fractions
        for mode in modes
    ]


def share_of(setup: FinetuneSetup, planned: Fit) -> Labelled:
    """The labelled records that a fit may train on, which are the same in every mode."""
    return with_share_of_patients(setup.train, planned.fraction, _seed(setup, planned))


def check_shares(setup: FinetuneSetup, fits: Sequence[Fit]) -> None:
    """InputError where a fit has nothing to learn: no task with both classes, or no known value of a regression."""
    for planned in fits:
        if planned.mode == "scratch":  # the other modes have the same labels
            train = share_of(setup, planned)
            if not any(train.support(task).strength(name) for task, name in enumerate(setup.tasks)):
                first = setup.tasks[0]
                lacking = f"none has a known {first}" if is_regression(first) else "no task has a yes and a no"
                raise InputError(
                    f"finetune.fractions: {planned.fraction:g} of the train patients are "
                    f"{len(np.unique(train.patients))}, of whom {lacking}: take a larger share"
                )


def run_fit(setup: FinetuneSetup, planned: Fit, directory: Path) -> None:
    """Train, predict the test patients once, and write both facts and outputs to ``directory``, whole or not at all."""
    begin = perf_counter()
    settings, seed, profile = setup.settings, _seed(setup, planned), setup.encoder.profile
    train = share_of(setup, planned)
    objective = objective_for(setup.tasks, train.targets)
    classifier = Classifier(_encoder(setup, planned, seed), len(setup.tasks)).to(setup.device)
    try:
        choice = fit(classifier, planned.mode, train, setup.valid, objective, profile, settings, seed)
    except RunError as error:
        raise RunError(f"{planned.name}: {error}") from error
    outputs = {
        cohort.name: predict(classifier, profile, cohort.store, cohort.tested["transfer"]) for cohort in setup.cohorts
    }
    steps = None if planned.mode == "linear" else settings.finetune.steps_for(len(train))
    facts = _facts(planned, setup.tasks, train, choice, steps, perf_counter() - begin)
    with atomic_directory(directory) as partial:
        np.savez(partial / _OUTPUTS, **outputs)  # type: ignore[arg-type]
        (partial / _FACTS).write_text(json.dumps(facts.model_dump(mode="json"), indent=1, allow_nan=False) + "\n")
        if settings.finetune.save and planned.mode != "scratch":
            save_classifier(partial, classifier, setup.tasks, profile, setup.encoder.provenance, setup.learnt)


def read_fit(directory: Path) -> tuple[FitFacts, Outputs]:
    """What a finished fit left; InputError where it was damaged since."""
    try:
        facts = FitFacts.model_validate_json((directory / _FACTS).read_text())
        with np.load(directory / _OUTPUTS, allow_pickle=False) as stored:
            return facts, {cohort: stored[cohort] for cohort in stored.files}
    except (OSError, EOFError, ValueError, BadZipFile) as error:
        raise InputError(f"{directory} cannot be read: delete it and go on with resume=true") from error


def fit_predictions(setup: FinetuneSetup, planned: Fit, outputs: Outputs) -> list[Prediction]:
    """A fit's outputs as evaluations keep them: annotated test records, task by task."""
    return [
        block
        for number, task in enumerate(setup.tasks)
        for cohort in setup.cohorts
        for block in predictions_of(planned.name, cohort, "transfer", {task: outputs[cohort.name][:, number]})
    ]


def _facts(
    planned: Fit, tasks: Sequence[str], train: Labelled, choice: Choice, steps: int | None, seconds: float
) -> FitFacts:
    return FitFacts(
        mode=planned.mode,
        fraction=planned.fraction,
        repeat=planned.repeat,
        patients=len(np.unique(train.patients)),
        records=len(train),
        positives={
            task: train.support(index).patients_pos for index, task in enumerate(tasks) if not is_regression(task)
        },
        learning_rate=choice.learning_rate,
        step=choice.step,
        steps=steps,
        penalties=dict(zip(tasks, choice.penalties, strict=True)) if choice.penalties else {},
        validation_score=choice.score,
        validation_loss=choice.loss,
        seconds=seconds,
    )


def _encoder(setup: FinetuneSetup, planned: Fit, seed: int) -> Encoder:
    if planned.mode == "scratch":
        return build_encoder(setup.scratch, derive_seed(seed, "encoder"))
    return deepcopy(setup.encoder.encoder)


def _seed(setup: FinetuneSetup, planned: Fit) -> int:
    """One for all fits of a repeat, which so differ by mode and share of the labels and by nothing else."""
    return derive_seed(setup.settings.seed, "finetune", planned.repeat)
