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
from cape_fed.errors import RunError
from cape_fed.federation.messages import ENCODER, METRICS, PATIENTS, Task, encoder_tensors, read_metrics, task_content
from cape_fed.federation.roster import Member, members_with
from cape_fed.federation.validation import RefusedError, check_numbers, check_update
from cape_fed.rundir import RunDirectory
from server.checkpoint import save_round

log = logging.getLogger(__name__)

Encoder = Mapping[str, Tensor]
Progress = Callable[[int, int, dict[str, Any]], None]


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
        rounds, saved = self.config.federation.rounds, start
        for number in range(start, rounds):
            begin = perf_counter()
            replies = self.train(number, encoder, saved)
            encoder = self.aggregate(number, replies)
            line = self._metrics(number, replies, perf_counter() - begin)
            if self._due(number, self.config.federation.measure_every):
                line |= self.measure(number, encoder, saved)
            self.run.append_metrics(line)
            if self._due(number, self.config.federation.checkpoint_every):
                save_round(self.run.checkpoints, self.name, number + 1, encoder)
                saved = number + 1
            progress(number + 1, rounds, line)
        return encoder

    def train(self, number: int, encoder: Encoder, saved: int) -> dict[str, Message]:
        """Have every training site take its local steps; checked replies by site, in the order of names."""
        replies = self._ask(self.trainers, MessageType.TRAIN, number, encoder, saved)
        for member in self.trainers:
            self._require(number, member, check_update, replies[member.name], self.name, number, encoder)
        return replies

    def aggregate(self, number: int, replies: Mapping[str, Message]) -> Encoder:
        """Average of the sites' encoders, weighted by their training patients."""
        arrays, _ = self.strategy.aggregate_train(number, [_for_arithmetic(reply) for reply in replies.values()])
        if arrays is None:
            raise RunError(f"round {number}: nothing to aggregate")
        return encoder_tensors(arrays)

    def measure(self, number: int, encoder: Encoder, saved: int) -> dict[str, Any]:
        """Label-free monitors of the aggregated encoder: their means over training sites, and every site's own."""
        members = [*self.trainers, *self.evaluators]
        replies = self._ask(members, MessageType.EVALUATE, number, encoder, saved)
        for member in members:
            self._require(number, member, check_numbers, replies[member.name], self.name, number)
        measured = {site: read_metrics(reply) for site, reply in replies.items()}
        weights = {member.name: float(member.patients) for member in self.trainers}
        return {**_weighted_means(measured, weights), "monitors": measured}

    def _require(
        self, number: int, member: Member, check: Callable[..., None], reply: Message, *arguments: Any
    ) -> None:
        try:
            check(reply, member, *arguments)
        except RefusedError as refused:
            raise RunError(f"round {number}: the reply of site {member.name} was refused: {refused}") from refused

    def _ask(
        self, members: Sequence[Member], kind: str, number: int, encoder: Encoder, saved: int
    ) -> dict[str, Message]:
        federation = self.config.federation
        task = Task(
            run=self.name,
            round=number,
            local_steps=federation.local_steps,
            total_steps=federation.steps,
            saved_round=saved,
            config=self.config.pretraining,
        )
        messages = [Message(task_content(task, encoder), member.node, kind, group_id=str(number)) for member in members]
        by_node = {reply.metadata.src_node_id: reply for reply in self.grid.send_and_receive(messages)}
        missing = [member.name for member in members if member.node not in by_node]
        if missing:
            raise RunError(f"round {number}: no reply from {', '.join(missing)}")
        return {member.name: by_node[member.node] for member in members}

    def _metrics(self, number: int, replies: Mapping[str, Message], seconds: float) -> dict[str, Any]:
        """One line of ``metrics.jsonl``: weighted means over the sites and each site's own numbers."""
        sites = {site: read_metrics(reply) for site, reply in replies.items()}
        weights = {site: float(numbers[PATIENTS]) for site, numbers in sites.items()}
        step = (number + 1) * self.config.federation.local_steps - 1
        loss = _weighted_means({site: {"loss": numbers["loss"]} for site, numbers in sites.items()}, weights)
        return {"round": number, "step": step, "seconds": seconds, **loss, "sites": sites}

    def _due(self, number: int, every: int) -> bool:
        return (number + 1) % every == 0 or number + 1 == self.config.federation.rounds


def _weighted_means(numbers: Mapping[str, Mapping[str, float]], weights: Mapping[str, float]) -> dict[str, float]:
    """Means over the sites in ``weights`` of what all of them have."""
    names = sorted(set.intersection(*(set(numbers[site]) for site in weights)))
    total = sum(weights.values())
    return {name: sum(weights[site] * numbers[site][name] for site in weights) / total for name in names}


def _for_arithmetic(reply: Message) -> Message:
    """The part of a checked reply that a strategy sees: encoder and weight. It insists on equal keys everywhere."""
    weight = MetricRecord({PATIENTS: reply.content.metric_records[METRICS][PATIENTS]})
    content = RecordDict({ENCODER: reply.content.array_records[ENCODER], METRICS: weight})
    return Message(content, reply_to=reply)
