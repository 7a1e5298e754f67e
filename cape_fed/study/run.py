"""A study from its file to its report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from cape_fed.errors import RunError
from cape_fed.progress import Progress, no_progress
from cape_fed.rundir import RunDirectory
from cape_fed.study.analysis import answer, judge
from cape_fed.study.cell import OUTCOME, read_outcome, write_cell
from cape_fed.study.check import check_cells
from cape_fed.study.config import StudyConfig
from cape_fed.study.launch import Launch, open_launcher
from cape_fed.study.plan import Placed, choices, make_plan, plain_plan
from cape_fed.study.plant import plant, planted_sites
from cape_fed.study.report.document import report_study
from cape_fed.study.results import StudyResults
from cape_fed.study.train import describe_subset
from cape_fed.synthetic.planted import ALL, CONDITIONS

log = logging.getLogger(__name__)

CELLS, PLANTED = "cells", "planted"


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
    """Run every cell of a study that has no outcome yet, and write ``results.json`` and ``report.html`` to ``out``.

    InputError before anything is trained or written where a cell cannot be: for a key, for too few patients in a subset
    or a batch, for stores that do not go together. RunError at the end where cells failed: the others are reported.
    """
    run = RunDirectory(out)
    planted = _planted(study, overrides)
    plan = make_plan(study, overrides, out, planted_sites(out / PLANTED, planted))
    ours = [placed for placed in plan if placed.cell.keys.planted is not None]
    check_cells([placed for placed in plan if placed.cell.keys.planted is None])
    patients = max((placed.cell.keys.planted_patients for placed in ours), default=0)
    with open_launcher(workers, ray) as launch, run.open(plain_plan(study, overrides), resume=resume):
        plant(out / PLANTED, planted, patients, 0, workers)
        check_cells(ours)
        cells = {placed.cell.name: placed.cell for placed in plan}
        folders = {name: out / CELLS / name for name in cells}
        subsets = {name: describe_subset(cell) for name, cell in cells.items() if cell.subset is not None}
        for name, cell in cells.items():
            write_cell(folders[name], cell)
        failed = _run(folders, launch, progress)
        results = analyse(study, overrides, plan, folders, failed, subsets)
        report_study(results, out)
    if failed:
        name, why = next(iter(failed.items()))
        raise RunError(f"{len(failed)} of {len(cells)} cells failed, the first ({CELLS}/{name}): {why}")
    return results


def analyse(
    study: StudyConfig,
    overrides: Sequence[str],
    plan: Sequence[Placed],
    folders: dict[str, Path],
    failed: dict[str, str],
    subsets: dict[str, dict[str, float]],
) -> StudyResults:
    """Answers and verdicts from the cells that have an outcome; ``subsets`` say who the patients of cells are."""
    outcomes = {name: read_outcome(folder) for name, folder in folders.items() if (folder / OUTCOME).is_dir()}
    answers = answer(study, plan, outcomes, subsets)
    return StudyResults(
        study=study,
        overrides=sorted(overrides),
        cells=len(folders),
        failed=failed,
        answers=answers,
        verdicts=judge(study.claims, answers),
    )


def _run(folders: dict[str, Path], launch: Launch, progress: Progress) -> dict[str, str]:
    """Run what has no outcome yet; the cells that failed and why."""
    left = [folder for folder in folders.values() if not (folder / OUTCOME).is_dir()]
    done, failed = len(folders) - len(left), dict[str, str]()
    log.info("%d cells, %d of them done", len(folders), done)
    for folder, failure in launch(left):
        done += 1
        if failure is not None:
            failed[folder.name] = failure
            log.error("cell %s failed: %s", folder.name, failure)
        else:
            log.info("cell %s done", folder.name)
        progress(done, len(folders), {"failure": failure} if failure else {})
    return failed


def _planted(study: StudyConfig, overrides: Sequence[str]) -> list[str]:
    """The planted artefacts that the study needs cohorts of: all of them where one cell looks for all."""
    wanted = {
        value.partition("=")[2]
        for question in study.questions.values()
        for own in ((), *question.levels.values(), *question.beside.values())
        for value in choices(study.settings, question.across, overrides, own).get("planted", [])
    }
    return [name for name in CONDITIONS if name in wanted or ALL in wanted]
