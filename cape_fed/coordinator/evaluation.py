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
from cape_fed.evaluate.federated.transfer import fit_transfer, validation_score
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.sums import ProbeSums
from cape_fed.evaluate.targets.demographics import AGE, SEX
from cape_fed.federation.evaluation import SiteCells, probes_records, read_cells, read_sums
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.roster import Member
from cape_fed.federation.validation import RefusedError
from cape_fed.rundir import RunDirectory
from cape_fed.vocabulary import VOCABULARY

log = logging.getLogger(__name__)

EVALUATIONS_FILE = "evaluations.jsonl"
RULE = "highest mean over tasks of the transfer probe's R² on the training sites' validation patients"
"""How the best round is chosen; no OOD cohort has a say in it."""


TASKS = frozenset({AGE, SEX, *VOCABULARY})


class Evaluation:
    """The evaluations of one run."""

    def __init__(self, plan: FederationPlan, run: RunDirectory, state: RunState, sites: Correspondence) -> None:
        self.federation = plan.federation
        self.options = plan.evaluation
        self.width = plan.pretraining.encoder.dim
        self.path = run.path / EVALUATIONS_FILE
        self.state = state
        self.sites = sites

    def due(self, number: int) -> bool:
        """Whether the encoder after ``number`` rounds is evaluated."""
        every = self.federation.evaluate_every
        last = number == self.federation.rounds
        return self.federation.evaluate and (last or (number > 0 and every > 0 and number % every == 0))

    def wanted(self, number: int) -> EvaluateOptions | None:
        """What training sites are told of the evaluation that is `due`; None for none."""
        return self.options if self.due(number) else None

    def evaluate(self, number: int, encoder: Mapping[str, Tensor], answers: Mapping[str, Answer]) -> None:
        """Evaluate the encoder after ``number`` rounds; ``answers`` hold the training sites' sums on it.

        A site whose sums or cells do not count is refused and missing from the table, which says so.
        """
        sums = self._read_all(number, answers, self._read_sums, "train")
        probes = fit_transfer(list(sums.values()), self.options)
        scores = validation_score(list(sums.values()), probes)
        asked = [member for member in self.sites.members() if "score" in member.parts]
        records = probes_records(probes, self.width, self.options)
        replies = self.sites.ask_evaluate(number, asked, encoder, records)
        cells = self._read_all(number, replies, self._read_cells)
        # No task counts for less than -1: one site's false sums can lower a score by so much and no more.
        score = float(np.mean(np.maximum(list(scores.values()), -1.0))) if scores else None
        self._keep_best(number, encoder, score, sorted(sums), sorted(scores))
        line = {
            "round": number,
            "sites_summed": sorted(sums),
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
            sums = read_sums(message.content, self.width, member.size)
            # Tasks of nobody's vocabulary have no say in which round is best.
            return {task: material for task, material in sums.items() if task in TASKS}
        except ValueError as error:
            raise RefusedError("sums", str(error)) from error

    def _read_cells(self, message: Message, member: Member) -> SiteCells:
        try:
            return read_cells(message.content, member.cohorts, member.size)
        except ValueError as error:
            raise RefusedError("cells", str(error)) from error


def _table(cells: Mapping[str, SiteCells], members: Mapping[str, Member]) -> dict[str, Any]:
    """Task → ``id`` or ``ood`` → cohort → probe → cell, where any cohort has a number."""
    table: dict[str, Any] = {}
    for site, by_probe in cells.items():
        role = "id" if members[site].role == "train" else "ood"
        for probe, cohorts in by_probe.items():
            for cohort, tasks in cohorts.items():
                for task, cell in tasks.items():
                    place = table.setdefault(task, {"id": {}, "ood": {}})[role].setdefault(cohort, {})
                    place[probe] = cell.model_dump(mode="json")
    return {task: roles for task, roles in sorted(table.items()) if _has_number(roles)}


def _has_number(roles: Mapping[str, Any]) -> bool:
    cells = (cell for cohorts in roles.values() for probes in cohorts.values() for cell in probes.values())
    return any(cell["point"] is not None for cell in cells)
