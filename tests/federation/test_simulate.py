"""Whole simulated federations: equal to central training, equal between engines, resumable."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from flwr.app import Context, RecordDict, UserConfig
from safetensors.torch import load_file

from cape_fed.config import RunConfig
from cape_fed.errors import InputError, RunError
from cape_fed.federation.local_grid import LocalGrid
from cape_fed.pretrain.cohorts import open_cohorts
from cape_fed.pretrain.learner import Learner
from cape_fed.pretrain.workbench import Workbench
from cape_fed.release.bundle import load_encoder
from cape_fed.rundir import read_metrics
from cape_fed.simulation import simulate_federation
from cape_fed.site.workplace import forget_workplaces
from cape_fed.status import read_status
from cape_fed.store.counts import count_store
from cape_fed.store.store import open_store
from client import app as client_app
from server import app as server_app
from tests.conftest import TinyStore
from tests.federation.helpers import config_for, make_cohorts

CPU = torch.device("cpu")
METRICS = "metrics.jsonl"
SIZES = {"a": 16, "b": 24, "c": 32, "d": 12}


@pytest.fixture
def root(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Path:
    make_cohorts(tiny_store, list(SIZES), list(SIZES.values()))
    return tmp_path


def simulate(config: RunConfig) -> dict[str, torch.Tensor]:
    simulate_federation(config, lambda done, total, line: None)
    return weights(config.out)


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "bundle" / "model.safetensors")


def central_weights(config: RunConfig, rounds: int) -> dict[str, torch.Tensor]:
    """The slow way: one encoder, and at each step the patient-weighted mean of the sites' gradients on their batches.

    Each site's head is its own and learns from its own batch alone, as in the federation.
    """
    sites = {"a": ["a"], "b+c": ["b", "c"]}
    benches = {}
    for name, cohorts in sites.items():
        stores = [config.out.parent / cohort for cohort in cohorts]
        opened = open_cohorts(stores, config.split, config.out / "splits")
        benches[name] = Workbench(config.pretraining, name, opened, rounds, CPU)
    patients = {name: sum(pairs.patients for pairs in bench.pairs) for name, bench in benches.items()}
    encoder = {key: value.clone() for key, value in next(iter(benches.values())).learner.encoder.state_dict().items()}
    rate = config.train.learning_rate
    for step in range(rounds):
        mean = {key: torch.zeros_like(value) for key, value in encoder.items()}
        for name, bench in benches.items():
            for key, gradient in encoder_gradient(bench, encoder, step).items():
                mean[key] += gradient * (patients[name] / sum(patients.values()))
        encoder = {key: value - rate * mean[key] for key, value in encoder.items()}
    return encoder


def encoder_gradient(bench: Workbench, encoder: dict[str, torch.Tensor], step: int) -> dict[str, torch.Tensor]:
    """Gradient of the site's loss in the encoder's weights; its head takes the step it would take at the site."""
    learner: Learner = bench.learner
    learner.encoder.load_state_dict(encoder)
    learner.optimiser.zero_grad()
    learner.gradient.backward(bench.feed.load(step), step)
    with torch.no_grad():
        for parameter in learner.head.parameters():
            assert parameter.grad is not None
            parameter -= learner.config.train.learning_rate * parameter.grad
    return {name: p.grad.clone() for name, p in learner.encoder.named_parameters() if p.grad is not None}


def test_federated_equals_central_on_the_same_batches(root: Path) -> None:
    sgd = {"optimiser": "sgd", "learning_rate": 0.005, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0}
    federation = {"rounds": 10, "local_steps": 1, "clip": False}
    config = config_for(root, "run", train={"pairs": 8, **sgd}, federation=federation)
    federated = simulate(config)
    central = central_weights(config, 10)
    start = Learner(config.pretraining, 100, "start", CPU).encoder.state_dict()
    difference = torch.cat([(federated[name] - central[name]).flatten() for name in central]).norm()
    size = torch.cat([value.flatten() for value in central.values()]).norm()
    moved = torch.cat([(central[name] - start[name]).flatten() for name in central]).norm()
    print(f"relative difference {difference / size:.1e} after a relative move of {moved / size:.1e}")
    assert difference / size < 1e-6
    assert moved / size > 1e-3  # ten steps went somewhere: the equality is not that of standing still


@pytest.mark.alone
def test_flower_engine_gives_the_same_weights_bit_for_bit(root: Path) -> None:
    local = simulate(config_for(root, "local"))
    flower = simulate(config_for(root, "flower", engine="flower"))
    assert local.keys() == flower.keys()
    for name, value in local.items():
        assert torch.equal(value, flower[name]), name


def test_same_seed_same_weights_and_another_another(root: Path) -> None:
    one, two = simulate(config_for(root, "one")), simulate(config_for(root, "two"))
    other = simulate(config_for(root, "other", seed=1))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("checkpoint_every", [1, 2, 3])
@pytest.mark.parametrize("other_process", [False, True])
def test_resumed_equals_uninterrupted(root: Path, checkpoint_every: int, other_process: bool) -> None:
    federation = {"rounds": 5, "local_steps": 2, "checkpoint_every": checkpoint_every}
    whole = simulate(config_for(root, "whole", federation=federation))

    def stop(done: int, total: int, line: dict[str, Any]) -> None:
        if done == 4:
            raise KeyboardInterrupt

    config = config_for(root, "cut", federation=federation)
    with pytest.raises(KeyboardInterrupt):
        simulate_federation(config, stop)
    assert not (config.out / "bundle").exists()
    if other_process:
        forget_workplaces()
    resumed = simulate(config.model_copy(update={"resume": True}))
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    curves = [
        [(line["round"], line.get("loss"), line.get("alignment")) for line in read_metrics(root / run / METRICS)]
        for run in ("whole", "cut")
    ]
    assert curves[0] == curves[1]


def test_a_run_is_resumed_by_other_code_only_if_that_is_accepted(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(done: int, total: int, line: dict[str, Any]) -> None:
        if done in (1, 2):
            raise KeyboardInterrupt

    config = config_for(root, "run", federation={"rounds": 3, "local_steps": 1})
    with pytest.raises(KeyboardInterrupt):
        simulate_federation(config, stop)
    monkeypatch.setattr("cape_fed.coordinator.lead.computing_code", lambda: "0123 on PyTorch 9.9")
    resumed = config.model_copy(update={"resume": True})
    with pytest.raises(InputError, match=r"led by code .* on PyTorch .*, and this is 0123 .*other_code=true"):
        simulate(resumed)
    assert len(list(read_metrics(config.out / METRICS))) == 1
    with pytest.raises(KeyboardInterrupt):
        simulate_federation(resumed.model_copy(update={"other_code": True}), stop)
    assert "led this run up to round 1, 0123 on PyTorch 9.9 does from here on" in caplog.text
    simulate(resumed)  # the checkpoint is the new code's now


def test_what_a_run_leaves_behind(root: Path) -> None:
    config = config_for(root, "run")
    simulate(config)
    lines = list(read_metrics(config.out / "metrics.jsonl"))
    rounds, measured = [[line for line in lines if key in line] for key in ("loss", "monitors")]
    assert [line["round"] for line in rounds] == [0, 1, 2]
    assert [line["step"] for line in rounds] == [1, 3, 5]
    assert set(rounds[-1]["sites"]) == {"a", "b+c"}
    assert rounds[-1]["sites"]["a"]["patients"] == 11  # 70 % of 16
    assert rounds[-1]["missing"] == []
    size = sum(4 * value.numel() for value in weights(config.out).values())
    assert 2 * size < rounds[-1]["bytes_up"] < 2.1 * size
    assert 3 * size < rounds[-1]["bytes_down"] < 3.1 * size  # the third is for measuring
    assert [(line["round"], line["step"]) for line in measured] == [(1, 1), (2, 3), (3, 5)]
    assert set(measured[-1]["monitors"]) == {"a", "b+c", "d"}
    assert "uniformity_between" in measured[-1]["monitors"]["b+c"]
    assert {"alignment", "rankme"} <= measured[-1].keys()
    assert read_status(config.out)["state"] == "finished"
    assert sorted(path.name for path in (config.out / "sites").iterdir()) == ["a", "b+c", "d"]
    provenance = load_encoder(config.out / "bundle").provenance
    assert provenance.method == "federated"
    assert provenance.cohorts["b+c/b"] == count_store(open_store(root / "b"))
    assert str(root) not in (config.out / "bundle" / "config.json").read_text()


def test_heads_never_leave_a_site(root: Path) -> None:
    config = config_for(root, "run")
    simulate(config)
    assert not any("head" in name for name in weights(config.out))
    heads = [load_file(path)["head.0.weight"] for path in sorted((config.out / "sites").rglob("state.safetensors"))]
    assert len(heads) == 6  # two sites, which can go back to the older of the coordinator's two checkpoints
    assert not torch.equal(heads[0], heads[-1])


def test_a_failing_site_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train = Workbench.train

    def fail(bench: Workbench, start: int, stop: int) -> Iterator[tuple[int, torch.Tensor]]:
        if bench.cohorts[0].name == "b":
            raise RuntimeError("disk /secret/path is full")
        return train(bench, start, stop)

    monkeypatch.setattr(Workbench, "train", fail)
    federation = {"rounds": 1, "local_steps": 1, "quorum": 1.0, "tries": 2}
    with pytest.raises(RunError, match=r"round 0 stayed below quorum in 2 tries: .* missing: b\+c") as caught:
        simulate(config_for(root, "run", federation=federation))
    assert "secret" not in str(caught.value)
    with pytest.raises(RunError, match="round 0 stayed below quorum"):  # before it had a round, its directory is free
        simulate(config_for(root, "run"))


def test_patients_on_both_sides_are_refused(root: Path, tiny_store: TinyStore) -> None:
    signals = tiny_store("x", patients=14, seed=5).signals
    tiny_store("e", signals=signals[:10], patient=[f"a{patient}" for patient in range(10)])
    data = {"train": [root / "a"], "evaluate": [root / "e"]}
    with pytest.raises(InputError, match=r"10 patients are in both a \(train\) and e \(evaluate\)"):
        simulate(config_for(root, "run", data=data))
    assert not (root / "run").exists()


def test_a_cohort_smaller_than_a_batch_is_refused_before_anything_is_written(root: Path) -> None:
    with pytest.raises(InputError, match="cohort a has 11 training patients"):
        simulate(config_for(root, "run", train={"pairs": 12}))
    assert not (root / "run").exists()


def test_stores_of_other_profiles_are_refused(root: Path, tiny_store: TinyStore) -> None:
    tiny_store("wide", profile="cape400")
    with pytest.raises(InputError, match="ingest both with one profile"):
        simulate(config_for(root, "run", data={"train": [root / "a", root / "wide"]}))


def test_a_site_that_lost_its_state_goes_on_with_a_fresh_head(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    def lose(done: int, total: int, line: dict[str, Any]) -> None:
        if done == 2:
            forget_workplaces()
            for path in (root / "run" / "sites" / "a").glob("*/round-*"):
                shutil.rmtree(path)

    simulate_federation(config_for(root, "run"), lose)
    assert "site a took no part before round 2: its head and optimiser are new" in caplog.text
    assert load_encoder(root / "run" / "bundle").dim > 0


def test_the_flower_apps_lead_the_same_run(root: Path) -> None:
    config = config_for(root, "apps", roster={"a": "train", "b+c": "train", "d": "evaluate"})
    run_config: UserConfig = {"cfg-json": config.model_dump_json()}
    grid = LocalGrid(client_app.app, 3, 1, run_config=run_config)
    server_app.app(grid, Context(1, 1, {}, RecordDict(), run_config))
    grid.close()
    direct = simulate(config_for(root, "direct"))
    assert all(torch.equal(value, direct[name]) for name, value in weights(config.out).items())
