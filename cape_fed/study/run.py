"""A study from its file to its report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from cape_fed.errors import RunError
from cape_fed.pretrain.cohorts import made_of
from cape_fed.progress import Progress, no_progress
from cape_fed.rundir import RunDirectory
from cape_fed.study.analysis import answer, judge
from cape_fed.study.check import (
    check_extras,
    check_left_out,
    check_trials,
    check_worlds,
    leave_out_absent,
    patients_planted,
)
from cape_fed.study.config import StudyConfig
from cape_fed.study.launch import Job, Launch, open_launcher
from cape_fed.study.plan import PlannedTrial, Trial, choices, make_plan, plain_plan, world_of
from cape_fed.study.plant import plant, planted_sites
from cape_fed.study.power import powers
from cape_fed.study.report.document import report_study
from cape_fed.study.results import StudyResults
from cape_fed.study.train import describe_subset
from cape_fed.study.trial import OUTCOME, read_outcome, write_trial
from cape_fed.study.worlds import World
from cape_fed.synthetic.planted import ALL, CONDITIONS

log = logging.getLogger(__name__)

TRIALS, PLANTED = "cells", "planted"


def run_study(
    study: StudyConfig,
    overrides: Sequence[str],
    out: Path,
    *,
    workers: int = 1,
    ray: str | None = None,
    resume: bool = False,
    progress: Progress = no_progress,
) -> StudyResults:
    """Run every trial of a study that has no outcome yet, and write ``results.json`` and ``report.html`` to ``out``.

    InputError before anything is trained or written where a trial cannot be: for a key, for too few patients in a
    subset or a batch, for stores that do not go together. RunError at the end where trials failed; the others are
    reported.
    """
    run = RunDirectory(out)
    planted = _planted(study, overrides)
    whole = make_plan(study, overrides, out, planted_sites(out / PLANTED, planted))
    plan, absent = leave_out_absent(study, whole)
    ours = [planned for planned in plan if planned.trial.keys.planted is not None]
    given = [planned for planned in plan if planned.trial.keys.planted is None and not planned.in_a_world]
    check_extras(planned.trial for planned in plan)
    check_worlds(planned.trial for planned in plan)
    check_trials(given)
    patients = patients_planted(planned.trial for planned in ours)
    check_left_out([planned.trial for planned in plan], study.claims)
    stores = made_of(path for planned in given for path in planned.trial.config.data.paths)
    with open_launcher(workers, ray) as launch, run.open(plain_plan(study, overrides) | stores, resume=resume):
        plant(out / PLANTED, planted, patients, 0, workers)
        check_trials(ours)
        trials = {planned.trial.name: planned.trial for planned in plan}
        folders = {name: out / TRIALS / name for name in trials}
        subsets = {name: describe_subset(trial) for name, trial in trials.items() if trial.subset is not None}
        for name, trial in trials.items():
            write_trial(folders[name], trial)
        for name, why in absent.items():
            log.warning("the tables have no level %s: %s", name, why)
        failed = _run(_jobs(trials, folders, out), len(folders), launch, progress)
        results = analyse(study, overrides, plan, folders, failed, subsets)
        results.absent = absent
        report_study(results, out)
    if failed:
        name, why = next(iter(failed.items()))
        raise RunError(f"{len(failed)} of {len(trials)} trials failed, the first ({TRIALS}/{name}): {why}")
    return results


def analyse(
    study: StudyConfig,
    overrides: Sequence[str],
    plan: Sequence[PlannedTrial],
    folders: dict[str, Path],
    failed: dict[str, str],
    subsets: dict[str, dict[str, float]],
) -> StudyResults:
    """Answers and verdicts from the trials that have an outcome; ``subsets`` say who the patients of trials are."""
    outcomes = {name: read_outcome(folder) for name, folder in folders.items() if (folder / OUTCOME).is_dir()}
    answers = answer(study, plan, outcomes, subsets)
    return StudyResults(
        study=study,
        overrides=sorted(overrides),
        cells=len(folders),
        failed=failed,
        answers=answers,
        verdicts=judge(study.claims, answers),
        powers=powers(study.claims, answers),
    )


def _jobs(trials: Mapping[str, Trial], folders: Mapping[str, Path], out: Path) -> list[Job]:
    """The trials that have no outcome yet: those of a world together, all others each by itself."""
    left = {name: trial for name, trial in trials.items() if not (folders[name] / OUTCOME).is_dir()}
    by_world: dict[World | None, list[Path]] = {}
    for name, trial in left.items():
        by_world.setdefault(world_of(trial.keys, out), []).append(folders[name])
    alone = [Job((folder,)) for folder in by_world.pop(None, [])]
    return alone + [Job(tuple(several), world) for world, several in by_world.items()]


def _run(jobs: Sequence[Job], trials: int, launch: Launch, progress: Progress) -> dict[str, str]:
    """Run jobs, which are what is left of so many trials; those that failed and why."""
    done, failed = trials - sum(len(job.directories) for job in jobs), dict[str, str]()
    log.info("%d trials, %d of them done", trials, done)
    for folder, failure in launch(jobs):
        done += 1
        if failure is not None:
            failed[folder.name] = failure
            log.error("trial %s failed: %s", folder.name, failure)
        else:
            log.info("trial %s done", folder.name)
        progress(done, trials, {"failure": failure} if failure else {})
    return failed


def _planted(study: StudyConfig, overrides: Sequence[str]) -> list[str]:
    """The planted artefacts that the study needs cohorts of: all of them where one trial looks for all."""
    wanted = {
        value.partition("=")[2]
        for question in study.questions.values()
        for own in ((), *question.levels.values(), *question.beside.values())
        for value in choices(study.settings, question.across, overrides, own).get("planted", [])
    }
    return [name for name in CONDITIONS if name in wanted or ALL in wanted]
