"""An in-process engine: Flower's Grid, with every message serialised to bytes and back as on a network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from uuid import uuid4

from flwr.app import Context, Error, Message, RecordDict, UserConfig
from flwr.clientapp import ClientApp
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.message_pb2 import Message as MessageProto
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from cape_fed.federation.failures import SiteFailure

log = logging.getLogger(__name__)

RUN, COORDINATOR = 1, 1


class LocalGrid(Grid):
    """Runs the ClientApp of every site in a thread of this process."""

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
        self._replies: dict[str, Future[bytes]] = {}
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
        """Deliver messages to the sites; returns the ids under which replies can be pulled."""
        ids = []
        for message in messages:
            data = self._encode(message)
            ids.append(message.metadata.message_id)
            self._replies[ids[-1]] = self._pool.submit(self._serve, data)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        """Replies that are there, by the ids of what they answer, each once."""
        done = [message_id for message_id in message_ids if self._is_done(message_id)]
        return [self._decode(self._replies.pop(message_id).result()) for message_id in done]

    def send_and_receive(self, messages: Iterable[Message], *, timeout: float | None = None) -> Sequence[Message]:
        """Deliver messages; the replies that come within ``timeout`` seconds, in the order of the messages."""
        ids = list(self.push_messages(messages))
        wait([self._replies[message_id] for message_id in ids], timeout)
        return list(self.pull_messages(ids))

    def close(self) -> None:
        """End the threads once they are idle."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _is_done(self, message_id: str) -> bool:
        return message_id in self._replies and self._replies[message_id].done()

    def _serve(self, data: bytes) -> bytes:
        """One message at its site: bytes in, bytes out; an exception becomes Flower's error reply."""
        message = message_from_proto(MessageProto.FromString(data))
        try:
            reply = self._app(message, self._contexts[message.metadata.dst_node_id])
        except Exception as error:
            log.exception("the ClientApp of a site failed")
            reply = Message(Error(SiteFailure.RAISED, type(error).__name__), reply_to=message)
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
