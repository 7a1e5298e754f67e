"""The example of docs/researcher.md as a reader would try it: evaluated, and fine-tuned."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from cape_fed.cli.main import run
from cape_fed.evaluate.compare import compare_runs
from cape_fed.evaluate.files.predictions import read_predictions
from cape_fed.evaluate.results import Results
from tests.conftest import TinyStore

DOCS = Path(__file__).resolve().parents[2] / "docs" / "researcher.md"
QUICK = [
    "handmade=false", "evaluation.resamples=20", "evaluation.min_patients=5", "evaluation.map_records=0",
    "evaluation.examples=0",
]  # fmt: skip
TUNING = [
    "finetune.steps=4", "finetune.batch=8", "finetune.check_every=2", "finetune.learning_rates=[0.001]",
    "finetune.repeats=1", "finetune.fractions=[1.0]",
]  # fmt: skip


@pytest.fixture
def example(tmp_path: Path, tiny_store: TinyStore, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the module of the docs and the stores a, b and d."""
    (code,) = re.findall(r"```python\n(# my_encoders.py\n.*?)```", DOCS.read_text(), re.S)
    (tmp_path / "my_encoders.py").write_text(code)
    for name in "abd":
        tiny_store(name, patients=60)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_encoders", raising=False)
    return tmp_path


@pytest.mark.slow
def test_each_encoder_has_a_row_of_its_own_on_the_same_patients(example: Path) -> None:
    bundle = "runs/idb/bundle"
    assert run(["pretrain", "data.train=[a,b]", "out=runs/idb", "train.steps=1", "train.pairs=8"]) == 0
    encoders = "encoder={ECG-X: my_encoders:public, again: my_encoders:public}"
    data = ["data.train=[a,b]", "data.evaluate=[d]"]
    assert run(["evaluate", bundle, *data, encoders, *QUICK, "out=runs/idb"]) == 0
    results = Results.model_validate_json(Path("runs/idb/results.json").read_text())
    assert list(results.methods()) == ["central idb", "ECG-X", "again", "random-init", "demographics"]
    assert results.foreign["ECG-X"].factory == "my_encoders:public"
    assert results.foreign["ECG-X"].overlap == "unknown"
    assert not results.bundle_is_foreign
    assert results.baselines["ECG-X"].summary == results.baselines["again"].summary
    assert results.baselines["ECG-X"].summary["auroc"].ood != results.summary["auroc"].ood
    assert {gap.reference for gap in results.differences} == set(results.baselines)
    tested: dict[str, set[tuple[str, str, str, int]]] = {}
    for block in read_predictions(Path("runs/idb/predictions.parquet")):
        keys = {(block.cohort, block.task, block.probe, row) for row in block.rows.tolist()}
        tested.setdefault(block.method, set()).update(keys)
    assert tested["ECG-X"] == tested["central idb"] == tested["random-init"]
    html = Path("runs/idb/report.html").read_text()
    assert "On which patients ECG-X and again were trained is not known" in html
    assert "<code>my_encoders:public</code>" in html
    assert "it is not known on which patients it was trained" in Path("runs/idb/log.txt").read_text()


@pytest.mark.slow
def test_without_a_bundle_the_first_encoder_is_evaluated(example: Path) -> None:
    data = ["data.train=[a,b]", "data.evaluate=[d]"]
    named = ["encoder={ECG-X: my_encoders:public, other: my_encoders:public}", *data, *QUICK]
    assert run(["evaluate", *named, "out=runs/x"]) == 0
    results = Results.model_validate_json(Path("runs/x/results.json").read_text())
    assert list(results.methods()) == ["ECG-X", "other", "random-init", "demographics"]
    assert results.bundle.name == "my_encoders:public"
    assert results.bundle_is_foreign
    html = Path("runs/x/report.html").read_text()
    assert "encoder my_encoders:public" in html
    assert "In cohorts on which the probe was not fitted, a linear probe on ECG-X reaches" in html
    assert "took no part in training, " not in html
    assert run(["evaluate", *named, "method=mine", "out=runs/y"]) == 0
    comparison = compare_runs([Path("runs/x"), Path("runs/y")], Path("runs/both"))
    assert set(comparison.foreign) == {"ECG-X", "mine", "other"}
    gap = next(d for d in comparison.differences if (d.method, d.reference, d.scope) == ("mine", "ECG-X", "ood"))
    assert gap.point == 0.0


@pytest.mark.slow
def test_it_is_fine_tuned_in_every_mode(example: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = ["encoder={ECG-X: my_encoders:public}", "data.train=[a]", "data.evaluate=[d]", *QUICK, *TUNING]
    assert run(["finetune", *named, "out=runs/x"]) == 0
    results = json.loads(Path("runs/x/results.json").read_text())
    assert results["method"] == "ECG-X"
    assert results["foreign"]["factory"] == results["bundle"]["name"] == "my_encoders:public"
    assert {cell["mode"] for cell in results["cells"]} == {"scratch", "linear", "full", "decayed"}
    html = Path("runs/x/report.html").read_text()
    assert "on which patients it was trained is not known" in html
    assert "an encoder of this project" in html
    assert run(["finetune", *named, "out=runs/x", "resume=true"]) == 0
    (example / "my_encoders.py").write_text((example / "my_encoders.py").read_text() + "\n")
    del sys.modules["my_encoders"]
    capsys.readouterr()
    assert run(["finetune", *named, "out=runs/x", "resume=true"]) == 2
    assert "bundle differ from the run's config.yaml" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["encoder=my_encoders"], "encoder=my_encoders is no factory: write package.module:factory"),
        (["encoder={x: my_encoders:secret}"], "my_encoders has no function 'secret': it has AtRate, Public, public"),
        (["encoder={demographics: my_encoders:public}"], "the method cannot be called 'demographics'"),
        (
            ["encoder={x: my_encoders:public, random-init: my_encoders:public}"],
            "no encoder= can be called 'random-init'",
        ),
        (
            ["encoder={x: my_encoders:public, y: my_encoders:public}", "method=y"],
            "the method cannot be called 'y': another encoder= has that name",
        ),
    ],
)
def test_what_cannot_be_had_is_one_line_and_nothing_is_written(
    settings: list[str], says: str, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["evaluate", *settings, "data.train=[a,b]", "out=out"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("first", "settings", "says"),
    [
        ("encoder={x: my_encoders:public, y: my_encoders:public}", [], "finetune takes one at a time"),
        ("encoder=my_encoders:public", ["finetune.save=true"], "a bundle holds no encoder of somebody else's"),
        ("bundle", ["encoder=my_encoders:public"], "finetune takes one encoder"),
    ],
)
def test_what_cannot_be_fine_tuned_is_one_line_and_nothing_is_written(
    first: str, settings: list[str], says: str, example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["finetune", first, "data.train=[a]", *settings, "out=out"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert not Path("out").exists()
