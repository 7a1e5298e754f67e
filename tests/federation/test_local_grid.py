"""The in-process engine: messages really become bytes, order is kept, exceptions become codes."""

from __future__ import annotations

import threading

import pytest
import torch
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from cape_fed.federation.local_grid import LocalGrid


def echo_app(barrier: threading.Barrier | None = None) -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        if barrier is not None:
            barrier.wait(timeout=30)
        if message.content.config_records["c"]["fail"] == context.node_config["partition-id"]:
            raise ValueError("a path nobody should see")
        number = MetricRecord({"partition": int(context.node_config["partition-id"])})
        return Message(RecordDict({"a": message.content["a"], "m": number}), reply_to=message)

    return app


def messages(grid: LocalGrid, tensor: torch.Tensor, fail: int = -1) -> list[Message]:
    content = RecordDict({"a": ArrayRecord({"w": tensor}), "c": ConfigRecord({"fail": fail})})
    return [grid.create_message(content, "train", node, "0") for node in grid.get_node_ids()]


def test_replies_come_in_the_order_of_the_messages() -> None:
    grid = LocalGrid(echo_app(), 5, 3)
    replies = grid.send_and_receive(messages(grid, torch.arange(6.0)))
    assert [reply.content.metric_records["m"]["partition"] for reply in replies] == [0, 1, 2, 3, 4]
    assert [reply.metadata.src_node_id for reply in replies] == list(grid.get_node_ids())
    grid.close()


def test_a_site_gets_a_copy_made_of_bytes() -> None:
    grid = LocalGrid(echo_app(), 1, 1)
    tensor = torch.randn(50, 20)
    (reply,) = grid.send_and_receive(messages(grid, tensor))
    back = reply.content.array_records["a"].to_torch_state_dict()["w"]
    assert torch.equal(back, tensor)
    back += 1
    assert not torch.equal(back, tensor)
    assert grid.bytes_moved > 2 * tensor.numel() * 4
    grid.close()


def test_sites_run_at_the_same_time() -> None:
    grid = LocalGrid(echo_app(threading.Barrier(3)), 3, 3)
    assert len(grid.send_and_receive(messages(grid, torch.zeros(1)))) == 3
    grid.close()


def test_an_exception_becomes_a_code_without_its_text() -> None:
    grid = LocalGrid(echo_app(), 3, 2)
    replies = grid.send_and_receive(messages(grid, torch.zeros(1), fail=1))
    assert [reply.has_error() for reply in replies] == [False, True, False]
    assert replies[1].error.code == 2
    assert "path" not in replies[1].error.reason
    grid.close()


def test_a_reply_can_be_pulled_once() -> None:
    grid = LocalGrid(echo_app(), 1, 1)
    ids = list(grid.push_messages(messages(grid, torch.zeros(1))))
    assert len(list(grid.pull_messages(ids))) == 1
    assert list(grid.pull_messages(ids)) == []
    grid.close()
    with pytest.raises(RuntimeError):
        grid.push_messages(messages(grid, torch.zeros(1)))
