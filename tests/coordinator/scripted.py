"""A Grid whose sites answer as a test scripts them: no ClientApp, no threads of its own, no waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from flwr.app import Error, Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

Script = Callable[[Message], RecordDict | int | None]
"""From a message to the content of its reply, to an error code, or to None for no reply."""


class ScriptedGrid(Grid):
    """Nodes by id, each with a name and a script."""

    def __init__(self) -> None:
        TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1
        self.scripts: dict[int, Script] = {}
        self.nodes: dict[int, NodeInfo] = {}
        self.replies: dict[str, Message] = {}
        self.asked: list[tuple[str, int, str]] = []

    def add(self, node: int, name: str, script: Script, since: float = 1.0) -> None:
        self.scripts[node] = script
        self.nodes[node] = NodeInfo(node_id=node, name=name, last_activated_at=str(since))

    @property
    def run(self) -> Run:
        return Run.create_empty(run_id=1)

    def set_run(self, run: Run) -> None:
        raise NotImplementedError

    def create_message(self, *arguments: Any, **named: Any) -> Message:
        raise NotImplementedError

    def get_node_ids(self) -> Iterable[int]:
        return list(self.nodes)

    def get_nodes(self) -> Iterable[NodeInfo]:
        return list(self.nodes.values())

    def push_messages(self, messages: Iterable[Message]) -> Iterable[str]:
        ids = []
        for message in messages:
            number = f"m{len(self.asked)}"
            message.metadata.__dict__["_message_id"] = number
            node = message.metadata.dst_node_id
            self.asked.append((self.nodes[node].name, node, message.metadata.message_type))
            said = self.scripts[node](message)
            if isinstance(said, int):
                self.replies[number] = Message(Error(said), reply_to=message)
            elif said is not None:
                self.replies[number] = Message(said, reply_to=message)
            ids.append(number)
        return ids

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[Message]:
        return [self.replies.pop(number) for number in message_ids if number in self.replies]

    def send_and_receive(self, *arguments: Any, **named: Any) -> Iterable[Message]:
        raise NotImplementedError
