"""Federated methods in whole simulated runs: what stays at a site, who is asked, and that all of it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cape_fed.checkpoints import run_rounds
from cape_fed.config import RunConfig
from cape_fed.coordinator import rounds
from cape_fed.errors import InputError
from cape_fed.pretrain.cohorts import open_cohorts
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.pretrain.norm import norm_tensors
from cape_fed.pretrain.workbench import Workbench
from cape_fed.rundir import read_metrics
from cape_fed.simulation import simulate_federation
from cape_fed.site.workplace import forget_workplaces
from tests.conftest import TinyStore
from tests.federation.helpers import config_for, make_cohorts
from tests.federation.test_simulate import encoder_gradient

SGD = {"optimiser": "sgd", "learning_rate": 0.005, "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0}
SITES = {"a": ["a"], "b+c": ["b", "c"]}
Weights = dict[str, torch.Tensor]


@pytest.fixture
def root(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Path:
    make_cohorts(tiny_store, ["a", "b", "c", "d"], [16, 24, 32, 12])
    return tmp_path


def config(root: Path, out: str, strategy: str, changes: dict[str, Any] | None = None, **others: Any) -> RunConfig:
    federation = {"rounds": 3, "local_steps": 2, "strategy": strategy, "evaluate": False, "clip": False}
    return config_for(root, out, federation=federation | (changes or {}), **others)


def simulate(config: RunConfig) -> Weights:
    simulate_federation(config, lambda done, total, line: None)
    return load_file(config.out / "bundle" / "model.safetensors")


def site_state(config: RunConfig, site: str) -> Weights:
    (folder,) = (config.out / "sites" / site).glob("*/round-000003")
    tensors = load_file(folder / "state.safetensors")
    return {name.removeprefix("own."): value for name, value in tensors.items() if name.startswith("own.")}


def benches(config: RunConfig) -> dict[str, Workbench]:
    """The sites' workbenches, to do by hand what they do."""
    made = {}
    for name, cohorts in SITES.items():
        opened = open_cohorts([config.out.parent / c for c in cohorts], config.split, config.out / "by-hand")
        made[name] = Workbench(config.pretraining, name, opened, config.federation.steps, torch.device("cpu"))
    return made


def test_scaffold_is_the_papers_option_two_under_plain_sgd(root: Path) -> None:
    """Written out slowly: y ← y − η(g − cᵢ + c); cᵢ⁺ = cᵢ − c + (x − y)/(Kη); c ← c + Σ(cᵢ⁺ − cᵢ)/N."""
    run = config(root, "run", "scaffold", train={"pairs": 8, **SGD})
    federated = simulate(run)
    sites, rate, steps = benches(run), SGD["learning_rate"], 2
    patients = {name: sum(pairs.patients for pairs in bench.pairs) for name, bench in sites.items()}
    x = {n: p.detach().clone() for n, p in sites["a"].learner.encoder.named_parameters()}
    zeros = {n: torch.zeros_like(value) for n, value in x.items()}
    c, own = dict(zeros), {name: dict(zeros) for name in sites}
    for number in range(3):
        ends, after = {}, {}
        for name, bench in sites.items():
            y = {n: value.clone() for n, value in x.items()}
            for step in range(number * steps, (number + 1) * steps):
                gradient = encoder_gradient(bench, y, step)
                y = {n: value - rate * (gradient[n] - own[name][n] + c[n]) for n, value in y.items()}
            ends[name] = y
            after[name] = {n: own[name][n] - c[n] + (x[n] - y[n]) / (steps * rate) for n in x}
        c = {n: c[n] + sum(after[s][n] - own[s][n] for s in sites) / len(sites) for n in x}
        x = {n: sum(patients[s] * ends[s][n] for s in sites) / sum(patients.values()) for n in x}
        own = after
    for name, value in x.items():
        assert torch.allclose(federated[name], value, atol=2e-5), name
    kept = site_state(run, "a")
    for name, value in own["a"].items():
        assert torch.allclose(kept[name], value, atol=2e-3), name


