"""The round loop: ask the sites, reach a quorum of replies, combine them into the next encoder, keep the state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic, perf_counter, sleep
from typing import Any

from cape_fed.coordinator.aggregation import Aggregator
from cape_fed.coordinator.checkpoint import RunState, save_round
from cape_fed.coordinator.correspondence import Correspondence
from cape_fed.coordinator.drift import client_drift
from cape_fed.coordinator.evaluation import Evaluation
from cape_fed.coordinator.exchange import Answer
from cape_fed.coordinator.parts import Parts
from cape_fed.errors import RunError
from cape_fed.federation.messages import METRICS, MONITORS, read_numbers
from cape_fed.federation.plan import FederationPlan
from cape_fed.federation.tensors import euclidean_norm
from cape_fed.federation.update import Update
from cape_fed.logs import log_fields
from cape_fed.privacy.numbers import PRIVATE_NUMBERS
from cape_fed.progress import Progress
from cape_fed.rundir import RunDirectory

log = logging.getLogger(__name__)


class Coordinator:
    """Leads one run, whichever engine carries its messages."""

    def __init__(
        self,
        plan: FederationPlan,
        run: RunDirectory,
        state: RunState,
        sites: Correspondence,
        tell: Callable[..., None] = lambda **fields: None,
    ) -> None:
        """``tell`` is given fields of the run's status."""
        self.federation = plan.federation
        self.seed = plan.pretraining.seed
        self.private = plan.privacy.on
        self.run = run
        self.state = state
        self.sites = sites
        self.method = sites.method
        self.aggregator = Aggregator(self.method, clip=plan.federation.clip)
        self.aggregator.load_state(state.method)
        self.evaluation = Evaluation(plan, run, state, sites)
        self.tell = tell
        self.parts = Parts()

    def lead(self, progress: Progress) -> None:
        """Take the rounds that are left, then measure and evaluate the last encoder."""
        facts, rounds = self.state.facts, self.federation.rounds
        while facts.rounds_done < rounds:
            with log_fields(round=facts.rounds_done):
                line = self._take_round(facts.rounds_done)
                self.run.append_metrics(line)
                log.info("%s", round_words(line))
            facts.rounds_done += 1
            if facts.rounds_done % self.federation.checkpoint_every == 0 or facts.rounds_done == rounds:
                with self.parts.of("save"):
                    self.sites.saved_round = save_round(self.run.checkpoints, self.state)
            progress(facts.rounds_done, rounds, line)
        self._finish(rounds)

    def _take_round(self, number: int) -> dict[str, Any]:
        """One round from the state's encoder to the next; the round's line of metrics."""
        begin, before = perf_counter(), self.state.encoder
        answers, updates = self._reach_quorum(number)
        self._write_measures(number, answers)
        counted = [updates[name] for name in sorted(updates)]
        with self.parts.of("combine"):
            self.state.encoder = self.aggregator.aggregate(number, before, counted, len(self.sites.trainers()))
            self.state.method = self.aggregator.state()
        self.sites.take_part(number, answers, updates)
        if self.evaluation.due(number):
            with self.parts.of("evaluate"):
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
                self.tell(lacking=lacking)
            chosen = self._chosen(number)
            with self.parts.of("wait"):
                self._wait_for_quorum(chosen, updates, self.federation.round_deadline if attempt else 0.0)
            with self.parts.of("sites"):
                new = self._ask(number, chosen, answers)
            with self.parts.of("combine"):
                updates |= self.sites.updates(number, {name: answer for name, answer in new.items() if name in chosen})
            answers |= {name: answer for name, answer in new.items() if name not in chosen or name in updates}
            lacking = self.sites.lacking(updates, chosen)
            if lacking is None:
                self.tell(lacking=None)
                return answers, updates
        missing = sorted(chosen - updates.keys())
        self.tell(lacking=lacking, given_up={"round": number, "trouble": self.sites.take_trouble()})
        raise RunError(
            f"round {number} stayed below quorum in {self.federation.tries} tries: {lacking}; "
            f"missing: {', '.join(missing)}. "
            "Why is in log.txt; once they are back, resume"
        )

    def _chosen(self, number: int) -> set[str]:
        """Names of the training sites that a round asks."""
        return self.method.select(sorted(self.sites.trainers()), number, self.federation.participation, self.seed)

    def _wait_for_quorum(self, chosen: set[str], updates: Mapping[str, Update], seconds: float) -> None:
        """See who is there, and wait for as long as it takes until they could make a quorum."""
        begin = monotonic()
        while True:
            self.sites.refresh()
            there = {member.name for member in self.sites.members("train")}
            if self.sites.lacking({*updates, *there}, chosen) is None or monotonic() - begin >= seconds:
                return
            sleep(0.5)

    def _ask(self, number: int, chosen: set[str], answered: Mapping[str, Answer]) -> dict[str, Answer]:
        """The round's sites get one message for all there is to do; others one where there is something to look at."""
        every = self.federation.measure_every
        measure = number > 0 and every > 0 and number % every == 0
        left = [member for member in self.sites.members() if member.name not in answered]
        sums = self.evaluation.wanted(number)
        train = [member for member in left if member.name in chosen]
        not_chosen = [member for member in left if member.name not in chosen]
        others = [member for member in not_chosen if measure or (sums and member.role == "train")]
        return self.sites.ask_round(number, train, others, self.method.instructions(), measure=measure, sums=sums)

    def _finish(self, rounds: int) -> None:
        """Measure and evaluate the last encoder."""
        self.sites.refresh()
        wanted = self.evaluation.wanted(rounds)
        if wanted is None and not self.federation.measure_every:
            return
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
            self._note_spending(name, own)
            sites[name] = {**own, "answered": answer.seconds, "update": euclidean_norm(update.changes)}
        weights = {name: float(update.weight) for name, update in updates.items()}
        return {
            "round": number,
            "step": (number + 1) * self.federation.local_steps - 1,
            "seconds": seconds,
            **weighted_means({name: {"loss": own["loss"]} for name, own in sites.items() if "loss" in own}, weights),
            **self.sites.exchange.take_bytes(),
            **client_drift([update.changes for update in updates.values()]),
            "parts": self.parts.take(),
            "missing": sorted(self._chosen(number) - updates.keys()),
            "trouble": self.sites.take_trouble(),
            "sites": sites,
        }

    def _note_spending(self, site: str, numbers: Mapping[str, Any]) -> None:
        """Keep what a private run has cost a site's patients by its last reply."""
        if self.private:
            self.state.facts.spending[site] = {name: float(numbers[name]) for name in sorted(PRIVATE_NUMBERS)}


def round_words(line: Mapping[str, Any]) -> str:
    """A round's line of metrics in words."""
    missing = f", missing: {', '.join(line['missing'])}" if line["missing"] else ""
    loss = "–" if line.get("loss") is None else f"{line['loss']:.4f}"
    moved = (line["bytes_down"] + line["bytes_up"]) / 1e6
    took = f"round {line['round']} took {line['seconds']:.1f} s"
    return f"{took}: {len(line['sites'])} sites, loss {loss}, {moved:.1f} MB{missing}"


def weighted_means(numbers: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> dict[str, float]:
    """Means over the sites in ``weights`` of what all of them have; none where there is no such site."""
    weights = {site: weight for site, weight in weights.items() if site in numbers}
    if not weights:
        return {}
    names = sorted(set.intersection(*(set(numbers[site]) for site in weights)))
    total = sum(weights.values())
    return {name: sum(weights[site] * numbers[site][name] for site in weights) / total for name in names}
