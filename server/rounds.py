"""The round loop: every site once a round, a quorum of replies, the next encoder, state kept."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic, perf_counter, sleep
from typing import Any

import numpy as np

from cape_fed.config import RunConfig
from cape_fed.errors import RunError
from cape_fed.federation.messages import METRICS, MONITORS, read_numbers
from cape_fed.federation.tensors import length
from cape_fed.rundir import RunDirectory
from server.aggregation import Aggregator, Changes, Update
from server.checkpoint import RunState, save_round
from server.correspondence import Correspondence
from server.evaluation import Evaluation
from server.exchange import Answer

log = logging.getLogger(__name__)

Progress = Callable[[int, int, dict[str, Any]], None]
"""Called after a round with the rounds done, the rounds in all and the round's line of metrics."""


class Coordinator:
    """Leads one run, whichever engine carries its messages."""

    def __init__(self, config: RunConfig, run: RunDirectory, state: RunState, sites: Correspondence) -> None:
        self.federation = config.federation
        self.run = run
        self.state = state
        self.sites = sites
        self.aggregator = Aggregator(config.federation)
        self.aggregator.load_state(state.optimiser)
        self.evaluation = Evaluation(config, run, state, sites)

    def lead(self, progress: Progress) -> None:
        """Take the rounds that are left, then measure and evaluate the last encoder."""
        facts, rounds = self.state.facts, self.federation.rounds
        while facts.rounds_done < rounds:
            line = self._take_round(facts.rounds_done)
            self.run.append_metrics(line)
            facts.rounds_done += 1
            if facts.rounds_done % self.federation.checkpoint_every == 0 or facts.rounds_done == rounds:
                save_round(self.run.checkpoints, self.state)
                self.sites.saved_round = facts.rounds_done
            progress(facts.rounds_done, rounds, line)
        self._finish(rounds)

    def _take_round(self, number: int) -> dict[str, Any]:
        """One round from the state's encoder to the next; the round's line of metrics."""
        begin, before = perf_counter(), self.state.encoder
        answers, updates = self._reach_quorum(number)
        self._write_measures(number, answers)
        self.state.encoder = self.aggregator.aggregate(number, before, [updates[name] for name in sorted(updates)])
        self.state.optimiser = self.aggregator.state()
        if self.evaluation.due(number):
            self.evaluation.evaluate(number, before, answers)
        return self._metrics(number, answers, updates, perf_counter() - begin)

    def _reach_quorum(self, number: int) -> tuple[dict[str, Answer], dict[str, Update]]:
        """Replies that count and updates by site; sites that did not give one are asked again while too few did.

        RunError where a quorum is not reached within the tries.
        """
        answers: dict[str, Answer] = {}
        updates: dict[str, Update] = {}
        lacking: str | None = None
        for attempt in range(self.federation.tries):
            if attempt:
                log.warning("round %d, try %d of %d: %s", number, attempt, self.federation.tries, lacking)
            self._wait_for_quorum(updates, self.federation.round_deadline if attempt else 0.0)
            new = self._ask(number, answers)
            updates |= self.sites.updates(number, {n: a for n, a in new.items() if a.member.role == "train"})
            answers |= {
                name: answer for name, answer in new.items() if answer.member.role != "train" or name in updates
            }
            lacking = self.sites.lacking(updates)
            if lacking is None:
                return answers, updates
        missing = ", ".join(sorted(self.sites.trainers() - updates.keys()))
        raise RunError(
            f"round {number} stayed below quorum in {self.federation.tries} tries: {lacking}; missing: {missing}. "
            "Why is in log.txt; once they are back, resume"
        )

    def _wait_for_quorum(self, updates: Mapping[str, Update], seconds: float) -> None:
        """See who is there, and wait for as long as it takes until they could make a quorum."""
        begin = monotonic()
        while True:
            self.sites.refresh()
            there = {member.name for member in self.sites.members("train")}
            if self.sites.lacking({*updates, *there}) is None or monotonic() - begin >= seconds:
                return
            sleep(0.5)

    def _ask(self, number: int, answered: Mapping[str, Answer]) -> dict[str, Answer]:
        """Training sites get one message for all there is to do; the others one where there is something to measure."""
        measure = number > 0 and number % self.federation.measure_every == 0
        left = [member for member in self.sites.members() if member.name not in answered]
        train = [member for member in left if member.role == "train"]
        others = [member for member in left if member.role != "train"] if measure else []
        return self.sites.ask_round(number, train, others, measure=measure, sums=self.evaluation.wanted(number))

    def _finish(self, rounds: int) -> None:
        """Measure and evaluate the last encoder."""
        self.sites.refresh()
        wanted = self.evaluation.wanted(rounds)
        answers = self.sites.ask_evaluate(rounds, self.sites.members(), self.state.encoder, measure=True, sums=wanted)
        self._write_measures(rounds, answers)
        if wanted is not None:
            self.evaluation.evaluate(rounds, self.state.encoder, answers)
            save_round(self.run.checkpoints, self.state)

    def _write_measures(self, number: int, answers: Mapping[str, Answer]) -> None:
        """One line of ``metrics.jsonl`` on the encoder after ``number`` rounds: means and every site's own monitors."""
        measured = {
            name: numbers
            for name, answer in answers.items()
            if answer.message is not None and (numbers := read_numbers(answer.message, MONITORS))
        }
        weights = {
            name: float(answers[name].member.patients) for name in measured if answers[name].member.role == "train"
        }
        if measured:
            step = number * self.federation.local_steps - 1
            means = weighted_means(measured, weights)
            self.run.append_metrics({**means, "round": number, "step": step, "monitors": measured})

    def _metrics(
        self, number: int, answers: Mapping[str, Answer], updates: Mapping[str, Update], seconds: float
    ) -> dict[str, Any]:
        """The line of ``metrics.jsonl`` on a round: mean loss, bytes, and each site's own numbers and times."""
        sites = {}
        for name, update in updates.items():
            answer = answers[name]
            assert answer.message is not None
            own = read_numbers(answer.message, METRICS)
            sites[name] = {**own, "answered": answer.seconds, "update": length(update.changes)}
        weights = {name: float(update.weight) for name, update in updates.items()}
        return {
            "round": number,
            "step": (number + 1) * self.federation.local_steps - 1,
            "seconds": seconds,
            **weighted_means({name: {"loss": own["loss"]} for name, own in sites.items()}, weights),
            **self.sites.exchange.take_bytes(),
            **client_drift([update.changes for update in updates.values()]),
            "missing": sorted(self.sites.trainers() - updates.keys()),
            "sites": sites,
        }


def client_drift(updates: Sequence[Changes]) -> dict[str, float]:
    """How far sites pull apart: mean distance of an update from their mean over its length, and mean pairwise cosine.

    Nothing for a single site or where an update is 0.
    """
    flat = np.stack([np.concatenate([value.ravel() for value in changes.values()]) for changes in updates])
    mean, lengths = flat.mean(axis=0), np.linalg.norm(flat, axis=1)
    if len(flat) < 2 or not np.linalg.norm(mean) or not lengths.all():
        return {}
    cosines = (flat @ flat.T) / np.outer(lengths, lengths)
    return {
        "drift": float(np.linalg.norm(flat - mean, axis=1).mean() / np.linalg.norm(mean)),
        "cosine": float(cosines[~np.eye(len(flat), dtype=bool)].mean()),
    }


def weighted_means(numbers: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> dict[str, float]:
    """Means over the sites in ``weights`` of what all of them have; none where there is no such site."""
    if not weights:
        return {}
    names = sorted(set.intersection(*(set(numbers[site]) for site in weights)))
    total = sum(weights.values())
    return {name: sum(weights[site] * numbers[site][name] for site in weights) / total for name in names}
