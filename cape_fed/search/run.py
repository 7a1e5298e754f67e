"""A search from its file to its report: Optuna says which recipe is tried next, worlds say how good it is."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from cape_fed.compose import compose_config
from cape_fed.config import RunConfig
from cape_fed.errors import InputError, RunError
from cape_fed.evaluate.results import RESULTS_FILE, write_json
from cape_fed.pretrain.cohorts import made_of
from cape_fed.progress import Progress, no_progress
from cape_fed.rundir import RunDirectory
from cape_fed.search.config import SEED, STORES, Range, SearchConfig, key_of
from cape_fed.search.places import OnStores, Place, places_of
from cape_fed.search.recipe import try_recipe
from cape_fed.search.report.document import report_search
from cape_fed.search.results import Recipe, SearchResults
from cape_fed.study.launch import WORKER_DIED

log = logging.getLogger(__name__)

RECIPES, JOURNAL = "recipes", "recipes.log"
"""In a search's directory: encoders while they are tried, and what Optuna keeps of all recipes, line by line."""
_FAILURE = "failure"
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


@dataclass
class _Trying:
    """A recipe that is being tried, and its scores so far."""

    trial: optuna.Trial
    values: dict[str, str]
    scores: list[float] = field(default_factory=list)


def run_search(
    search: SearchConfig,
    overrides: Sequence[str],
    out: Path,
    *,
    recipes: int,
    workers: int = 1,
    resume: bool = False,
    progress: Progress = no_progress,
) -> SearchResults:
    """Try ``recipes`` recipes, ``workers`` at a time, and write ``results.json`` and ``report.html`` to ``out``.

    Each is tried in one world after the other or, where the search or ``overrides`` have ``data.train``, with one seed
    after another on these stores. From ``at_random`` recipes on that were tried in all worlds, one is given up after a
    world in which it is below their median there. A search that is resumed tries again what was interrupted. InputError
    before anything is trained where a choice cannot be; RunError at the end where no recipe could be tried everywhere.
    """
    run = RunDirectory(out)
    places = places_of(search, overrides, out)
    _check(search, overrides, places)
    plain = {"search": search.model_dump(mode="json"), "overrides": sorted(overrides)}
    if isinstance(places[0], OnStores):
        plain |= made_of(_config(search, overrides, search.reference, places[0], Path("-")).data.paths)
    with run.open(plain, resume=resume), ExitStack() as standing:
        study = _open_study(search, out)
        for place in places:
            standing.enter_context(place.standing())
        with _pool(workers) as pool:
            _try_all(search, overrides, out, places, study, pool, recipes, workers, progress)
        shutil.rmtree(out / RECIPES, ignore_errors=True)  # of recipes that were interrupted
        results = collect(search, overrides, study)
        report_search(results, out)
        write_json(results, out / RESULTS_FILE)
    if not results.ranked:
        failures = [recipe.failure for recipe in results.recipes if recipe.failure]
        raise RunError(f"no recipe was tried in all {results.where}s: {failures[0] if failures else 'none was tried'}")
    return results


def collect(search: SearchConfig, overrides: Sequence[str], study: optuna.Study) -> SearchResults:
    """What Optuna knows of a search, in this project's words."""
    recipes = [_as_recipe(search, trial) for trial in _ended(study)]
    complete = sum(recipe.ending == "complete" for recipe in recipes)
    importance = _importance(study) if complete > len(search.space) else {}
    return SearchResults(search=search, overrides=sorted(overrides), recipes=recipes, importance=importance)


def _ended(study: optuna.Study) -> list[FrozenTrial]:
    """Recipes that count as tried: those that were interrupted come again."""
    return [
        trial
        for trial in study.get_trials(deepcopy=False, states=_ENDED)
        if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) or _FAILURE in trial.user_attrs
    ]


def _importance(study: optuna.Study) -> dict[str, float]:
    """Each setting's share of the scores' variance; nothing where they have none."""
    try:
        return optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
        )
    except RuntimeError:  # by which fANOVA says that all scores are equal
        return {}


def _check(search: SearchConfig, overrides: Sequence[str], places: Sequence[Place]) -> None:
    """InputError for a key that is set twice, a choice that does not go with the reference, or too few patients."""
    searched = {key_of(text) for choice in search.choices() for text in search.overrides(dict([choice]))}
    for key in (SEED, STORES):
        if key in searched:
            raise InputError(f"{key} is no part of a recipe, it says where all are tried: leave it out of space")
    for text in (*search.settings, *overrides):
        if (key := key_of(text)) in searched:
            raise InputError(f"{key} is what the search varies: leave {text} out")
        if key == SEED:
            raise InputError(f"the search's worlds are the seeds: leave {text} out")
    reference = _config(search, overrides, search.reference, places[0], Path("-"))
    places[0].require_enough(reference)
    places[0].require_score(reference)
    for name, value in search.choices():
        try:
            config = _config(search, overrides, {**search.reference, name: value}, places[0], Path("-"))
            places[0].require_enough(config)
        except InputError as error:
            options = search.space[name]
            within = isinstance(options, Range) and value == options.between
            advice = f"; give the values of {name} as a list in place of a range" if within else ""
            raise InputError(f"{name}={value}: {error}{advice}") from error


