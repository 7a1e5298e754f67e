from __future__ import annotations

import numpy as np
import pytest

from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.evaluate.statistics.effects import holm
from cape_fed.study.contrasts import contrast, correct


def pairs(gap: float, seeds: int = 4) -> list[tuple[Sampled, Sampled]]:
    rng = np.random.default_rng(int(100 * gap))
    noise = rng.normal(0, 0.01, (seeds, 50))
    return [(Sampled(0.8 + gap + row[0], 0.8 + gap + row), Sampled(0.8, np.full(50, 0.8))) for row in noise]


def test_a_contrast_is_the_mean_of_the_paired_differences() -> None:
    found = contrast("b", "a", several := pairs(0.1))
    assert found.seeds == pytest.approx([one.point - other.point for one, other in several])
    assert found.point == pytest.approx(np.mean(found.seeds))
    assert (found.level, found.reference, found.p_holm, found.significant) == ("b", "a", None, False)


def test_correction_is_holms_over_all_that_have_a_p() -> None:
    several = [contrast(str(gap), "a", pairs(gap)) for gap in (0.0, 0.01, 0.1)]
    single = contrast("single", "a", pairs(0.1, seeds=1))
    correct([*several, single])
    assert [entry.p_holm for entry in several] == pytest.approx(holm([float(entry.p or 0) for entry in several]))
    assert single.p_holm is None
    assert several[2].significant