def test_fedbn_keeps_norm_layers_at_the_sites_and_averages_them_for_the_others(root: Path) -> None:
    run = config(root, "run", "fedbn", norm="batch")
    bundle = simulate(run)
    kept = {site: site_state(run, site) for site in SITES}
    names = norm_tensors(build_encoder(run.pretraining.encoder_config, 0))
    assert kept["a"].keys() == kept["b+c"].keys() == names
    patients = {s: sum(pairs.patients for pairs in bench.pairs) for s, bench in benches(run).items()}
    for name in names:
        assert not torch.equal(kept["a"][name], kept["b+c"][name]), name
        mean = sum(patients[site] * kept[site][name].double() for site in SITES) / sum(patients.values())
        assert torch.allclose(bundle[name].double(), mean, atol=1e-5), name


def test_fedbn_differs_from_fedavg_in_training(root: Path) -> None:
    averaged = simulate(config(root, "one", "fedavg", {"batch_statistics": "average"}, norm="batch"))
    own = simulate(config(root, "two", "fedbn", norm="batch"))
    assert not torch.equal(averaged["stem.weight"], own["stem.weight"])


def test_fedema_begins_between_its_own_encoder_and_the_received_one(root: Path) -> None:
    """By hand with one site that trains: all it receives is its own last encoder, so nothing changes."""
    alone = {"data": {"train": [root / "a"], "evaluate": []}}
    assert_equal(simulate(config(root, "one", "fedema", **alone)), simulate(config(root, "two", "fedavg", **alone)))
    run = config(root, "run", "fedema", {"options": {"ema_tau": 1.0}, "rounds": 2}, train={"pairs": 8, **SGD})
    federated = simulate(run)
    sites = benches(run)
    patients = {name: sum(pairs.patients for pairs in bench.pairs) for name, bench in sites.items()}
    x = {n: p.detach().clone() for n, p in sites["a"].learner.encoder.named_parameters()}
    ends = dict.fromkeys(sites, x)
    for number in range(2):  # a share of 1 in the second round: each site goes on from its own encoder
        for name, bench in sites.items():
            y = dict(ends[name])
            for step in (2 * number, 2 * number + 1):
                gradient = encoder_gradient(bench, y, step)
                y = {n: value - SGD["learning_rate"] * gradient[n] for n, value in y.items()}
            ends[name] = y
    for name in x:
        mean = sum(patients[s] * ends[s][name] for s in sites) / sum(patients.values())
        assert torch.allclose(federated[name], mean, atol=1e-5), name


def test_cyclic_visits_one_site_after_the_other(root: Path) -> None:
    """Round by round from the run's own encoder: a difference in the last bit can grow a thousandfold in one step."""
    run = config(root, "run", "cyclic", train={"pairs": 8, **SGD})
    sites = benches(run)
    after: list[Weights] = []

    def collect(done: int, total: int, line: dict[str, Any]) -> None:
        newest = run_rounds(run.out / "checkpoints").path(done)
        after.append(load_file(newest / "encoder.safetensors"))

    simulate_federation(run, collect)
    x = {n: p.detach().clone() for n, p in sites["a"].learner.encoder.named_parameters()}
    for number, name in enumerate(("a", "b+c", "a")):
        for step in (2 * number, 2 * number + 1):
            gradient = encoder_gradient(sites[name], x, step)
            x = {n: value - SGD["learning_rate"] * gradient[n] for n, value in x.items()}
        assert all(torch.allclose(after[number][n], value, atol=1e-6) for n, value in x.items()), number
        x = dict(after[number])
    asked = [sorted(line["sites"]) for line in read_metrics(run.out / "metrics.jsonl") if "sites" in line]
    assert asked == [["a"], ["b+c"], ["a"]]


