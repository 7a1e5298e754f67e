from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from cape_fed.cli.main import run
from cape_fed.errors import InputError
from cape_fed.evaluate.files.predictions import read_predictions
from cape_fed.evaluate.targets import registry
from cape_fed.evaluate.targets.registry import register_target
from cape_fed.evaluate.targets.target import REGRESSION, Target
from cape_fed.finetune import run as finetuning
from cape_fed.finetune.results import FinetuneResults
from cape_fed.pretrain.encoders import build_encoder
from cape_fed.release.bundle import load_encoder, write_bundle
from cape_fed.release.embed import embed_store
from cape_fed.release.provenance import Provenance
from cape_fed.store.split import split_patients
from cape_fed.store.store import Store
from tests.finetune.conftest import QUICK, SMALL, Configure, MakeLabelled
from tests.finetune.runs import outputs_of, same, tune

pytestmark = pytest.mark.usefixtures("one_thread")


def test_writes_numbers_predictions_and_report(bundle: Path, make_labelled: MakeLabelled, configure: Configure) -> None:
    store, other = make_labelled("a", 1), make_labelled("o", 2)
    modes = "finetune.modes=[linear,full,decayed]"
    config = configure(f"data.evaluate=[{other.path}]", modes, "finetune.repeats=2")
    results = tune(bundle, config)
    assert results.tasks == ["sex", "AF", "LVH"]
    assert {cohort: (c.role, c.train, c.valid, c.test) for cohort, c in results.cohorts.items()} == {
        "a": ("id", 42, 6, 12),
        "o": ("ood", 0, 0, 60),
    }
    assert len(results.cells) == 4 * 2 * 2
    for mode in ("scratch", "linear", "full", "decayed"):
        for scope in ("id", "ood"):
            score = results.score(mode, 1.0, scope, "AF")
            assert score is not None
            assert score.point == pytest.approx(np.mean([float(value or 0) for value in score.repeats]))
    gain = results.gain("full", 0.5, "ood", "AF")
    parts = [results.score(mode, 0.5, "ood", "AF") for mode in ("full", "scratch")]
    assert gain is not None
    assert gain.point == pytest.approx(parts[0].point - parts[1].point)  # type: ignore[union-attr,operator]
    assert results.gain("scratch", 0.5, "ood", "AF") is None
    written = FinetuneResults.model_validate_json((config.out / "results.json").read_text())
    assert written == results
    blocks = read_predictions(config.out / "predictions.parquet")
    tested = split_patients(store, 0).test
    for block in blocks:
        assert np.isin(block.rows, tested if block.cohort == "a" else np.arange(len(other))).all()
    report = (config.out / "report.html").read_text()
    assert "from scratch" in report
    assert "http" not in report.replace("http://www.w3.org", "")


