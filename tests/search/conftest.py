"""A search whose recipes are scored by a formula, without worlds and processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from cape_fed.config import RunConfig
from cape_fed.search import run
from cape_fed.search.config import SearchConfig
from cape_fed.study.worlds import World

Score = Callable[[RunConfig], float]


class Here(Executor):
    """Computes at once and in this thread; `Future` keeps what is raised, but for what ends a process."""

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Callable[[Score], list[RunConfig]]:
    """Have recipes scored by a function; what it returns is the list of configurations that were tried."""

    @contextmanager
    def pool(workers: int) -> Iterator[Here]:
        yield Here()

    def use(score: Score) -> list[RunConfig]:
        tried: list[RunConfig] = []

        def try_recipe(config: RunConfig) -> float:
            tried.append(config)
            return score(config)

        monkeypatch.setattr(run, "try_recipe", try_recipe)
        return tried

    monkeypatch.setattr(run, "_pool", pool)
    monkeypatch.setattr(World, "standing", lambda world: nullcontext())
    return use


@pytest.fixture
def search() -> SearchConfig:
    return SearchConfig.model_validate(
        {
            "title": "Small",
            "settings": ["experiment=study"],
            "worlds": [7, 8],
            "at_random": 4,
            "space": {
                "batch": {"few": ["train.pairs=8", "train.steps=40"], "many": ["train.pairs=16", "train.steps=20"]},
                "objective.temperature": {"low": 0.01, "high": 1.0, "log": True},
                "augment.crop": [0.3, 0.6, 1],
            },
            "reference": {"batch": "few", "objective.temperature": 0.9, "augment.crop": 1},
        }
    )
