"""What would keep the trials of a study from being trained or measured, found before any of them is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from cape_fed.config import RunConfig, flat_paths
from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import Role, make_cohorts
from cape_fed.evaluate.handmade.features import EXTRA, is_available
from cape_fed.evaluate.targets.registry import is_regression, task_names
from cape_fed.evaluate.targets.support import Support, support_of
from cape_fed.extras import missing, require
from cape_fed.pretrain.cohorts import Cohort, open_stores, split_stores
from cape_fed.pretrain.workbench import require_full_batches
from cape_fed.study.config import Claim, StudyConfig
from cape_fed.study.leave_out import FEWEST
from cape_fed.study.plan import PlannedTrial, Trial
from cape_fed.study.train import UNTRAINED, training_splits
from cape_fed.study.worlds import require_enough_patients

log = logging.getLogger(__name__)


def check_trials(plan: Sequence[PlannedTrial]) -> None:
    """InputError for stores that do not go together, and for the first trial that cannot be trained; writes nothing."""
    for planned in _distinct(plan, _what_stores_matter):
        _check_stores(planned.trial.config)
    for planned in _distinct(plan, _what_matters):
        try:
            _check_training(planned.trial)
        except InputError as error:
            where = ", ".join(filter(None, (planned.level, planned.place)))
            raise InputError(f"question {planned.question} ({where}): {error}") from error


def leave_out_absent(study: StudyConfig, plan: Sequence[PlannedTrial]) -> tuple[list[PlannedTrial], dict[str, str]]:
    """The trials that can be measured here, and levels that stand beside others and cannot, by name, and why.

    InputError for one that is compared.
    """
    kept, absent = [], {}
    for planned in plan:
        if planned.trial.keys.pretraining != "handmade" or is_available():
            kept.append(planned)
        elif planned.level in study.questions[planned.question].beside:
            absent[planned.level] = missing("the level", "neurokit2", EXTRA)
        else:
            require(EXTRA, "neurokit2", f"the level {planned.level}")
    return kept, absent


def check_extras(trials: Iterable[Trial]) -> None:
    """InputError where a trial is a federation and Flower is not installed."""
    if any(trial.keys.pretraining == "federated" for trial in trials):
        require("federation", "flwr", "pretraining=federated")


def check_worlds(trials: Iterable[Trial]) -> None:
    """InputError where the cohorts of a world cannot fill a batch with training patients; makes none of them."""
    for trial in trials:
        if trial.keys.world is None or trial.keys.pretraining in UNTRAINED:
            continue
        require_enough_patients("world_patients", trial.keys.world_patients, trial.config)


def patients_planted(trials: Iterable[Trial]) -> int:
    """Patients of every planted cohort, 0 without a trial; InputError for several numbers, as all share the stores."""
    numbers = sorted({trial.keys.planted_patients for trial in trials})
    if len(numbers) > 1:
        asked = ", ".join(map(str, numbers))
        raise InputError(f"a study has planted cohorts of one size: planted_patients takes one value, not {asked}")
    return max(numbers, default=0)


def check_left_out(trials: Sequence[Trial], claims: Sequence[Claim]) -> None:
    """InputError where fewer than three of the cohorts left out can be in what a claim is about.

    Warns of each cohort in which there is no task to have an AUROC on, by name.
    """
    left_out = {trial.keys.left_out: trial for trial in trials if trial.keys.left_out is not None}
    if not left_out:
        return
    require("meta-analysis", "statsmodels", "pooling over the cohorts left out")
    if len(left_out) < FEWEST:
        raise InputError(f"pooling takes {FEWEST} left-out cohorts or more, this study has {len(left_out)}: add some")
    able = [cohort for cohort, trial in left_out.items() if outside_tasks(trial)]
    fewest = max(trial.config.evaluation.min_patients for trial in left_out.values())
    for cohort in left_out:
        if cohort not in able:
            log.warning("%s has no task with %d + %d patients and takes no part in AUROC", cohort, fewest, fewest)
    if len(able) < FEWEST and any(claim.measure.startswith("auroc") for claim in claims):
        raise InputError(
            f"{len(able)} of {len(left_out)} cohorts have a task with {fewest} + {fewest} patients, pooling takes "
            f"{FEWEST}: give larger cohorts, or lower evaluation.min_patients"
        )


def outside_tasks(trial: Trial) -> list[str]:
    """Tasks with enough patients of either kind among those that probes are trained on and those evaluated OOD."""
    train, outside = (open_stores(flat_paths(sites)) for sites in (trial.config.data.train, trial.config.data.evaluate))
    splits = split_stores([*train, *outside], trial.config.split)
    cohorts = make_cohorts(train, outside, splits, tasks := task_names([*train, *outside]))

    def enough(task: str, role: Role) -> bool:
        rows = [(c, c.train if role == "id" else c.tested["transfer"]) for c in cohorts if c.role == role]
        supports = [support_of(c.targets[task][own], c.store.patients[own]) for c, own in rows]
        return sum(supports, Support()).enough(task, trial.config.evaluation.min_patients)

    return [task for task in tasks if not is_regression(task) and enough(task, "id") and enough(task, "ood")]


def _distinct(plan: Sequence[PlannedTrial], what: Callable[[Trial], str]) -> list[PlannedTrial]:
    """The first of those that are alike: large archives are not split once a trial."""
    found: dict[str, PlannedTrial] = {}
    for planned in plan:
        found.setdefault(what(planned.trial), planned)
    return list(found.values())


def _what_stores_matter(trial: Trial) -> str:
    return repr((trial.config.data, trial.config.split))


def _what_matters(trial: Trial) -> str:
    """All on which `_check_training` depends; the seed matters to subsets."""
    config = trial.config
    batches = (config.batching, config.positives, config.train.pairs, trial.keys.pretraining)
    subset = (trial.subset, trial.level, config.seed) if trial.subset else None
    return repr((config.data.train, config.split, batches, subset))


def _check_stores(config: RunConfig) -> None:
    """Every store opens, all have one profile and names of their own, and nobody is both ID and OOD."""
    train = flat_paths(config.data.train)
    stores = open_stores([*train, *flat_paths(config.data.evaluate)])
    make_cohorts(stores[: len(train)], stores[len(train) :], split_stores(stores, config.split), [])


def _check_training(trial: Trial) -> None:
    """The trial's subset can be drawn, and its patients fill a batch: of each cohort where each trains by itself."""
    if trial.keys.pretraining in UNTRAINED:
        return
    stores = open_stores(flat_paths(trial.config.data.train))
    splits = training_splits(trial, stores)
    cohorts = [Cohort(store, splits[store.cohort]) for store in stores if len(splits[store.cohort].train)]
    for together in [cohorts] if trial.keys.pretraining == "central" else [[own] for own in cohorts]:
        require_full_batches(together, trial.config.pretraining)
