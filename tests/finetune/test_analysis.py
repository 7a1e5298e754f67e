from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.prediction import Prediction
from cape_fed.finetune.analysis import analyse
from cape_fed.finetune.fits import Fit

OPTIONS = EvaluateOptions(resamples=50, min_patients=5)
MODES = ("scratch", "full")


def block(name: str, cohort: str, task: str, strength: float, seed: int) -> Prediction:
    """Logits that know the target more or less; targets are the same whatever the strength and the seed."""
    target = (np.random.default_rng(len(cohort + task)).random(80) < 0.4).astype(float)
    score = strength * (2 * target - 1) + np.random.default_rng(seed).normal(size=80)
    return Prediction(name, cohort, task, "transfer", np.arange(80), np.arange(80) // 2, target, score)


@pytest.fixture
def predictions() -> dict[Fit, list[Prediction]]:
    cells = [Fit(mode, 1.0, repeat) for repeat in range(3) for mode in MODES]  # type: ignore[arg-type]
    return {
        cell: [
            block(cell.name, cohort, task, strength=0.3 + (cell.mode == "full"), seed=10 * number + cell.repeat)
            for number, cohort in enumerate(("a", "oo"))
            for task in ("sex", "AF")
        ]
        for cell in cells
    }


def test_scores_and_gains_by_hand(predictions: dict[Fit, list[Prediction]]) -> None:
    scores, gains = analyse(predictions, {"a": "id", "oo": "ood"}, OPTIONS)
    found = {(s.mode, s.task, s.scope, s.metric): s for s in scores}
    by_hand = {mode: [] for mode in MODES}
    brier = []
    for cell, blocks in predictions.items():
        own = [b for b in blocks if b.cohort == "oo"]
        by_hand[cell.mode].append(np.mean([roc_auc_score(b.target, b.score) for b in own]))
        if cell.mode == "full":
            brier.append(np.mean([brier_score_loss(b.target, 1 / (1 + np.exp(-b.score))) for b in own]))
    for mode in MODES:
        assert found[mode, "mean", "ood", "auroc"].repeats == pytest.approx(by_hand[mode])
        assert found[mode, "mean", "ood", "auroc"].point == pytest.approx(np.mean(by_hand[mode]))
    assert found["full", "mean", "ood", "brier"].repeats == pytest.approx(brier)
    assert ("full", "mean", "id", "ece") in found
    (gain,) = [g for g in gains if (g.task, g.scope, g.metric) == ("mean", "ood", "auroc")]
    assert gain.repeats == pytest.approx(np.subtract(by_hand["full"], by_hand["scratch"]))
    assert gain.p is not None
    assert gain.p < 0.05
    assert {g.mode for g in gains} == {"full"}


def test_repeats_that_differ_widen_the_interval() -> None:
    """An encoder that does well with one draw of labels and badly with the next is not known by its patients alone."""

    def width(strengths: tuple[float, ...]) -> float:
        cells = {
            Fit("full", 1.0, repeat): [block("", "a", "AF", strength, seed=repeat)]
            for repeat, strength in enumerate(strengths)
        }
        scratch = {Fit("scratch", 1.0, cell.repeat): blocks for cell, blocks in cells.items()}
        scores, gains = analyse(cells | scratch, {"a": "id"}, OPTIONS)
        assert all(gain.point == 0 for gain in gains)
        score = next(s for s in scores if (s.mode, s.task, s.scope, s.metric) == ("full", "mean", "id", "auroc"))
        assert score.low is not None
        assert score.high is not None
        return score.high - score.low

    assert width((0.1, 0.5, 2.0)) > 2 * width((0.5, 0.5, 0.5))
