"""Contrasts pooled over the cohorts that were left out in turn: what is to be expected of cohorts in general.

The true contrasts of the cohorts are taken as drawn from one distribution (a random-effects meta-analysis): its
mean is what is estimated, and its spread how much hospitals differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cape_fed.study.leave_out import FEWEST
from cape_fed.study.results import Contrast, Pooled


class RandomEffects(NamedTuple):
    """The estimate of a random-effects meta-analysis."""

    mean: float
    error: float
    low: float
    high: float
    """95 % interval of the mean."""
    p: float
    tau: float
    i2: float
    predicted_low: float
    predicted_high: float
    """95 % interval of the effect in one further study."""
    weights: NDArray[np.float64]
    """``[k]``, sum 1."""


def random_effects(effects: NDArray[np.float64], errors: NDArray[np.float64], level: float = 0.95) -> RandomEffects:
    """Pool ``effects [k]`` of independent studies with their standard ``errors [k]``, all above 0; k is at least 3.

    The variance between studies is that of Paule and Mandel (1982), and the interval is Student's t with k − 1 degrees
    of freedom. With this variance, that is the interval of Hartung, Knapp, Sidik and Jonkman, whose scale is then 1,
    or larger than theirs where the studies differ less than their errors let expect: that a few studies agree by
    chance makes nothing more precise. The prediction interval is that of Higgins, Thompson and Spiegelhalter (2009),
    with k − 2 degrees of freedom.
    """
    from statsmodels.stats.meta_analysis import combine_effects  # of an extra

    k = len(effects)
    with np.errstate(divide="ignore"):  # of studies that are all equal: h2 is 0
        found = combine_effects(effects, errors**2, method_re="iterated", use_t=True, alpha=1 - level)
    mean, error, tau2, q = (float(v) for v in (found.mean_effect_re, found.sd_eff_w_re, found.tau2, found.q))
    _, (low, high), _, _ = found.conf_int(alpha=1 - level)
    reach = float(stats.t.ppf((1 + level) / 2, k - 2)) * (tau2 + error**2) ** 0.5
    return RandomEffects(
        mean=mean,
        error=error,
        low=float(low),
        high=float(high),
        p=float(2 * stats.t.sf(abs(mean) / error, k - 1)),
        tau=tau2**0.5,
        i2=max(0.0, 1 - (k - 1) / q) if q > 0 else 0.0,
        predicted_low=mean - reach,
        predicted_high=mean + reach,
        weights=np.asarray(found.weights_rel_re, np.float64),
    )


def pool(contrasts: Mapping[str, Contrast | None]) -> Pooled | None:
    """Pool the contrasts of one level by cohort left out, None standing for a cohort without one.

    None where fewer than three cohorts have a contrast with a standard error, for which it takes two seeds.
    """
    usable = {cohort: found for cohort, found in contrasts.items() if found is not None and found.error}
    if len(usable) < FEWEST:
        return None
    first = next(iter(usable.values()))
    points = [found.point for found in usable.values()]
    found = random_effects(np.array(points), np.array([one.error for one in usable.values()], np.float64))
    return Pooled(
        level=first.level,
        reference=first.reference,
        point=found.mean,
        low=found.low,
        high=found.high,
        seeds=points,
        size=None,
        p=found.p,
        p_holm=None,
        error=found.error,
        cohorts=list(usable),
        missing=[cohort for cohort in contrasts if cohort not in usable],
        weights=found.weights.tolist(),
        tau=found.tau,
        i2=found.i2,
        predicted_low=found.predicted_low,
        predicted_high=found.predicted_high,
    )