def _config(
    search: SearchConfig, overrides: Sequence[str], values: dict[str, str], place: Place, out: Path
) -> RunConfig:
    own = [*place.overrides, f"out='{out}'"]
    return compose_config([*search.settings, *overrides, *search.overrides(values), *own])


def _open_study(search: SearchConfig, out: Path) -> optuna.Study:
    """A new study with the reference as its first recipe, or the one that is there; interrupted recipes come again."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(out / JOURNAL)))
    study = optuna.create_study(
        study_name="recipes",
        storage=storage,
        direction="maximize",
        load_if_exists=True,
    )
    # a search that is resumed draws on, in place of what it drew first once more
    seed = len(study.trials)
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=search.at_random, multivariate=True, seed=seed)
    if not study.trials:
        study.enqueue_trial(search.parameters(search.reference))
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)
    return study


def _try_all(
    search: SearchConfig,
    overrides: Sequence[str],
    out: Path,
    places: Sequence[Place],
    study: optuna.Study,
    pool: ProcessPoolExecutor,
    recipes: int,
    workers: int,
    progress: Progress,
) -> None:
    done, running = len(_ended(study)), dict[Future[float], _Trying]()

    def start(trying: _Trying) -> None:
        place = places[len(trying.scores)]
        future = Future[float]()
        try:
            config = _config(search, overrides, trying.values, place, out / RECIPES / f"{trying.trial.number:04d}")
            future = pool.submit(try_recipe, config)
        except InputError as error:  # two settings that each go with the reference need not go together
            future.set_exception(error)
        running[future] = trying

    progress(done, recipes, {})
    while running or done < recipes:
        while len(running) < workers and done + len(running) < recipes:
            trial = study.ask()
            start(_Trying(trial, _draw(search, trial)))
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            trying = running.pop(future)
            if _ends(search, study, trying, future):
                done += 1
                progress(done, recipes, {})
            else:
                start(trying)


def _ends(search: SearchConfig, study: optuna.Study, trying: _Trying, future: Future[float]) -> bool:
    """Tell Optuna what a recipe scored in a world; whether it ends with that."""
    trial = trying.trial
    try:
        score = future.result()
    except BrokenProcessPool as error:
        raise RunError(WORKER_DIED) from error
    except (InputError, RunError, RuntimeError, OSError) as error:
        log.error("recipe %d failed: %s", trial.number, error)
        trial.set_user_attr(_FAILURE, f"{error}")
        study.tell(trial, state=TrialState.FAIL)
        return True
    trial.report(score, len(trying.scores))
    trying.scores.append(score)
    if len(trying.scores) == len(search.worlds):
        study.tell(trial, sum(trying.scores) / len(search.worlds))
    elif _is_weak(search, study, trying):
        study.tell(trial, state=TrialState.PRUNED)
    else:
        return False
    log.info("recipe %d: %s: %s", trial.number, trying.values, " ".join(f"{score:.4f}" for score in trying.scores))
    return True


def _is_weak(search: SearchConfig, study: optuna.Study, trying: _Trying) -> bool:
    """Whether its last score is below the median, in the same world, of the recipes that were tried in all worlds.

    Optuna's own rule compares the best of a recipe's scores so far, which is that of the easiest world.
    """
    world = len(trying.scores) - 1
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    others = [trial.intermediate_values[world] for trial in complete]
    return len(others) >= search.at_random and trying.scores[world] < median(others)


def _draw(search: SearchConfig, trial: optuna.Trial) -> dict[str, str]:
    for name, options in search.space.items():
        if isinstance(options, Range):
            trial.suggest_float(name, options.low, options.high, log=options.log)
        else:
            trial.suggest_categorical(name, list(options))
    return search.recipe(trial.params)


def _as_recipe(search: SearchConfig, trial: FrozenTrial) -> Recipe:
    values = search.recipe(trial.params)
    return Recipe(
        number=trial.number,
        values=values,
        overrides=search.overrides(values),
        worlds=[trial.intermediate_values[step] for step in sorted(trial.intermediate_values)],
        ending={TrialState.COMPLETE: "complete", TrialState.PRUNED: "given up"}.get(trial.state, "failed"),
        failure=trial.user_attrs.get(_FAILURE),
    )


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"))
