"""Messages to sites and the wait for their replies, within a deadline and with every site called by its name."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep, time

from flwr.app import Message, MessageType, RecordDict
from flwr.serverapp import Grid

from cape_fed.federation.failures import describe
from cape_fed.federation.messages import content_bytes
from cape_fed.federation.roster import Member

log = logging.getLogger(__name__)

Waiting = Callable[[int, int, list[str]], None]
"""Called while waiting with how many sites answered, how many were asked, and the names of those silent for long."""

SILENT_AFTER = 40.0
"""Seconds without a heartbeat after which a site is named; a SuperNode sends one every 17 to 23 s."""
OTHERS_SECONDS = 120.0
"""How long sites that only measure are waited for at least once the training sites have answered."""
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
    code: int | None = None
    """Of an error in place of a reply, see `cape_fed.federation.failures`."""


class Exchange:
    """Asks sites over any engine's Grid."""

    def __init__(self, grid: Grid, waiting: Waiting = lambda answered, asked, silent: None) -> None:
        self.grid = grid
        self.waiting = waiting
        self._bytes = {"bytes_down": 0, "bytes_up": 0}

    def ask(self, questions: Sequence[Question], group: str, seconds: float) -> dict[str, Answer]:
        """Send all questions and wait until each is answered or ``seconds`` are over; answers by site name.

        Sites that only measure are not waited for much longer than those that train. An error in place of a reply is an
        answer without message. Nothing that a site sends makes this raise.
        """
        begin = looked = monotonic()
        pending = self._send(questions, group, seconds)
        asked = {question.member.name for question in pending.values()}
        answers = {
            question.member.name: _answer(question, None, "could not be sent a message", 0.0)
            for question in questions
            if question.member.name not in asked
        }
        pulls: dict[str, _Pull] = {}
        watch, end = _Watch(), begin + seconds
        while pending:
            elapsed = monotonic() - begin
            for message_id, reply in self._replies(pending, pulls):
                question = pending.pop(message_id)
                answers[question.member.name] = _answer(question, reply, "", elapsed)
            if monotonic() > end:
                break
            if end == begin + seconds and _trainers_are_done(questions, pending.values()):
                end = min(end, monotonic() + max(OTHERS_SECONDS, elapsed))
            if monotonic() - looked > LOOK_EVERY:
                looked = monotonic()
                watch.look(self.grid, [question.member for question in pending.values()])
            self.waiting(len(answers), len(questions), watch.silent)
            if pending:
                sleep(min(0.5, 0.001 + 0.05 * elapsed))
        for question in pending.values():
            late = f"did not answer within {end - begin:.0f} s"
            answers[question.member.name] = _answer(question, None, late, end - begin)
        self._settle(group, answers)
        return dict(sorted(answers.items()))

    def take_bytes(self) -> dict[str, int]:
        """Bytes moved since this was last asked, whether what they carried counted or not."""
        taken, self._bytes = self._bytes, dict.fromkeys(self._bytes, 0)
        return taken

    def _settle(self, group: str, answers: Mapping[str, Answer]) -> None:
        """Count what was moved, and name the sites that gave no reply."""
        for name, answer in sorted(answers.items()):
            self._bytes["bytes_down"] += answer.bytes_down
            self._bytes["bytes_up"] += answer.bytes_up
            if answer.message is None:
                log.warning("round %s: site %s %s", group, name, answer.reason)

    def _send(self, questions: Sequence[Question], group: str, seconds: float) -> dict[str, Question]:
        """Questions that were taken, by message id."""
        messages = [
            Message(question.content, question.member.node, question.kind, ttl=seconds, group_id=group)
            for question in questions
        ]
        ids = self.grid.push_messages(messages) if messages else []
        return {message_id: question for message_id, question in zip(ids, questions, strict=False) if message_id}

    def _replies(self, pending: Iterable[str], pulls: dict[str, _Pull]) -> list[tuple[str, Message | None]]:
        """Replies that have come, None for one that cannot be read."""
        for message_id in pending:
            if message_id not in pulls:
                pulls[message_id] = _Pull(self.grid, message_id)
        found: list[tuple[str, Message | None]] = []
        for message_id in list(pending):
            pull = pulls[message_id]
            pull.join(0.05)
            if pull.is_alive():
                continue
            del pulls[message_id]
            if pull.end is not None:
                raise pull.end
            if pull.unreadable or pull.replies:
                found.append((message_id, pull.replies[0] if pull.replies else None))
        return found


class _Pull(threading.Thread):
    """One look for the reply to one message.

    In a thread of its own: Flower gives a reply out when its upload has only begun and then waits for the rest, for up
    to two hours, while the others' replies should come in and deadlines hold.
    """

    def __init__(self, grid: Grid, message_id: str) -> None:
        super().__init__(name="pull", daemon=True)
        self.grid = grid
        self.message_id = message_id
        self.replies: list[Message] = []
        self.unreadable = False
        self.end: BaseException | None = None
        """What ends the run, such as Flower's word that it is not running any more."""
        self.start()

    def run(self) -> None:
        try:
            self.replies = list(self.grid.pull_messages([self.message_id]))
        except Exception as error:  # what a site sends is taken apart by Flower in many ways; none may end the run
            # A fault of the line to the SuperLink is not the site's: the next look tries again.
            self.unreadable = type(error).__module__.partition(".")[0] != "httpx"
            log.exception("a reply could not be pulled")
        except BaseException as error:
            self.end = error
        if len(self.replies) > 1:
            log.warning("%d replies to one message: the first counts", len(self.replies))


def _trainers_are_done(questions: Iterable[Question], pending: Iterable[Question]) -> bool:
    """Whether there were training messages and all of them are answered."""
    return any(q.kind == MessageType.TRAIN for q in questions) and all(q.kind != MessageType.TRAIN for q in pending)


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
        return Answer(question.member, None, describe(reply.error.code), seconds, down, 0, reply.error.code)
    return Answer(question.member, reply, "", seconds, down, content_bytes(reply.content))
