"""Whole private runs: what they keep, say and refuse; and training that begins with an encoder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.jobs import pretrain_centrally
from cape_fed.privacy.rounding import is_rough
from cape_fed.release.bundle import amend_bundle, load_encoder
from cape_fed.release.protection import NOTHING
from cape_fed.rundir import read_metrics
from cape_fed.simulation import simulate_federation
from cape_fed.store.counts import count_store
from cape_fed.store.store import open_store
from tests.conftest import TinyStore
from tests.federation.helpers import config_for, make_cohorts

PRIVACY = {"mode": "patient", "epsilon": 4.0, "sample_rate": 1.0}
FEDERATION = {"rounds": 2, "local_steps": 2, "evaluate": False, "measure_every": 0}
TOLD = {"patients", "noise_multiplier", "sample_rate", "steps", "epsilon"}


@pytest.fixture
def root(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> Path:
    make_cohorts(tiny_store, list("abcd"), [16, 24, 32, 12])
    return tmp_path


def private(root: Path, out: str, **changes: Any) -> RunConfig:
    return config_for(root, out, **{"privacy": PRIVACY, "federation": FEDERATION, **changes})


def simulate(config: RunConfig) -> dict[str, torch.Tensor]:
    simulate_federation(config, lambda done, total, line: None)
    return load_file(config.out / "bundle" / "model.safetensors")


def test_a_simulation_keeps_the_last_round_and_says_what_it_cost(root: Path) -> None:
    one, two = simulate(private(root, "one")), simulate(private(root, "two"))
    assert not any(torch.equal(value, two[name]) for name, value in one.items())  # the seed has no say in the noise
    lines = list(read_metrics(root / "one" / "metrics.jsonl"))
    assert [line["round"] for line in lines] == [0, 1]
    assert "loss" not in json.dumps(lines)
    assert not (root / "one" / "bundle-best").exists()
    assert not (root / "one" / "evaluations.jsonl").exists()
    for site, patients in (("a", 10), ("b+c", 30)):
        told = lines[-1]["sites"][site]
        assert told.keys() - {"answered", "update"} == TOLD
        assert told["patients"] == patients
    protection = load_encoder(root / "one" / "bundle").provenance.privacy
    assert protection is not None
    assert protection.sites["a"].steps == 4
    assert 3.9 < protection.epsilon <= 4.0
    assert protection.sites["a"].epsilon_prv < protection.sites["a"].epsilon
    card = (root / "one" / "bundle" / "README.md").read_text()
    assert f"ε = {protection.epsilon:.2f} at δ = 1.0e-05 for every training patient" in card
    assert "This hides neither how many patients a site has" in card


def test_a_run_that_is_taken_up_again_counts_what_it_did_before(root: Path) -> None:
    def stop(done: int, total: int, line: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    config = private(root, "cut")
    with pytest.raises(KeyboardInterrupt):
        simulate_federation(config, stop)  # type: ignore[arg-type]
    simulate(config.model_copy(update={"resume": True}))
    assert [line["round"] for line in read_metrics(config.out / "metrics.jsonl")] == [0, 1]
    protection = load_encoder(config.out / "bundle").provenance.privacy
    assert protection is not None
    assert protection.sites["b+c"].steps >= 4


@pytest.mark.alone
@pytest.mark.slow
def test_the_other_engine_does_it_too(root: Path) -> None:
    simulate(private(root, "flower", engine="flower"))
    assert load_encoder(root / "flower" / "bundle").provenance.privacy is not None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"federation": {**FEDERATION, "evaluate": True}}, "set federation.evaluate=false; the last round is kept"),
        ({"federation": {**FEDERATION, "measure_every": 5}}, "set federation.measure_every=0"),
        ({"federation": {**FEDERATION, "strategy": "scaffold"}}, "made from gradients without noise"),
        ({"federation": {**FEDERATION, "strategy": "fedbn"}}, "statistics of patients at the sites"),
        ({"norm": "batch", "federation": {**FEDERATION, "batch_statistics": "average"}}, "take norm=group"),
        ({"batching": "random"}, "take batching=idb"),
    ],
)
def test_what_would_void_it_is_refused_before_anything_starts(root: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        simulate(private(root, "run", **changes))
    assert not (root / "run").exists()


def test_a_run_without_privacy_says_so(root: Path) -> None:
    config = config_for(root, "plain", federation={**FEDERATION, "rounds": 1})
    simulate(config)
    assert f"| privacy | {NOTHING} |" in (config.out / "bundle" / "README.md").read_text()


def test_central_training(root: Path) -> None:
    data = {"train": [root / "a", root / "b"]}
    config = private(root, "central", data=data, train={"steps": 3, "monitor_every": 2})
    pretrain_centrally(config, lambda done, total, line: None)
    lines = list(read_metrics(config.out / "metrics.jsonl"))
    assert [line.keys() for line in lines] == 2 * [{"step", "learning_rate", "time"}]
    protection = load_encoder(config.out / "bundle").provenance.privacy
    assert protection is not None
    assert (protection.sites["central"].patients, protection.sites["central"].steps) == (20, 3)
    assert 3.9 < protection.epsilon <= 4.0


def test_a_central_bundle_tells_no_more_of_its_patients_than_a_federated_one(root: Path) -> None:
    config = private(root, "central", data={"train": [root / "c"]}, train={"steps": 1})
    pretrain_centrally(config, lambda done, total, line: None)
    provenance = load_encoder(config.out / "bundle").provenance
    assert provenance.composition == {}
    assert all(is_rough(counts) for counts in provenance.cohorts.values())
    assert count_store(open_store(root / "c")).fingerprint not in (config.out / "bundle" / "config.json").read_text()


def test_training_can_begin_with_an_encoder_unless_it_has_seen_the_patients(root: Path) -> None:
    short = {"steps": 1, "pairs": 8}
    plain = config_for(root, "plain", data={"train": [root / "c"]}, train=short)
    pretrain_centrally(plain, lambda done, total, line: None)
    begun = private(
        root, "begun", data={"train": [root / "a"]}, start=plain.out / "bundle", train={"learning_rate": 1e-9}
    )
    weights, before = simulate(begun), load_file(plain.out / "bundle" / "model.safetensors")
    assert all(torch.allclose(value, before[name], atol=1e-6) for name, value in weights.items())
    provenance = load_encoder(begun.out / "bundle").provenance
    assert provenance.started_from is not None
    assert set(provenance.unprotected) == {"c"}
    for number, way in enumerate((simulate, lambda config: pretrain_centrally(config, lambda *line: None))):
        seen = private(root, f"seen{number}", data={"train": [root / "c"]}, start=begun.out / "bundle", train=short)
        with pytest.raises(InputError, match=r"was trained on (c/)?c without differential privacy"):
            way(seen)
    renamed = root / "renamed"
    shutil.copytree(plain.out / "bundle", renamed)
    amend_bundle(renamed, lambda known: known.model_copy(update={"cohorts": {"SITE-1/x": known.cohorts["c"]}}))
    for number, way in enumerate((simulate, lambda config: pretrain_centrally(config, lambda *line: None))):
        seen = private(root, f"renamed{number}", data={"train": [root / "c"]}, start=renamed, train=short)
        with pytest.raises(InputError, match="was trained on c without differential privacy"):
            way(seen)
        assert not seen.out.exists()
    with pytest.raises(InputError, match="cannot be evaluated there as OOD"):
        simulate(
            config_for(root, "ood", data={"train": [root / "a"], "evaluate": [root / "c"]}, start=begun.out / "bundle")
        )
    with pytest.raises(InputError, match="holds another encoder"):
        pretrain_centrally(
            config_for(root, "large", model="base", start=plain.out / "bundle", train=short), lambda *line: None
        )
