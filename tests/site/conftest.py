"""A site with a small store, and messages for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flwr.app import Message, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from cape_fed.coordinator.checkpoint import new_state
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.federation.messages import Request, request_content
from cape_fed.methods.registry import make_method
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.site.config import Limits, SiteConfig
from cape_fed.site.workplace import forget_workplaces
from tests.conftest import TinyStore

CONFIG = PretrainConfig.model_validate({"model": "tiny", "train": {"pairs": 8}})
OPTIONS = EvaluateOptions(min_patients=2, resamples=5, dimensions=1)
MakeMessage = Callable[..., Message]


@pytest.fixture
def site(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Iterator[SiteConfig]:
    tiny_store("a", patients=40)
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = 1, 1, 1
    yield SiteConfig(
        name="a",
        role="train",
        stores=(tmp_path / "a",),
        state=tmp_path / "state",
        device="cpu",
        threads=1,
        limits=Limits(local_steps=5, min_patients=2),
        own_process=False,
    )
    forget_workplaces()


def request(**fields: Any) -> Request:
    values = {"run": "0" * 12, "role": "train", "round": 0, "local_steps": 1, "total_steps": 4}
    values |= {"saved_round": 0, "seconds": 60.0, "config": CONFIG}
    return Request.model_validate({**values, **fields})


def content_of(asked: Request, change: Any = None, extra: Any = None) -> RecordDict:
    """A message's content with an encoder as it begins; ``change`` spoils its tensors."""
    encoder = new_state(asked.config).encoder
    if change is not None:
        encoder = {name: change(value) for name, value in encoder.items()}
    parameters = new_state(asked.config).encoder_parameters()
    try:
        instructions = make_method(asked.method, asked.options, parameters).instructions()
    except Exception:  # a method that the site is to refuse
        instructions = {}
    return request_content(asked, encoder, {**instructions, **(extra or {})})


def message_of(content: RecordDict) -> Message:
    message = Message(content, 2, "train")
    message.metadata.__dict__["_message_id"] = "asked"
    return message
