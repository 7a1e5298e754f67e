"""Messages to sites and the wait for their replies, within a deadline and with every site called by its name."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep, time

from flwr.app import Message, MessageType, RecordDict
from flwr.serverapp import Grid

from cape_fed.federation.failures import describe
from cape_fed.federation.messages import content_bytes
from cape_fed.federation.roster import Member

log = logging.getLogger(__name__)


SILENT_AFTER = 40.0
"""Seconds without a heartbeat after which a site is named; a SuperNode sends one every 17 to 23 s."""
OTHERS_SECONDS = 120.0
"""How long sites that only measure are waited for at least once the training sites have answered."""
LONGEST_PAUSE = 0.5
"""Seconds between looks for replies at most."""
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


@dataclass(frozen=True, slots=True)
class Wait:
    """Where the wait for answers stands."""

    answered: int
    asked: int
    awaited: list[str]
    """Names of the sites that have not answered."""
    silent: list[str]
    """Those of which nothing has been heard for long."""


Waiting = Callable[[Wait], None]
"""Called again and again while there is something to wait for."""


@dataclass(slots=True, eq=False)
class _Pending:
    """A question on its way, and the look for its answer that is under way."""

    id: str
    question: Question
    activated: str
    """When the site's node had been activated as the question was sent: another process than the one asked has
    another time."""
    restarted: bool = False
    pull: _Pull | None = None


class Exchange:
    """Asks sites over any engine's Grid."""

    def __init__(self, grid: Grid, waiting: Waiting = lambda wait: None) -> None:
        self.grid = grid
        self.waiting = waiting
        self._bytes = {"bytes_down": 0, "bytes_up": 0}

    def ask(self, questions: Sequence[Question], group: str, seconds: float) -> dict[int, Answer]:
        """Send all questions and wait until each is answered or ``seconds`` are over; answers by node, by site name.

        Sites that only measure are not waited for much longer than those that train, and a site that was started anew
        since it was asked not at all: its answer is lost. An error in place of a reply is an answer without message.
        Nothing that a site sends makes this raise.
        """
        begin = looked = monotonic()
        pending = self._send(questions, group, seconds)
        sent = {item.question.member.node for item in pending}
        unsent = [question for question in questions if question.member.node not in sent]
        answers = [_answer(question, None, "could not be sent a message", 0.0) for question in unsent]
        watch, end = _Watch(), begin + seconds
        while pending:
            elapsed = monotonic() - begin
            for item, reply, reason in self._replies(pending):
                pending.remove(item)
                answers.append(_answer(item.question, reply, reason, elapsed))
            pause = _pause(elapsed, monotonic() - begin - elapsed)
            if monotonic() > end:
                break
            if end == begin + seconds and _trainers_are_done(questions, [item.question for item in pending]):
                end = min(end, monotonic() + max(OTHERS_SECONDS, elapsed))
            if monotonic() - looked > LOOK_EVERY:
                looked = monotonic()
                watch.look(self.grid, pending)
            awaited = sorted(item.question.member.name for item in pending)
            self.waiting(Wait(len(answers), len(questions), awaited, watch.silent))
            if pending:
                sleep(pause)
        late = f"did not answer within {end - begin:.0f} s"
        answers += [_answer(item.question, None, late, end - begin) for item in pending]
        answers.sort(key=lambda answer: (answer.member.name, answer.member.node))
        self._settle(group, answers)
        return {answer.member.node: answer for answer in answers}

    def take_bytes(self) -> dict[str, int]:
        """Bytes moved since this was last asked, whether what they carried counted or not."""
        taken, self._bytes = self._bytes, dict.fromkeys(self._bytes, 0)
        return taken

    def _settle(self, group: str, answers: Iterable[Answer]) -> None:
        """Count what was moved, and name the sites that gave no reply."""
        for answer in answers:
            self._bytes["bytes_down"] += answer.bytes_down
            self._bytes["bytes_up"] += answer.bytes_up
            if answer.message is None:
                log.warning("round %s: site %s %s", group, answer.member.name, answer.reason)

    def _send(self, questions: Sequence[Question], group: str, seconds: float) -> list[_Pending]:
        """Questions that were taken."""
        if not questions:
            return []
        # Looked up before the messages are sent: a site that is started anew in between may be given up needlessly,
        # but is never waited for in vain.
        activated = {node.node_id: node.last_activated_at for node in self.grid.get_nodes()}
        messages = [
            Message(question.content, question.member.node, question.kind, ttl=seconds, group_id=group)
            for question in questions
        ]
        ids = self.grid.push_messages(messages)
        return [
            _Pending(message_id, question, activated.get(question.member.node, ""))
            for message_id, question in zip(ids, questions, strict=False)
            if message_id
        ]

    def _replies(self, pending: Iterable[_Pending]) -> list[tuple[_Pending, Message | None, str]]:
        """Replies that have come, or None with the reason where none can be read or none will come."""
        for item in pending:
            if item.pull is None:
                item.pull = _Pull(self.grid, item.id, last=item.restarted)
        found: list[tuple[_Pending, Message | None, str]] = []
        for item in pending:
            pull = item.pull
            assert pull is not None
            pull.join(0.05)
            if pull.is_alive():
                continue
            item.pull = None
            if pull.end is not None:
                raise pull.end
            if pull.replies:
                found.append((item, pull.replies[0], ""))
            elif pull.unreadable:
                found.append((item, None, "sent a reply that cannot be read"))
            elif pull.last:
                found.append((item, None, "was started anew and lost what it was asked"))
        return found