def test_partial_participation_is_drawn_by_the_seed_and_judged_by_who_was_asked(root: Path) -> None:
    changes = {"participation": 0.5, "rounds": 6, "quorum": 1.0, "quorum_patients": 1.0}
    asked = []
    for out, seed in (("one", 0), ("two", 0), ("three", 1)):
        run = config(root, out, "fedavg", changes, seed=seed)
        simulate(run)
        lines = [line for line in read_metrics(run.out / "metrics.jsonl") if "sites" in line]
        asked.append([tuple(line["sites"]) for line in lines])
        assert all(line["missing"] == [] for line in lines)
    assert {len(sites) for sites in asked[0]} == {1}
    assert len(set(asked[0])) == 2
    assert asked[0] == asked[1] != asked[2]


@pytest.mark.parametrize(
    ("strategy", "changes", "others"),
    [
        ("scaffold", {"clip": True}, {}),
        ("fedbn", {}, {"norm": "batch"}),
        ("fedema", {}, {}),
        ("fedadam", {"batch_statistics": "average", "options": {"learning_rate": 0.01}}, {"norm": "batch"}),
        ("fedavg", {"participation": 0.5}, {}),
        ("ldawa", {}, {}),
    ],
)
def test_resumed_is_uninterrupted(
    root: Path, monkeypatch: pytest.MonkeyPatch, strategy: str, changes: dict[str, Any], others: dict[str, Any]
) -> None:
    whole = simulate(config(root, "whole", strategy, changes, **others))
    broken = config(root, "broken", strategy, changes, **others)
    with monkeypatch.context() as patch:
        patch.setattr(rounds.Coordinator, "_take_round", _stop_before(2, rounds.Coordinator._take_round))
        with pytest.raises(KeyboardInterrupt):
            simulate(broken)
    assert_equal(whole, simulate(broken.model_copy(update={"resume": True})))


def test_a_run_whose_newest_checkpoint_is_damaged_ends_with_the_same_weights(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes back one round, for which the sites have kept what they need."""
    whole = simulate(config(root, "whole", "scaffold"))
    broken = config(root, "broken", "scaffold")
    with monkeypatch.context() as patch:
        patch.setattr(rounds.Coordinator, "_take_round", _stop_before(2, rounds.Coordinator._take_round))
        with pytest.raises(KeyboardInterrupt):
            simulate(broken)
    (run_rounds(broken.out / "checkpoints").path(2) / "encoder.safetensors").write_bytes(b"{}")
    forget_workplaces()
    assert_equal(whole, simulate(broken.model_copy(update={"resume": True})))
    assert "round-000002 is damaged" in (broken.out / "log.txt").read_text()


def test_evaluation_has_sums_of_sites_that_were_not_asked_to_train(root: Path) -> None:
    changes = {"participation": 0.5, "evaluate": True, "evaluate_every": 1}
    run = config(root, "run", "fedbn", changes, evaluation={"min_patients": 2, "resamples": 20})
    simulate(run)
    lines = list(read_metrics(run.out / "evaluations.jsonl"))
    assert [line["sites_summed"] for line in lines] == [["b+c"]] * 3
    assert [line["sites_too_small"] for line in lines] == [["a"]] * 3
    assert all(line["missing"] == [] for line in lines)


def test_batch_norm_needs_a_policy(root: Path) -> None:
    with pytest.raises(InputError, match=r"norm=batch has running statistics.*batch_statistics=average"):
        simulate(config(root, "run", "fedavg", norm="batch"))
    assert not (root / "run").exists()


def assert_equal(one: Weights, two: Weights) -> None:
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def _stop_before(number: int, take: Any) -> Any:
    def stopping(self: Any, at: int) -> Any:
        if at == number:
            raise KeyboardInterrupt
        return take(self, at)

    return stopping


def test_a_run_draws_nothing_from_pytorchs_own_generator(root: Path) -> None:
    """All sites' threads share it: a draw in one would change weights that another one has just seeded it for."""
    before = torch.random.get_rng_state()
    simulate(config(root, "run", "fedavg", {"evaluate": True}, evaluation={"min_patients": 2, "resamples": 20}))
    assert torch.equal(torch.random.get_rng_state(), before)