def test_the_command_prints_a_table_or_json(
    bundle: Path, make_labelled: MakeLabelled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = make_labelled("a", 1)
    arguments = ["finetune", str(bundle), *QUICK, f"data.train=[{store.path}]"]
    assert run([*arguments, f"out={tmp_path}/table"]) == 0
    table = capsys.readouterr().out
    assert "a: 42 train, 6 validation, 12 test (by patient, from the seed)" in table
    assert "50 %, 21 patients" in table
    assert table.rstrip().endswith(f"report: {tmp_path}/table/report.html")
    assert run([*arguments, f"out={tmp_path}/json", "--json"]) == 0
    printed = FinetuneResults.model_validate_json(capsys.readouterr().out)
    assert printed == FinetuneResults.model_validate_json((tmp_path / "json" / "results.json").read_text())


def test_one_repeat_has_patients_intervals(bundle: Path, make_labelled: MakeLabelled, configure: Configure) -> None:
    make_labelled("a", 1)
    results = tune(bundle, configure("finetune.steps=30", "finetune.fractions=[1.0]"))
    score = results.score("full", 1.0, "id", "AF")
    assert score is not None
    assert score.low is not None
    assert score.low <= score.point <= score.high  # type: ignore[operator]
    assert score.repeats == [score.point]


def test_test_labels_choose_nothing(bundle: Path, make_labelled: MakeLabelled, configure: Configure) -> None:
    """With the test patients' labels turned round, every classifier is the same and says the same of them."""
    store = make_labelled("a", 1)
    test = split_patients(store, 0).test
    before = tune(bundle, configure(out="as-it-is"))
    af = store.label("AF") == 1
    af[test] = ~af[test]
    store.path.rename(store.path.with_name("old"))
    make_labelled("a", 1, AF=af)
    after = tune(bundle, configure(out="turned"))
    assert same(configure(out="as-it-is").out, configure(out="turned").out)
    chosen = [[(c.step, c.learning_rate, c.validation_score) for c in results.cells] for results in (before, after)]
    assert chosen[0] == chosen[1]
    one, other = (results.score("full", 1.0, "id", "AF") for results in (before, after))
    assert one is not None
    assert other is not None
    assert one.point == pytest.approx(1 - other.point)  # type: ignore[operator]


def test_resumed_is_uninterrupted(
    bundle: Path, make_labelled: MakeLabelled, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_labelled("a", 1)
    whole = tune(bundle, configure(out="whole"))
    run_fit, done = finetuning.run_fit, []

    def breaks_at_the_third(*arguments: object) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments)
        run_fit(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(finetuning, "run_fit", breaks_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        tune(bundle, configure(out="broken"))
    monkeypatch.setattr(finetuning, "run_fit", run_fit)
    broken = configure(out="broken").out
    before = {path: path.stat().st_mtime_ns for path in broken.glob("cells/*/*")}
    assert len(before) == 4
    with pytest.raises(InputError, match="holds a run already"):
        tune(bundle, configure(out="broken"))
    resumed = tune(bundle, configure("resume=true", out="broken"))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert same(whole_out := configure(out="whole").out, broken)
    assert [s.model_dump() for s in resumed.scores] == [s.model_dump() for s in whole.scores]
    assert json.loads((whole_out / "results.json").read_text())["gains"] == resumed.model_dump(mode="json")["gains"]


def test_another_bundle_is_not_resumed_with(bundle: Path, make_labelled: MakeLabelled, configure: Configure) -> None:
    store = make_labelled("a", 1)
    tune(bundle, configure())
    other = bundle.parent / "other"
    write_bundle(other, build_encoder(SMALL, 1), store.profile, Provenance())
    with pytest.raises(InputError, match="bundle differ"):
        tune(other, configure("resume=true"))


def test_nor_with_another_store_or_a_damaged_cell(
    bundle: Path, make_labelled: MakeLabelled, configure: Configure
) -> None:
    store = make_labelled("a", 1)
    tune(bundle, configure())
    facts = configure().out / "cells" / "full-1-0" / "facts.json"
    facts.write_text(facts.read_text()[:40])
    with pytest.raises(InputError, match=r"full-1-0 cannot be read: delete it and go on with resume=true"):
        tune(bundle, configure("resume=true"))
    store.path.rename(store.path.with_name("old"))
    make_labelled("a", 2)
    with pytest.raises(InputError, match="stores differ"):
        tune(bundle, configure("resume=true"))


def test_age_is_learnt_in_years(bundle: Path, make_labelled: MakeLabelled, configure: Configure) -> None:
    """The sick are old; of some patients the age is not known."""
    sick = make_labelled("b", 1).label("AF") == 1
    store = make_labelled("a", 1, age=[None if i % 7 == 0 else 70 + i % 3 if old else 40 for i, old in enumerate(sick)])
    other = make_labelled("o", 2, age=[55.0] * 120)
    settings = ("finetune.steps=60", "finetune.batch=32", "finetune.check_every=10", "finetune.modes=[linear,full]")
    config = configure("finetune.target=age", *settings, f"data.evaluate=[{other.path}]", "finetune.save=true")
    results = tune(bundle, config)
    assert (results.tasks, results.metrics) == (["age"], ("mae", "r2"))
    score, fit = (results.score("full", 1.0, "id", metric=metric) for metric in results.metrics)
    assert score is not None
    assert fit is not None
    assert 0 < score.point < 10 < np.std(store.label("age")[np.isfinite(store.label("age"))])  # type: ignore[operator]
    assert fit.point > 0.5  # type: ignore[operator]
    gain = results.gain("linear", 1.0, "id", "age")
    assert gain is not None
    assert {score.metric for score in results.scores} == {"mae", "r2"}
    facts = next(cell for cell in results.cells if (cell.mode, cell.fraction) == ("full", 1.0))
    assert facts.positives == {}
    assert facts.validation_score is not None
    assert 0 < facts.validation_score < 15
    with safe_open(config.out / "cells" / "full-1-0" / "head.safetensors", "np") as file:
        weight, bias = file.get_tensor("weight"), file.get_tensor("bias")
    tested = split_patients(store, 0).test
    kept = load_encoder(config.out / "cells" / "full-1-0" / "bundle")
    years = embed_store(kept, store, tested) @ weight.T + bias
    assert np.allclose(years, outputs_of(config.out)["full-1-0/a"], atol=1e-2)
    report = (config.out / "report.html").read_text()
    assert "Mean absolute error, years" in report
    assert "AUROC" not in report


def test_any_registered_regression_target_is_learnt(
    bundle: Path, make_labelled: MakeLabelled, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A heart rate that follows from what can be seen; it is not known of every seventh record."""

    def rate(store: Store) -> np.ndarray:
        rows = np.arange(len(store))
        return np.where(rows % 7 == 0, np.nan, 60 + 40 * store.label("AF") + rows % 3)

    with pytest.raises(InputError, match=r"finetune.target: .*choose one of labels, age"):
        configure("finetune.target=rate")
    monkeypatch.setattr(registry, "_TARGETS", dict(registry._TARGETS))
    register_target(Target("rate", REGRESSION, rate, unit="beats a minute"))
    make_labelled("a", 1)
    settings = ("finetune.steps=60", "finetune.batch=32", "finetune.check_every=10")
    config = configure("finetune.target=rate", "finetune.modes=[linear,full]", *settings)
    results = tune(bundle, config)
    assert (results.tasks, results.metrics) == (["rate"], ("mae", "r2"))
    score, fit = (results.score("full", 1.0, "id", metric=metric) for metric in results.metrics)
    assert score is not None
    assert fit is not None
    assert fit.point > 0.5  # type: ignore[operator]
    assert results.gain("full", 1.0, "id") is not None
    report = (config.out / "report.html").read_text()
    assert "Mean absolute error, beats a minute" in report
    assert "Rate in beats a minute, learnt by squared error" in report


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["finetune.target=age"], "no task has 2 train and 2 test patients of known age in a"),
        (["evaluation.min_patients=40"], "no task has 40 train and 40 test patients"),
        (["finetune.fractions=[0.0001]"], "of whom no task has a yes and a no"),
        (["finetune.split=folds"], "has no folds"),
        (["split.valid=0.0"], "has no valid patients"),
    ],
)
def test_refused_before_anything_is_written(
    bundle: Path, make_labelled: MakeLabelled, configure: Configure, overrides: list[str], says: str
) -> None:
    make_labelled("a", 1, LVH=[None] * 120, age=[None] * 120)
    config = configure(*overrides)
    with pytest.raises(InputError, match=says):
        tune(bundle, config)
    assert not config.out.exists()


def test_stores_of_another_profile_are_refused(bundle: Path, make_labelled: MakeLabelled, configure: Configure) -> None:
    make_labelled("a", 1, profile="canonical500", signals=np.zeros((120, 12, 5000), np.int16))
    with pytest.raises(InputError, match="ingest the archive with --profile compact100"):
        tune(bundle, configure())
