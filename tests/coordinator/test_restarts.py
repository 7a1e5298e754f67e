"""A site that is killed and comes back while it is waited for, on a SuperLink's real state with a clock of ours."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import time

import pytest
from flwr.app import Message, MetricRecord, RecordDict
from flwr.common.constant import HEARTBEAT_DEFAULT_INTERVAL, HEARTBEAT_PATIENCE, SUPERLINK_NODE_ID
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.server.superlink.linkstate.linkstate_factory import LinkStateFactory
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NOOP_FEDERATION_ID, TaskType
from flwr.supercore.object_store import ObjectStoreFactory
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.federation import NoOpFederationManager
from flwr.superlink.grid.inmemory_grid import InMemoryGrid

from cape_fed.coordinator import exchange
from cape_fed.coordinator.exchange import Answer, Exchange, Question
from cape_fed.federation.roster import Member

EXPIRY = HEARTBEAT_PATIENCE * HEARTBEAT_DEFAULT_INTERVAL
"""Seconds from a site's last heartbeat until the SuperLink takes it for gone."""
CLOCKS = (
    "flwr.server.superlink.linkstate.in_memory_linkstate",
    "flwr.server.superlink.linkstate.utils",
    "flwr.server.utils.validator",
)


@dataclass
class World:
    """Time that passes only while the coordinator sleeps, and what happens meanwhile."""

    begin: float = field(default_factory=time)
    passed: float = 0.0
    events: list[Callable[[float], None]] = field(default_factory=list)

    def time(self) -> float:
        return self.begin + self.passed

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        end = self.passed + seconds
        while self.passed < end:
            self.passed = min(end, self.passed + 0.01)
            for event in self.events:
                event(self.passed)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    for name in CLOCKS:
        monkeypatch.setattr(importlib.import_module(name), "now", lambda: datetime.fromtimestamp(made.time(), UTC))
    for name in ("monotonic", "sleep", "time"):
        monkeypatch.setattr(exchange, name, getattr(made, name))
    return made


@dataclass
class Link:
    """A SuperLink with one site that takes its message and is killed before it answers."""

    world: World
    state: InMemoryLinkState
    grid: InMemoryGrid
    node: int

    def question(self) -> Question:
        content = RecordDict({"metrics": MetricRecord({"loss": 1.0})})
        return Question(Member("b", "train", self.node, {}), "train", content)

    def take(self) -> list[Message]:
        return self.state.get_message_ins(self.node, 1)

    def activate(self) -> bool:
        return self.state.activate_node(self.node, HEARTBEAT_DEFAULT_INTERVAL)


@pytest.fixture
def link(world: World) -> Link:
    factory = LinkStateFactory(FLWR_IN_MEMORY_DB_NAME, NoOpFederationManager(), ObjectStoreFactory())
    state = factory.state()
    assert isinstance(state, InMemoryLinkState)
    run = state.create_run(
        "a/b", "1.0.0", "0" * 64, {}, NOOP_FEDERATION_ID, None, "owner", primary_task_type=TaskType.SERVER_APP
    )
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = run, 1, SUPERLINK_NODE_ID
    node = state.create_node("owner", "owner", b"key", HEARTBEAT_DEFAULT_INTERVAL, name="b")
    grid = InMemoryGrid(factory)
    grid.set_run(state.get_run_info(run_ids=[run])[0])
    made = Link(world, state, grid, node)
    assert made.activate()
    return made


def killed_and_back(link: Link, taken: float, back: float) -> None:
    """The site takes its message at ``taken`` and is killed; from ``back`` on a new process of it tries to come in."""
    todo = ["take", "return"]

    def event(passed: float) -> None:
        if todo[:1] == ["take"] and passed >= taken:
            assert len(link.take()) == 1
            todo.pop(0)
        if todo[:1] == ["return"] and passed >= back and link.activate():
            todo.pop(0)

    link.world.events.append(event)


def ask(link: Link) -> Answer:
    answers = Exchange(link.grid).ask([link.question()], "3", 3600.0)
    return answers[link.node]


@pytest.mark.parametrize("moment", [-20.0, -1.0, -0.3, -0.1, -0.01, 0.01, 0.1, 0.3, 0.6, 3.0])
def test_a_site_that_comes_back_around_its_expiry_is_not_waited_for(link: Link, moment: float) -> None:
    killed_and_back(link, taken=0.2, back=EXPIRY + moment)
    answer = ask(link)
    assert answer.message is None
    assert answer.reason in ("is gone", "was started anew and lost what it was asked")
    assert link.world.passed < EXPIRY + 5


def test_one_of_these_moments_is_the_one_that_the_superlink_does_not_see(link: Link) -> None:
    """Without the activation time nothing would tell: the SuperLink never says that the site was gone."""
    killed_and_back(link, taken=0.2, back=0.0)
    assert ask(link).reason == "was started anew and lost what it was asked"


def test_a_site_that_answers_and_is_started_anew_at_once_has_answered(link: Link) -> None:
    def event(passed: float) -> None:
        if passed >= 1.0 and (messages := link.take()):
            reply = Message(RecordDict({"metrics": MetricRecord({"loss": 2.0})}), reply_to=messages[0])
            reply.metadata.__dict__["_message_id"] = "reply"
            reply.metadata.__dict__["_src_node_id"] = link.node
            assert link.state.store_message_res(reply) is not None
            assert link.state.deactivate_node(link.node)
            assert link.activate()

    link.world.events.append(event)
    answer = ask(link)
    assert answer.message is not None
    assert answer.message.content.metric_records["metrics"]["loss"] == 2.0


def test_a_site_that_stays_is_waited_for(link: Link) -> None:
    """Its heartbeats change nothing about when it was activated."""

    def event(passed: float) -> None:
        link.state.acknowledge_node_heartbeat(link.node, HEARTBEAT_DEFAULT_INTERVAL)
        if passed >= 200 and (messages := link.take()):
            reply = Message(RecordDict({"metrics": MetricRecord({"loss": 3.0})}), reply_to=messages[0])
            reply.metadata.__dict__["_message_id"] = "reply"
            assert link.state.store_message_res(reply) is not None

    link.world.events.append(event)
    assert ask(link).message is not None
