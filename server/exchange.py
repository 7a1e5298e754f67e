"""Messages to sites and the wait for their replies, within a deadline and with every site called by its name."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep, time

from flwr.app import Message, RecordDict
from flwr.serverapp import Grid

from cape_fed.federation.failures import describe
from cape_fed.federation.messages import content_bytes
from cape_fed.federation.roster import Member

log = logging.getLogger(__name__)

Waiting = Callable[[int, int, list[str]], None]
"""Called while waiting with how many sites answered, how many were asked, and the names of those silent for long."""

SILENT_AFTER = 40.0
"""Seconds without a heartbeat after which a site is named; a SuperNode sends one every 17 to 23 s."""
LOOK_EVERY = 2.0
"""Seconds between looks at which nodes are there."""


@dataclass(frozen=True, slots=True)
class Question:
    """A message to one site."""

    member: Member
    kind: str
    content: RecordDict


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back from a site: a reply, or none with the reason in words."""

    member: Member
    message: Message | None
    reason: str
    seconds: float
    """From the question to the answer."""
    bytes_down: int
    bytes_up: int


class Exchange:
    """Asks sites over any engine's Grid."""

    def __init__(self, grid: Grid, waiting: Waiting = lambda answered, asked, silent: None) -> None:
        self.grid = grid
        self.waiting = waiting

    def ask(self, questions: Sequence[Question], group: str, seconds: float) -> dict[str, Answer]:
        """Send all questions and wait until each is answered or ``seconds`` are over; answers by site name.

        An error in place of a reply is an answer without message. Nothing that a site sends makes this raise.
        """
        begin, looked = monotonic(), monotonic()
        pending = self._send(questions, group, seconds)
        answers = {
            question.member.name: _answer(question, None, "could not be sent a message", 0.0)
            for question in questions
            if question.member.name not in {waiting.member.name for waiting in pending.values()}
        }
        watch = _Watch()
        while pending:
            elapsed = monotonic() - begin
            for message_id, reply in self._replies(pending):
                question = pending.pop(message_id)
                answers[question.member.name] = _answer(question, reply, "", elapsed)
            if elapsed > seconds:
                break
            if monotonic() - looked > LOOK_EVERY:
                looked = monotonic()
                watch.look(self.grid, [question.member for question in pending.values()])
            self.waiting(len(answers), len(questions), watch.silent)
            if pending:
                sleep(min(0.5, 0.001 + 0.05 * elapsed))
        for question in pending.values():
            answers[question.member.name] = _answer(question, None, f"did not answer within {seconds:.0f} s", seconds)
        for name, answer in sorted(answers.items()):
            if answer.message is None:
                log.warning("round %s: site %s %s", group, name, answer.reason)
        return dict(sorted(answers.items()))

    def _send(self, questions: Sequence[Question], group: str, seconds: float) -> dict[str, Question]:
        """Questions that were taken, by message id."""
        messages = [
            Message(question.content, question.member.node, question.kind, ttl=seconds, group_id=group)
            for question in questions
        ]
        ids = self.grid.push_messages(messages) if messages else []
        return {message_id: question for message_id, question in zip(ids, questions, strict=False) if message_id}

    def _replies(self, pending: Iterable[str]) -> list[tuple[str, Message | None]]:
        """Replies that have come. One at a time, so that one that cannot be read is not held against the others."""
        found: list[tuple[str, Message | None]] = []
        for message_id in list(pending):
            try:
                replies = list(self.grid.pull_messages([message_id]))
            except Exception:  # what a site sends is taken apart by Flower in many ways, none of which may end the run
                log.exception("a reply could not be read")
                found.append((message_id, None))
                continue
            if len(replies) > 1:
                log.warning("%d replies to one message: the first counts", len(replies))
            found.extend((message_id, reply) for reply in replies[:1])
        return found


class _Watch:
    """Notices sites whose nodes have gone silent or away, and says so once."""

    def __init__(self) -> None:
        self.silent: list[str] = []

    def look(self, grid: Grid, members: Sequence[Member]) -> None:
        nodes = {node.node_id: node for node in grid.get_nodes()}
        silent = []
        for member in members:
            node = nodes.get(member.node)
            # online_until is two intervals after the last heartbeat; 0 where the engine has no heartbeats.
            last = node.online_until - 2 * node.heartbeat_interval if node and node.online_until else None
            if node is None or (last is not None and time() - last > SILENT_AFTER):
                silent.append(member.name)
        for name in silent:
            if name not in self.silent:
                log.warning(
                    "site %s is silent: no heartbeat for %.0f s or its connection is closed", name, SILENT_AFTER
                )
        for name in self.silent:
            if name not in silent and any(member.name == name for member in members):
                log.info("site %s is heard from again", name)
        self.silent = silent


def _answer(question: Question, reply: Message | None, reason: str, seconds: float) -> Answer:
    down = content_bytes(question.content)
    if reply is None:
        return Answer(question.member, None, reason or "sent a reply that cannot be read", seconds, down, 0)
    if reply.has_error():
        return Answer(question.member, None, describe(reply.error.code), seconds, down, 0)
    return Answer(question.member, reply, "", seconds, down, content_bytes(reply.content))
