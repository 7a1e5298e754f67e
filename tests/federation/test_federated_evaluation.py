"""An evaluation at the sites of a simulated federation gives the numbers of the central one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cape_fed.config import RunConfig
from cape_fed.errors import InputError
from cape_fed.evaluate.figures import figures_of
from cape_fed.evaluate.targets import registry
from cape_fed.evaluate.targets.target import BINARY, Target
from cape_fed.jobs import evaluate
from cape_fed.release.bundle import load_encoder
from cape_fed.release.figures import AtSites, Figures
from cape_fed.rundir import read_metrics
from cape_fed.simulation import simulate_federation
from tests.conftest import TinyStore
from tests.pretrain.patients import patient_signals

PATIENTS = {"a": 200, "b": 90, "c": 120, "d": 50}


@pytest.fixture
def config(tiny_store: TinyStore, tmp_path: Path, one_thread: None) -> RunConfig:
    """Sites a and b+c train, d evaluates; AF and sex are learnt from the signals, so that cells differ from chance."""
    for index, (name, count) in enumerate(PATIENTS.items()):
        signals, owner = patient_signals(patients=count, seed=index)
        rng = np.random.default_rng(index)
        label = rng.random(count) < 0.4
        tiny_store(
            name,
            signals=signals,
            patient=[f"{name}{patient}" for patient in owner],
            age=(40 + 30 * rng.random(count))[owner].astype(np.float32),
            sex=np.array(["F", "M"], object)[rng.integers(0, 2, count)][owner],
            AF=label[owner],
            LVH=[None] * len(owner) if name == "b" else list((rng.random(count) < 0.5)[owner]),
        )
    return RunConfig.model_validate(
        {
            "model": "tiny",
            "train": {"pairs": 8},
            "split": {"valid": 0.2},
            "federation": {"rounds": 3, "local_steps": 1, "evaluate_every": 1},
            "evaluation": {"resamples": 50, "min_patients": 1},  # nothing is suppressed
            "data": {
                "train": [tmp_path / "a", [tmp_path / "b", tmp_path / "c"]],
                "evaluate": [tmp_path / "d"],
            },
            "out": tmp_path / "run",
        }
    )


def in_dimensions(config: RunConfig, dimensions: int) -> RunConfig:
    return config.model_copy(update={"evaluation": config.evaluation.model_copy(update={"dimensions": dimensions})})


def simulate(config: RunConfig) -> list[dict[str, Any]]:
    simulate_federation(config, lambda done, total, line: None)
    return list(read_metrics(config.out / "evaluations.jsonl"))


FEDERATED = {"a": "a/a", "b": "b+c/b", "c": "b+c/c", "d": "d/d"}
"""A simulated site is named after its cohorts."""


def numbers(cell: Any) -> dict[str, Any]:
    """What a cell says, its second metric beside it."""
    flat = {
        name: cell[name] for name in ("point", "low", "high", "n", "n_pos", "patients", "metric", "cohort", "probe")
    }
    return flat | {f"second {name}": (cell["second"] or {}).get(name) for name in ("point", "low", "high", "metric")}


def check_card(config: RunConfig, central: Figures) -> None:
    """The bundle's card shows the means of the central evaluation, without what sites do not send."""
    found = load_encoder(config.out / "bundle").provenance.evaluation
    assert found is not None
    assert found.at_sites == AtSites(rounds=3, dimensions=4)
    assert (found.id_cohorts, found.ood_cohorts, found.gaps, found.probe) == (3, 1, {}, None)
    compared = 0
    for mine, other in ((found.summary, central.summary), (found.tasks, central.tasks)):
        assert mine.keys() == other.keys()
        for name, summary in mine.items():
            for scope in ("id", "ood", "worst"):
                got, expected = getattr(summary, scope), getattr(other[name], scope)
                assert (got is None) == (expected is None), (name, scope)
                if got is None:
                    continue
                assert got.point == pytest.approx(expected.point, abs=1e-6), (name, scope)
                assert got.low <= got.point <= got.high
                compared += 1
    assert compared > 12
    best = load_encoder(config.out / "bundle-best").provenance
    assert best.selected is not None
    assert best.evaluation is not None
    assert best.evaluation.at_sites == AtSites(rounds=best.selected.rounds, dimensions=4)
    assert best.composition.keys() == {"a/a", "b+c/b", "b+c/c"}
    assert "over 4 dimensions and applied" in (config.out / "bundle" / "README.md").read_text()


