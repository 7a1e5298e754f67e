from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cape_fed.errors import InputError
from cape_fed.evaluate import run
from cape_fed.evaluate.files.predictions import PREDICTIONS_FILE, read_predictions
from cape_fed.evaluate.inputs import EvaluationInputs
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Representation
from cape_fed.evaluate.results import RESULTS_FILE, Results, read_results
from cape_fed.evaluate.run import evaluate_bundle
from cape_fed.store import Store
from cape_fed.store.split import Split
from tests.evaluate.conftest import Evaluated
from tests.evaluate.fake import embedding, make_store

QUICK = EvaluateOptions(resamples=20, min_patients=8, map_records=0, examples=0)


def evaluate(train: list[Store], others: list[Store], out: Path, **changes: Any) -> Results:
    arguments: dict[str, Any] = {
        "method": "fake",
        "embed": embedding(knows=1.0),
        "baselines": {},
        "options": QUICK,
        **changes,
    }
    inputs = EvaluationInputs(bundle=Path("run/bundle"), train=train, evaluate=others, **arguments)
    return evaluate_bundle(inputs, out)


def strict(path: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    found: dict[str, Any] = json.loads(path.read_text(), parse_constant=refuse)
    return found


def test_results_have_the_documented_shape(evaluated: Evaluated) -> None:
    results = strict(evaluated.folder / "good" / RESULTS_FILE)
    assert results["format"] == 1
    assert results["bundle"] == {"name": "good/bundle", "sha256": None, "privacy": None}
    assert set(results["tasks"]) == {"age", "sex", "AF", "LBBB"}
    assert {name: info["role"] for name, info in results["cohorts"].items()} == {
        "north": "id",
        "south": "id",
        "east": "ood",
    }
    sex = results["tasks"]["sex"]
    for side, cohorts in (("id", {"north", "south"}), ("ood", {"east"})):
        assert sex[side]["metric"] == "auroc"
        assert sex[side]["low"] < sex[side]["point"] < sex[side]["high"]
        assert sex[side]["second"]["metric"] == "auprc"
        assert set(sex[side]["cohorts"]) == cohorts
    assert sex["id"]["cohort"] == "mean of 2"
    assert sex["ood"]["cohort"] == "east"
    assert sex["id"]["point"] == pytest.approx(
        np.mean([both["transfer"]["point"] for both in sex["id"]["cohorts"].values()])
    )
    assert results["tasks"]["age"]["id"]["metric"] == "mae"
    assert results["tasks"]["age"]["id"]["n_pos"] is None
    assert set(results["summary"]) == {"auroc", "auprc", "mae", "r2"}
    assert set(results["baselines"]) == {"random-init", "demographics"}
    assert results["artefact_probe"]["chance"] == 0.5
    assert read_results(evaluated.folder / "good") == evaluated.good


def test_points_are_those_of_sklearn_on_the_predictions(evaluated: Evaluated) -> None:
    blocks = read_predictions(evaluated.folder / "good" / PREDICTIONS_FILE)
    checked = 0
    for block in blocks:
        results = evaluated.good.methods()[block.method].tasks.get(block.task)
        if block.task != "age" and results is not None:
            side = results.ood if block.cohort == "east" else results.id
            cell = getattr(side.cohorts[block.cohort], block.probe)
            if cell.point is not None:
                assert cell.point == pytest.approx(roc_auc_score(block.target, block.score))
                assert (cell.n, cell.n_pos) == (len(block.target), int(block.target.sum()))
                checked += 1
    assert checked >= 12


def test_ood_is_all_patients_and_id_is_test_patients(evaluated: Evaluated) -> None:
    info = evaluated.good.cohorts
    assert info["east"].evaluated["transfer"] == len(evaluated.others[0]) == info["east"].records
    assert info["north"].evaluated["transfer"] == info["north"].evaluated["within"] < 0.3 * info["north"].records


def test_cells_without_enough_patients_hold_no_number_at_all(evaluated: Evaluated) -> None:
    within = evaluated.good.tasks["sex"].ood.cohorts["east"].within
    assert within.reason == "few"
    assert within.model_dump(exclude={"metric", "cohort", "probe", "reason"}) == {
        "point": None,
        "low": None,
        "high": None,
        "n": None,
        "n_pos": None,
        "patients": None,
        "second": None,
    }
    unannotated = evaluated.good.tasks["LBBB"].ood.cohorts["east"]
    assert unannotated.transfer.reason == "unannotated"
    assert evaluated.good.tasks["LBBB"].ood.point is None


def test_better_embeddings_score_better_and_the_artefact_is_seen(evaluated: Evaluated) -> None:
    good, untrained = evaluated.good.summary["auroc"], evaluated.good.baselines["random-init"].summary["auroc"]
    assert good.ood.point > untrained.ood.point + 0.1
    assert good.tasks == ["sex", "AF"]
    assert evaluated.good.artefact_probe.point > evaluated.good.artefact_probe.demographics.point
    (gap,) = [
        d
        for d in evaluated.good.differences
        if (d.task, d.scope, d.metric, d.reference) == ("mean", "ood", "auroc", "random-init")
    ]
    assert gap.point == pytest.approx(good.ood.point - untrained.ood.point)
    assert gap.low > 0
    assert gap.p < 0.05


def test_the_same_call_gives_the_same_bytes(tmp_path) -> None:
    stores = [make_store(tmp_path / name, name, seed=seed) for seed, name in enumerate("ab")]
    options = QUICK.model_copy(update={"map_records": 120})
    for out in ("one", "two"):
        evaluate(stores[:1], stores[1:], tmp_path / out, options=options)
    for name in (RESULTS_FILE, "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_given_splits_are_used(tmp_path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0)
    patients = store.patients
    split = Split(*(np.flatnonzero((patients >= a) & (patients < b)) for a, b in ((0, 80), (80, 90), (90, 160))))
    results = evaluate([store], [], tmp_path / "out", splits={"a": split})
    assert results.cohorts["a"].evaluated["transfer"] == len(split.test)


def test_without_ood_cohorts_there_is_no_ood_number(tmp_path) -> None:
    results = evaluate([make_store(tmp_path / "a", "a", seed=0)], [], tmp_path / "out")
    assert results.tasks["sex"].ood is None
    assert results.summary["auroc"].ood is None
    assert results.summary["auroc"].id.point is not None
    assert (
        results.artefact_probe.reason
        == "fewer than two cohorts with enough test patients: there is nothing to tell apart"
    )


def test_nothing_to_show_is_said_and_not_an_error(tmp_path) -> None:
    nothing = [None] * 15
    store = make_store(tmp_path / "a", "a", seed=0, patients=10, age=nothing, sex=nothing, AF=nothing, LBBB=nothing)
    results = evaluate([store], [], tmp_path / "out")
    assert results.tasks == {}
    assert "there is no number to show" in (tmp_path / "out" / "report.html").read_text()


def test_small_cohorts_are_pooled_where_none_has_enough(tmp_path) -> None:
    stores = [make_store(tmp_path / name, name, seed=seed, patients=60) for seed, name in enumerate("abcd")]
    results = evaluate(stores, [], tmp_path / "out", options=QUICK.model_copy(update={"min_patients": 15}))
    sex = results.tasks["sex"].id
    assert sex.cohort == results.summary["auroc"].id.cohort == "ID pooled"
    assert sex.low <= sex.point <= sex.high
    assert sex.worst is None
    assert all(both.transfer.reason == "few" for both in sex.cohorts.values())
    assert "pooled" in (tmp_path / "out" / "report.html").read_text()


def test_one_class_only_is_too_few(tmp_path) -> None:
    stores = [make_store(tmp_path / name, name, seed=0, AF=[True] * 240) for name in "ab"]
    results = evaluate(stores[:1], stores[1:], tmp_path / "out")
    assert "AF" not in results.tasks


def test_constant_embeddings_guess(tmp_path) -> None:
    stores = [make_store(tmp_path / name, name, seed=seed) for seed, name in enumerate("ab")]
    results = evaluate(
        stores[:1],
        stores[1:],
        tmp_path / "out",
        embed=lambda store: np.ones((len(store), 8), np.float32),
        options=QUICK.model_copy(update={"map_records": 120}),
    )
    sex = results.tasks["sex"].ood
    assert (sex.point, sex.low, sex.high) == (0.5, 0.5, 0.5)
    assert results.artefact_probe.point == 0.5


def test_usage_errors_leave_no_results(tmp_path) -> None:
    store = make_store(tmp_path / "a", "a", seed=0, patients=30)
    with pytest.raises(InputError, match="cannot be called 'demographics'"):
        evaluate([store], [], tmp_path / "out", method="demographics")
    with pytest.raises(InputError, match="NaN or infinity"):
        evaluate([store], [], tmp_path / "out", embed=lambda s: np.full((len(s), 2), np.nan, np.float32))
    with pytest.raises(InputError, match="no training cohort"):
        evaluate([], [store], tmp_path / "out")
    assert not (tmp_path / "out" / RESULTS_FILE).exists()


def test_what_is_there_is_of_one_evaluation(tmp_path, monkeypatch) -> None:
    store, out = make_store(tmp_path / "a", "a", seed=0, patients=30), tmp_path / "out"
    evaluate([store], [], out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    nothing = Representation("broken", lambda store: np.full((len(store), 2), np.nan, np.float32))
    with pytest.raises(InputError, match="NaN or infinity"):
        evaluate([store], [], out, embed=embedding(knows=0.5), baselines={"broken": nothing.embed})
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before

    def cut_off(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(run, "report_evaluation", cut_off)
    with pytest.raises(OSError, match="no space"):
        evaluate([store], [], out, embed=embedding(knows=0.5))
    assert not (out / RESULTS_FILE).exists()


@pytest.mark.parametrize("content", ["", "{}", '{"format": 2}', "[1, 2", "\udcff"])
def test_other_results_are_refused(tmp_path, content: str) -> None:
    (tmp_path / RESULTS_FILE).write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(InputError, match="evaluate again"):
        read_results(tmp_path)
    with pytest.raises(InputError, match="run cape-fed evaluate"):
        read_results(tmp_path / "nowhere")
