"""Evaluation without records: sums of the training sites become probes, and every site's cells a table."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from flwr.app import Message
from torch import Tensor

from cape_fed.coordinator.checkpoint import RunState
from cape_fed.coordinator.correspondence import Correspondence
from cape_fed.coordinator.exchange import Answer
from cape_fed.errors import InputError
from cape_fed.evaluate.federated.dimensions import most_of_products
from cape_fed.evaluate.federated.transfer import (
    Joined,
    fit_transfer,
    join_sums,
    lift,
    most_dimensions,
    validation_score,
)
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.targets.registry import registered_tasks
from cape_fed.federation.evaluation import SiteCells, probes_records, read_cells, read_sums
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.roster import Member
from cape_fed.federation.validation import RefusedError
from cape_fed.release.cohort_names import federated_name
from cape_fed.rundir import RunDirectory

log = logging.getLogger(__name__)

EVALUATIONS_FILE = "evaluations.jsonl"
RULE = "highest mean over tasks of the transfer probe's R² on the training sites' validation patients"
"""How the best round is chosen; no OOD cohort has a say in it."""
ROOM = 0.95
"""Share of a site's expected train patients that the dimensions are chosen for: patients linked by equal signals may
fall to another part of the split."""


class Evaluation:
    """The evaluations of one run."""

    def __init__(self, plan: FederationPlan, run: RunDirectory, state: RunState, sites: Correspondence) -> None:
        self.federation = plan.federation
        self.asked = plan.evaluation
        self.pretraining = plan.pretraining
        self.width = plan.pretraining.encoder_config.dim
        if self.federation.evaluate and (self.asked.dimensions or 1) > self.width:
            raise InputError(f"evaluation.dimensions={self.asked.dimensions}: an embedding has {self.width}")
        self.path = run.path / EVALUATIONS_FILE
        self.state = state
        self.sites = sites

    def due(self, number: int) -> bool:
        """Whether the encoder after ``number`` rounds is evaluated."""
        every = self.federation.evaluate_every
        last = number == self.federation.rounds
        return self.federation.evaluate and (last or (number > 0 and every > 0 and number % every == 0))

    def wanted(self, number: int) -> EvaluateOptions | None:
        """What training sites are told of the evaluation that is `due`, with its dimensions; None for none."""
        return self.options if self.due(number) else None

    @property
    def options(self) -> EvaluateOptions:
        """The settings of the evaluation, with the run's dimensions: what sums are over once stays for the run."""
        facts = self.state.facts
        if facts.dimensions is None:
            facts.dimensions = self.asked.dimensions or self._dimensions()
            log.info("sites sum towards transfer probes over %d of %d dimensions", facts.dimensions, self.width)
        return self.asked.model_copy(update={"dimensions": facts.dimensions})

    def _dimensions(self) -> int:
        """The most dimensions in which the training sites of most patients can contribute, by what sites said."""
        share = ROOM * self.pretraining.split.fractions[0]
        expected = [int(share * member.patients) for member in self.sites.membership.members.values()
                    if member.role == "train"]  # fmt: skip
        widths = {str(place): (most_of_products(patients), patients) for place, patients in enumerate(expected)}
        able = {place: width for place, width in widths.items() if width[0] > 0}
        return max(1, min(self.width, most_dimensions(able)))

    def evaluate(self, number: int, encoder: Mapping[str, Tensor], answers: Mapping[str, Answer]) -> None:
        """Evaluate the encoder after ``number`` rounds; ``answers`` hold the training sites' sums on it.

        A site whose sums or cells do not count is refused and missing from the table, which says so.
        """
        options, sums = self.options, self._read_all(number, answers, self._read_sums, "train")
        giving = {name: tasks for name, tasks in sums.items() if tasks}
        for name in sorted(sums.keys() - giving.keys()):
            log.warning(
                "round %d: site %s has too few patients for sums over %d dimensions and stays out of the transfer "
                "probes", number, name, options.dimensions,
            )  # fmt: skip
        joined = join_sums(giving)
        probes = fit_transfer(joined, options)
        # Tasks of nobody's vocabulary have no say in which round is best.
        scores = validation_score({task: joined[task] for task in registered_tasks() if task in joined}, probes)
        asked = [member for member in self.sites.members() if "score" in member.parts]
        lifted = lift(probes, self.width, options, self.pretraining.seed)
        records = probes_records(lifted, self.width, options)
        replies = self.sites.ask_evaluate(number, asked, encoder, records)
        cells = self._read_all(number, replies, self._read_cells)
        # No task counts for less than -1: one site's false sums can lower a score by so much and no more.
        score = float(np.mean(np.maximum(list(scores.values()), -1.0))) if scores else None
        self._keep_best(number, encoder, score, sorted(giving), sorted(scores))
        line = {
            "round": number,
            "dimensions": options.dimensions,
            "sites_summed": sorted(giving),
            "sites_too_small": sorted(sums.keys() - giving.keys()),
            "summed": {task: _describe(joined[task]) for task in probes},
            "missing": sorted({member.name for member in asked} - cells.keys()),
            "validation": scores,
            "score": score,
            "tasks": _table(cells, {member.name: member for member in asked}),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(line, allow_nan=False) + "\n")

    def _keep_best(
        self, number: int, encoder: Mapping[str, Tensor], score: float | None, sites: list[str], tasks: list[str]
    ) -> None:
        """Take a round as the best if its score is higher over the same sites and tasks, or is over more sites."""
        facts = self.state.facts
        if score is None:
            return
        if facts.best_score is not None and not set(sites) > set(facts.best_sites):
            if (sites, tasks) != (facts.best_sites, facts.best_tasks):
                log.info("after %d rounds: not compared with the best, over other sites or tasks", number)
                return
            if score <= facts.best_score:
                return
        facts.best_score, facts.best_round, self.state.best = score, number, dict(encoder)
        facts.best_sites, facts.best_tasks = sites, tasks
        log.info("after %d rounds the encoder is the best so far: %s is %.4f", number, RULE, score)

    def _read_all(
        self, number: int, answers: Mapping[str, Answer], read: Any, role: str | None = None
    ) -> dict[str, Any]:
        found = {
            name: self.sites.checked(number, answer, read)
            for name, answer in answers.items()
            if role in (None, answer.member.role)
        }
        read_well = {name: value for name, value in sorted(found.items()) if value is not None}
        for name in read_well:
            if answers[name].member.role != "train":  # a training site is judged by its updates
                self.sites.accept(number, name)
        return read_well

    def _read_sums(self, message: Message, member: Member) -> dict[str, ProbeSums]:
        try:
            return read_sums(message.content, self.state.facts.dimensions or 0, member.size)
        except ValueError as error:
            raise RefusedError("sums", str(error)) from error

    def _read_cells(self, message: Message, member: Member) -> SiteCells:
        try:
            return read_cells(message.content, member.cohorts, member.size)
        except ValueError as error:
            raise RefusedError("cells", str(error)) from error