class _Pull(threading.Thread):
    """One look for the reply to one message.

    In a thread of its own: Flower gives a reply out when its upload has only begun and then waits for the rest, for up
    to two hours, while the others' replies should come in and deadlines hold.
    """

    def __init__(self, grid: Grid, message_id: str, *, last: bool) -> None:
        super().__init__(name="pull", daemon=True)
        self.grid = grid
        self.message_id = message_id
        self.last = last
        """Whether no reply can come after this look, which began when the site had been started anew."""
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


def _pause(elapsed: float, looked: float) -> float:
    """Seconds until the next look for replies, after one that took ``looked`` seconds.

    Looking takes a quarter of the time at most: each look is a request for every site, and a SuperLink that serves many
    of them has no time for the sites.
    """
    return max(3 * looked, min(LONGEST_PAUSE, 0.001 + 0.05 * elapsed))


def _trainers_are_done(questions: Iterable[Question], pending: Iterable[Question]) -> bool:
    """Whether there were training messages and all of them are answered."""
    return any(q.kind == MessageType.TRAIN for q in questions) and all(q.kind != MessageType.TRAIN for q in pending)


class _Watch:
    """Notices sites whose nodes have gone silent or away, and says so once, and those that were started anew."""

    def __init__(self) -> None:
        self.silent: list[str] = []

    def look(self, grid: Grid, pending: Iterable[_Pending]) -> None:
        """See which nodes are there; sets ``restarted`` of questions whose node is not the one that was asked."""
        nodes = {node.node_id: node for node in grid.get_nodes()}
        silent, restarted = [], []
        for item in pending:
            member = item.question.member
            node = nodes.get(member.node)
            if node is not None and item.activated and node.last_activated_at != item.activated:
                item.restarted = True
                restarted.append(member.name)
            # online_until is two intervals after the last heartbeat; 0 where the engine has no heartbeats.
            last = node.online_until - 2 * node.heartbeat_interval if node and node.online_until else None
            if node is None or (last is not None and time() - last > SILENT_AFTER):
                silent.append(member.name)
        asked = {item.question.member.name for item in pending}
        for name in silent:
            if name not in self.silent:
                log.warning(
                    "site %s is silent: no heartbeat for %.0f s or its connection is closed", name, SILENT_AFTER
                )
        for name in self.silent:
            if name not in silent and name in asked and name not in restarted:
                log.info("site %s is heard from again", name)
        self.silent = silent


def _answer(question: Question, reply: Message | None, reason: str, seconds: float) -> Answer:
    down = content_bytes(question.content)
    if reply is None:
        return Answer(question.member, None, reason, seconds, down, 0)
    if reply.has_error():
        code = reply.error.code
        return Answer(question.member, None, describe(code), seconds, down, 0, code)
    return Answer(question.member, reply, "", seconds, down, content_bytes(reply.content))
