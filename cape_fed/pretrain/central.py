"""Central pretraining: all cohorts in one place, as the federation's baseline."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from cape_fed.checkpoints import run_steps
from cape_fed.errors import InputError
from cape_fed.pretrain.cohorts import Cohort
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.distributed import Processes
from cape_fed.pretrain.stages.optimiser import learning_rate
from cape_fed.pretrain.state import load_state, save_checkpoint
from cape_fed.pretrain.workbench import Source, Workbench
from cape_fed.progress import Progress, no_progress
from cape_fed.rundir import RunDirectory

log = logging.getLogger(__name__)

CENTRAL = "central"


def pretrain(
    config: PretrainConfig,
    cohorts: Sequence[Cohort],
    run: RunDirectory,
    device: torch.device,
    processes: Processes,
    *,
    resume: bool = False,
    progress: Progress = no_progress,
    source: Source | None = None,
    start: Mapping[str, torch.Tensor] | None = None,
) -> Workbench:
    """Train to the last step, writing metrics and checkpoints; a resumed run goes on as if it had not stopped.

    With a ``source`` of gradients whose losses are not to be told, metrics have neither losses nor monitors.
    ``start`` is the encoder to begin with, by default one of new weights.
    """
    steps = config.train.steps
    bench = Workbench(config, CENTRAL, cohorts, steps, device, processes, source)
    if start is not None:
        bench.learner.encoder.load_state_dict(dict(start))
    begin, losses = _resume(bench, run, processes) if resume else (0, [])
    if begin == 0 and processes.is_first and source is None:
        for cohort, share in bench.pair_kinds().items():
            log.info("cohort %s: %.1f%% of pairs are two records of one patient", cohort, 100 * share)
    for step, loss in bench.train(begin, steps):
        if source is None:
            losses.append(loss)
        done = step + 1
        if done % config.train.monitor_every == 0 or done == steps:
            line = _facts(bench, config, step)
            if source is None:
                line = {"step": step, "loss": _mean_loss(step, losses), **line, **bench.measure()}
            losses.clear()
            if processes.is_first:
                run.append_metrics(line)
                progress(done, steps, line)
        if done % config.train.checkpoint_every == 0 or done == steps:
            if processes.is_first:
                facts = {"unreported": [float(value) for value in losses]}
                save_checkpoint(run_steps(run.checkpoints), bench.learner, done, facts)
            processes.wait()
    return bench


def _resume(bench: Workbench, run: RunDirectory, processes: Processes) -> tuple[int, list[torch.Tensor]]:
    """Load the latest checkpoint and drop later metrics; returns the step to go on from and losses not yet reported."""
    found = run_steps(run.checkpoints).read_newest(lambda path: load_state(path, bench.learner))
    facts: dict[str, Any] = found[1][0] if found else {"step": 0, "unreported": []}
    if processes.is_first:
        run.truncate_lines(run.metrics, "step", facts["step"])
    processes.wait()
    return facts["step"], [torch.tensor(loss) for loss in facts["unreported"]]


def _facts(bench: Workbench, config: PretrainConfig, step: int) -> dict[str, Any]:
    """What a line says that no patient has a part in."""
    return {"step": step, "learning_rate": learning_rate(config.train, step, bench.steps)}


def _mean_loss(step: int, losses: Sequence[torch.Tensor]) -> float:
    """The mean loss since the last line."""
    loss = float(np.mean([float(value) for value in losses]))
    if not np.isfinite(loss):
        raise InputError(f"the loss is {loss} at step {step}: lower train.learning_rate")
    return loss