def test_the_sites_numbers_are_the_central_ones(config: RunConfig) -> None:
    lines = simulate(config)
    assert [line["round"] for line in lines] == [1, 2, 3]
    assert lines[-1]["dimensions"] == 4  # 0.6 · 0.95 of 200 patients are expected to train, of whom 90 are needed
    central = evaluate(config.out / "bundle", in_dimensions(config, lines[-1]["dimensions"]))
    check_card(config, figures_of(central))
    federated = lines[-1]["tasks"]
    compared = 0
    for task, roles in central.tasks.items():
        for role in ("id", "ood"):
            cells = getattr(roles, role).cohorts
            for cohort, both in cells.items():
                for probe in ("transfer", "within"):
                    one = json.loads(getattr(both, probe).model_dump_json())
                    if one["point"] is None:
                        continue
                    two = federated[task][role][FEDERATED[cohort]][probe]
                    for name, value in numbers(one).items():
                        assert numbers(two)[name] == pytest.approx(value, abs=1e-6), (task, cohort, probe, name)
                    compared += 1
    assert compared > 20
    assert lines[-1]["missing"] == []
    assert lines[-1]["sites_summed"] == ["a", "b+c"]
    assert lines[-1]["sites_too_small"] == []
    summed = lines[-1]["summed"]
    assert summed["age"] == {"dimensions": 4, "validation_dimensions": 2, "left_out": []}
    assert summed["AF"]["dimensions"] < 4
    whole = evaluate(config.out / "bundle", config.model_copy(update={"out": config.out / "whole"}))
    one, other = (results.tasks["age"].id for results in (central, whole))
    assert one is not None
    assert other is not None
    assert one.point != pytest.approx(other.point, abs=1e-6)  # the dimensions that are left out make a difference


@pytest.mark.slow
def test_the_best_round_by_validation_is_kept_with_its_rule(config: RunConfig) -> None:
    lines = simulate(config)
    best = max(lines, key=lambda line: line["score"])
    provenance = load_encoder(config.out / "bundle-best").provenance
    assert provenance.selected is not None
    assert provenance.selected.rounds == best["round"]
    assert provenance.selected.score == best["score"]
    assert "validation patients" in provenance.selected.rule
    projected = in_dimensions(config, best["dimensions"])
    again = evaluate(config.out / "bundle-best", projected.model_copy(update={"out": config.out / "best"}))
    cell = again.tasks["AF"].ood
    assert cell is not None
    assert best["tasks"]["AF"]["ood"]["d/d"]["transfer"]["point"] == pytest.approx(cell.point, abs=1e-6)


@pytest.mark.slow
def test_a_run_resumed_before_the_last_evaluation_keeps_the_same_best_round(config: RunConfig) -> None:
    whole = simulate(config)

    def stop(done: int, total: int, line: dict[str, Any]) -> None:
        if done == 2:
            raise KeyboardInterrupt

    cut = config.model_copy(update={"out": config.out.parent / "cut"})
    with pytest.raises(KeyboardInterrupt):
        simulate_federation(cut, stop)
    resumed = simulate(cut.model_copy(update={"resume": True}))
    assert [line["score"] for line in resumed] == [line["score"] for line in whole]
    one, two = (load_file(run.out / "bundle-best" / "model.safetensors") for run in (config, cut))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_site_suppresses_cells_below_its_own_minimum(config: RunConfig) -> None:
    few = config.evaluation.model_copy(update={"min_patients": 1000})
    lines = simulate(config.model_copy(update={"evaluation": few}))
    assert lines[-1]["tasks"] == {}
    assert lines[-1]["validation"] == {}
    assert not (config.out / "bundle-best").exists()


@pytest.mark.parametrize("dimensions", [None, 4])
def test_a_site_that_is_too_small_stays_out_and_is_named(
    config: RunConfig, tiny_store: TinyStore, tmp_path: Path, dimensions: int | None
) -> None:
    tiny_store("e", patients=20)
    federation = config.federation.model_copy(update={"rounds": 1})
    data = config.data.model_copy(update={"train": ((tmp_path / "a",), (tmp_path / "e",))})
    changed = config.model_copy(update={"federation": federation, "data": data})
    lines = simulate(in_dimensions(changed, dimensions) if dimensions else changed)
    assert lines[-1]["dimensions"] == 4
    assert lines[-1]["sites_summed"] == ["a"]
    assert lines[-1]["sites_too_small"] == ["e"]
    assert "site e has too few patients for sums over 4 dimensions" in (config.out / "log.txt").read_text()
    assert lines[-1]["tasks"]["age"]["id"]["e/e"]["transfer"]["point"] is not None


def test_more_dimensions_than_an_embedding_has_are_refused_before_any_round(config: RunConfig) -> None:
    with pytest.raises(InputError, match=r"evaluation.dimensions=161: an embedding has 160"):
        simulate(in_dimensions(config, 161))


def test_a_registered_target_has_a_say_in_the_best_round(config: RunConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_TARGETS", dict(registry._TARGETS))
    registry.register_target(Target("older", BINARY, lambda store: (store.label("age") > 55).astype(float)))
    federation = config.federation.model_copy(update={"rounds": 1})
    assert "older" in simulate(config.model_copy(update={"federation": federation}))[-1]["validation"]
