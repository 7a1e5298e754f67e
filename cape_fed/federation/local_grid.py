"""An in-process engine: Flower's Grid, with every message serialised to bytes and back as on a network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

log = logging.getLogger(__name__)

RUN, COORDINATOR = 1, 1
RAISED = 2
"""The error code Flower gives an exception in a ClientApp."""


class LocalGrid(Grid):
    """Runs the ClientApp of every site in a thread of this process.

    Replies come back in the order of the messages, so that nothing depends on which site was faster.
    """

    def __init__(
        self,
        app: ClientApp,
        sites: int,
        workers: int,
        prepare: Callable[[], None] = lambda: None,
        run_config: UserConfig | None = None,
    ) -> None:
        """``prepare`` is called once in each of ``workers`` threads before it serves a site."""
        self._app = app
        self._pool = ThreadPoolExecutor(workers, "site", initializer=prepare)
        self._contexts = {
            node: _context(node, sites, run_config or {}) for node in range(COORDINATOR + 1, COORDINATOR + 1 + sites)
        }
        self._run = Run.create_empty(run_id=RUN)
        # Flower stamps new messages with the identity of the process it thinks it runs in.
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = RUN, 1, COORDINATOR
        self._replies: dict[str, Message] = {}
        self.bytes_moved = 0

    @property
    def run(self) -> Run:
        """The run; there is only one."""
        return self._run

    def set_run(self, run: Run) -> None:
        """Take over the run's description."""
        self._run = run

    def create_message(
        self, content: RecordDict, message_type: str, dst_node_id: int, group_id: str, ttl: float | None = None
    ) -> Message:
        """A message as Flower makes it."""
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def get_node_ids(self) -> Iterable[int]:
        """Ids of the sites' nodes."""
        return list(self._contexts)

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        """Deliver messages and wait for the sites; returns the ids under which replies can be pulled."""
        sent = [self._encode(message) for message in messages]
        replies = [self._decode(data) for data in self._pool.map(self._serve, sent)]
        self._replies |= {reply.metadata.reply_to_message_id: reply for reply in replies}
        return [reply.metadata.reply_to_message_id for reply in replies]

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Replies to messages by their ids, each once."""
        return [self._replies.pop(message_id) for message_id in message_ids if message_id in self._replies]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Sequence[Message]:
        """Deliver messages and return the replies in the same order."""
        return list(self.pull_messages(self.push_messages(messages)))

    def close(self) -> None:
        """End the threads once they are idle."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _serve(self, data: bytes) -> bytes:
        """One message at its site: bytes in, bytes out; an exception becomes Flower's error reply."""
        message = message_from_proto(MessageProto.FromString(data))
        try:
            reply = self._app(message, self._contexts[message.metadata.dst_node_id])
        except Exception as error:
            log.exception("the ClientApp of a site failed")
            reply = Message(Error(RAISED, type(error).__name__), reply_to=message)
        answer: bytes = message_to_proto(reply).SerializeToString()
        return answer

    def _encode(self, message: Message) -> bytes:
        message.metadata.__dict__["_message_id"] = str(uuid4())
        data: bytes = message_to_proto(message).SerializeToString()
        self.bytes_moved += len(data)
        return data

    def _decode(self, data: bytes) -> Message:
        self.bytes_moved += len(data)
        return message_from_proto(MessageProto.FromString(data))


def _context(node: int, sites: int, run_config: UserConfig) -> Context:
    return Context(
        run_id=RUN,
        node_id=node,
        node_config={"partition-id": node - COORDINATOR - 1, "num-partitions": sites},
        state=RecordDict(),
        run_config=run_config,
    )
