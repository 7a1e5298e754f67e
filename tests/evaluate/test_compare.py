from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cape_fed.errors import InputError
from cape_fed.evaluate.compare import compare_runs
from cape_fed.evaluate.files.predictions import PREDICTIONS_FILE, read_predictions
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.results import RESULTS_FILE, Comparison
from cape_fed.store import Store
from tests.evaluate.conftest import Evaluated
from tests.evaluate.fake import embedding
from tests.evaluate.test_run import evaluate


def test_methods_come_first_and_baselines_once(evaluated: Evaluated) -> None:
    comparison = evaluated.comparison
    assert list(comparison.methods) == ["good", "poor", "random-init", "demographics"]
    assert comparison.reference == "good"
    assert comparison.methods["good"].summary == evaluated.good.summary
    pairs = list(dict.fromkeys((d.method, d.reference) for d in comparison.differences))
    assert pairs == [
        ("poor", "good"),
        ("good", "random-init"),
        ("good", "demographics"),
        ("poor", "random-init"),
        ("poor", "demographics"),
    ]
    written = (evaluated.folder / "compared" / RESULTS_FILE).read_text()
    assert Comparison.model_validate_json(written) == comparison


def test_differences_agree_with_the_predictions(evaluated: Evaluated) -> None:
    points = {}
    for name in ("good", "poor"):
        for block in read_predictions(evaluated.folder / name / PREDICTIONS_FILE):
            if (block.method, block.task, block.cohort, block.probe) == (name, "sex", "east", "transfer"):
                points[name] = roc_auc_score(block.target, block.score)
    (entry,) = [
        d
        for d in evaluated.comparison.differences
        if (d.method, d.reference, d.task, d.scope) == ("poor", "good", "sex", "ood")
    ]
    assert entry.point == pytest.approx(points["poor"] - points["good"])
    assert entry.low <= entry.point <= entry.high


def test_differences_are_those_of_the_evaluation_itself(evaluated: Evaluated) -> None:
    compared = [d for d in evaluated.comparison.differences if (d.method, d.reference) == ("good", "random-init")]
    assert compared == [d for d in evaluated.good.differences if d.reference == "random-init"]


def test_a_method_does_not_differ_from_itself(evaluated: Evaluated, tmp_path) -> None:
    shutil.copytree(evaluated.folder / "good", tmp_path / "again")
    comparison = compare_runs([evaluated.folder / "good", tmp_path / "again"], tmp_path / "out")
    assert comparison.reference == "good (good)"
    own = [d for d in comparison.differences if d.method == "good (again)" and d.reference == "good (good)"]
    assert own
    assert all((d.point, d.low, d.high, d.p) == (0, 0, 0, 1) for d in own)


def test_options_change_the_intervals_of_differences_only(evaluated: Evaluated, tmp_path) -> None:
    runs = [evaluated.folder / name for name in ("good", "poor")]
    wider = compare_runs(runs, tmp_path, options=EvaluateOptions(resamples=50, level=0.5, seed=4, min_patients=8))
    assert wider.methods == evaluated.comparison.methods
    for one, other in zip(wider.differences, evaluated.comparison.differences, strict=True):
        assert one.point == other.point
    assert np.mean([d.high - d.low for d in wider.differences]) < np.mean(
        [d.high - d.low for d in evaluated.comparison.differences]
    )


def test_runs_on_other_records_are_refused(evaluated: Evaluated, tmp_path) -> None:
    evaluate(evaluated.train[:1], evaluated.others, tmp_path / "fewer")
    with pytest.raises(InputError, match=r"not evaluated on the same records \(south differ"):
        compare_runs([evaluated.folder / "good", tmp_path / "fewer"], tmp_path / "out")
    shutil.copytree(evaluated.folder / "good", tmp_path / "other")
    results = json.loads((tmp_path / "other" / RESULTS_FILE).read_text())
    results["options"]["min_patients"] = 3
    (tmp_path / "other" / RESULTS_FILE).write_text(json.dumps(results))
    with pytest.raises(InputError, match="another min_patients"):
        compare_runs([evaluated.folder / "good", tmp_path / "other"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_usage_errors(evaluated: Evaluated, tmp_path) -> None:
    good = evaluated.folder / "good"
    with pytest.raises(InputError, match="at least two"):
        compare_runs([good, good], tmp_path / "out")
    with pytest.raises(InputError, match="run cape-fed evaluate"):
        compare_runs([good, tmp_path], tmp_path / "out")
    shutil.copytree(good, tmp_path / "bare")
    (tmp_path / "bare" / PREDICTIONS_FILE).unlink()
    with pytest.raises(InputError, match="is missing"):
        compare_runs([good, tmp_path / "bare"], tmp_path / "out")
    shutil.copytree(good, tmp_path / "deep" / "good")
    with pytest.raises(InputError, match="rename one"):
        compare_runs([good, tmp_path / "deep" / "good"], tmp_path / "out")


def test_no_evaluation_is_replaced_by_its_comparison(evaluated: Evaluated, tmp_path) -> None:
    runs = [tmp_path / name for name in ("good", "poor")]
    for run in runs:
        shutil.copytree(evaluated.folder / run.name, run)
    (tmp_path / "link").symlink_to(runs[1])
    for out in (runs[0], tmp_path / "link"):
        with pytest.raises(InputError, match="holds one of the evaluations"):
            compare_runs(runs, out)
    assert compare_runs(runs, tmp_path / "out").differences


def test_embeddings_that_are_the_same_for_every_record_have_no_similarity(evaluated: Evaluated, tmp_path) -> None:
    def collapsed(store: Store) -> NDArray[np.float32]:
        return np.full((len(store), 4), 0.1, np.float32)

    for name, embed in (("one", embedding(knows=1.0)), ("collapsed", collapsed)):
        evaluate(evaluated.train, evaluated.others, tmp_path / name, method=name, embed=embed)
    comparison = compare_runs([tmp_path / "one", tmp_path / "collapsed"], tmp_path / "out")
    assert comparison.similarity == {"collapsed": {"id": None, "ood": None}}
    written = (tmp_path / "out" / RESULTS_FILE).read_text()
    assert Comparison.model_validate_json(written) == comparison