def _describe(joined: Joined) -> dict[str, Any]:
    """Over what a task was summed: dimensions of train and of validation sums, and the sites that give fewer."""
    valid = joined.sums.valid
    return {
        "dimensions": joined.sums.train.width,
        "validation_dimensions": valid.width if valid.n else 0,
        "left_out": joined.left_out,
    }


def _table(cells: Mapping[str, SiteCells], members: Mapping[str, Member]) -> dict[str, Any]:
    """Task → ``id`` or ``ood`` → SITE/COHORT → probe → cell, where any cohort has a number."""
    table: dict[str, Any] = {}
    for site, by_probe in cells.items():
        role = "id" if members[site].role == "train" else "ood"
        for probe, cohorts in by_probe.items():
            for cohort, tasks in cohorts.items():
                for task, cell in tasks.items():
                    cohorts_of_role = table.setdefault(task, {"id": {}, "ood": {}})[role]
                    place = cohorts_of_role.setdefault(federated_name(site, cohort), {})
                    place[probe] = cell.model_dump(mode="json")
    return {task: roles for task, roles in sorted(table.items()) if _has_number(roles)}


def _has_number(roles: Mapping[str, Any]) -> bool:
    cells = (cell for cohorts in roles.values() for probes in cohorts.values() for cell in probes.values())
    return any(cell["point"] is not None for cell in cells)
