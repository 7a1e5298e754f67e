"""The round loop: every site once a round, replies checked, encoders averaged."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

from flwr.app import Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import FedAvg
from torch import Tensor

from cape_fed.config import RunConfig
from cape_fed.federation.messages import ENCODER, METRICS, PATIENTS, Task, encoder_tensors, read_metrics, task_content
from cape_fed.federation.roster import Member, members_with
from cape_fed.federation.validation import RefusedError, check_reply
from cape_fed.rundir import RunDirectory
from server.checkpoint import save_round

log = logging.getLogger(__name__)

Encoder = Mapping[str, Tensor]
Progress = Callable[[int, int, dict[str, Any]], None]


class FederationError(Exception):
    """The federation cannot go on; says which site and which round."""


class Coordinator:
    """Leads one run over a Grid, whichever engine is behind it."""

    def __init__(self, grid: Grid, config: RunConfig, name: str, run: RunDirectory, roster: Sequence[Member]) -> None:
        self.grid = grid
        self.config = config
        self.name = name
        self.run = run
        self.trainers = members_with(roster, "train")
        self.evaluators = members_with(roster, "evaluate")
        self.strategy = FedAvg(weighted_by_key=PATIENTS)

    def lead(self, encoder: Encoder, start: int, progress: Progress) -> Encoder:
        """Take the rounds from ``start`` to the last and return the encoder after it."""
        rounds = self.config.federation.rounds
        for number in range(start, rounds):
            begin = perf_counter()
            replies = self.train(number, encoder)
            encoder = self.aggregate(number, replies)
            line = self._metrics(number, replies, perf_counter() - begin)
            if self._due(number, self.config.federation.measure_every):
                line["evaluators"] = self.evaluate(number, encoder)
            self.run.append_metrics(line)
            if self._due(number, self.config.federation.checkpoint_every):
                save_round(self.run.checkpoints, self.name, number + 1, encoder)
            progress(number + 1, rounds, line)
        return encoder

    def train(self, number: int, encoder: Encoder) -> dict[str, Message]:
        """Have every training site take its local steps; replies by site, in the order of names."""
        measure = number % self.config.federation.measure_every == 0
        replies = self._ask(self.trainers, MessageType.TRAIN, number, encoder, measure=measure)
        for site, reply in replies.items():
            try:
                check_reply(reply, self.name, number, encoder)
            except RefusedError as refused:
                raise FederationError(f"round {number}: the reply of site {site} was refused: {refused}") from refused
        return replies

    def aggregate(self, number: int, replies: Mapping[str, Message]) -> Encoder:
        """Average of the sites' encoders, weighted by their training patients."""
        arrays, _ = self.strategy.aggregate_train(number, [_for_arithmetic(reply) for reply in replies.values()])
        if arrays is None:
            raise FederationError(f"round {number}: nothing to aggregate")
        return encoder_tensors(arrays)

    def evaluate(self, number: int, encoder: Encoder) -> dict[str, dict[str, float]]:
        """Label-free monitors of the aggregated encoder at sites that never train, by site."""
        replies = self._ask(self.evaluators, MessageType.EVALUATE, number, encoder, measure=True)
        for site, reply in replies.items():
            if reply.has_error():
                raise FederationError(f"round {number}: site {site} failed to evaluate: code {reply.error.code}")
        return {site: read_metrics(reply) for site, reply in replies.items()}

    def _ask(
        self, members: Sequence[Member], kind: str, number: int, encoder: Encoder, *, measure: bool
    ) -> dict[str, Message]:
        federation = self.config.federation
        task = Task(
            run=self.name,
            round=number,
            local_steps=federation.local_steps,
            total_steps=federation.steps,
            measure=measure,
            config=self.config.pretraining,
        )
        messages = [Message(task_content(task, encoder), member.node, kind, group_id=str(number)) for member in members]
        by_node = {reply.metadata.src_node_id: reply for reply in self.grid.send_and_receive(messages)}
        missing = [member.name for member in members if member.node not in by_node]
        if missing:
            raise FederationError(f"round {number}: no reply from {', '.join(missing)}")
        return {member.name: by_node[member.node] for member in members}

    def _metrics(self, number: int, replies: Mapping[str, Message], seconds: float) -> dict[str, Any]:
        """One line of ``metrics.jsonl``: weighted means over the sites and each site's own numbers."""
        sites = {site: read_metrics(reply) for site, reply in replies.items()}
        weights = {site: numbers[PATIENTS] for site, numbers in sites.items()}
        names = set.intersection(*(set(numbers) for numbers in sites.values())) - {PATIENTS, "seconds"}
        means = {
            name: sum(weights[site] * sites[site][name] for site in sites) / sum(weights.values())
            for name in sorted(names)
        }
        step = (number + 1) * self.config.federation.local_steps - 1
        return {"round": number, "step": step, "seconds": seconds, **means, "sites": sites}

    def _due(self, number: int, every: int) -> bool:
        return (number + 1) % every == 0 or number + 1 == self.config.federation.rounds


def _for_arithmetic(reply: Message) -> Message:
    """The part of a checked reply that a strategy sees: encoder and weight. It insists on equal keys everywhere."""
    weight = MetricRecord({PATIENTS: reply.content.metric_records[METRICS][PATIENTS]})
    content = RecordDict({ENCODER: reply.content.array_records[ENCODER], METRICS: weight})
    return Message(content, reply_to=reply)
