from __future__ import annotations

from cape_fed.finetune.config import FinetuneConfig
from cape_fed.finetune.fits import Fit, plan_fits


def test_each_share_and_repeat_has_one_fit_from_scratch() -> None:
    config = FinetuneConfig(modes=("full", "linear"), fractions=(0.1, 1.0), repeats=3)
    fits = plan_fits(config)
    assert len(fits) == len(set(fits)) == 3 * 3 * 2
    assert fits[:3] == [Fit(mode, 0.1, 0) for mode in ("scratch", "full", "linear")]
    assert sum(planned.mode == "scratch" for planned in fits) == 6
    assert Fit("full", 0.01, 2).name == "full-0.01-2"
