"""How many worlds a study needs so that it sees a difference of a given size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import stats

from cape_fed.study.config import Claim
from cape_fed.study.results import SIGNIFICANT, Answer, Power

POWER = 0.9
_CERTAIN = 100
"""Times the limit of the test beyond which a difference is always found."""


def power_of(worlds: int, size: float, level: float = SIGNIFICANT) -> float:
    """Probability that a two-sided one-sample t-test over ``worlds`` finds a mean of ``size`` standard deviations."""
    freedom = worlds - 1
    limit = stats.t.ppf(1 - level / 2, freedom)
    reach = abs(size) * worlds**0.5
    if reach > _CERTAIN * limit:
        return 1.0
    # SciPy has NaN for what is too small a probability to be computed.
    return float(stats.nct.sf(limit, freedom, reach) + np.nan_to_num(stats.nct.cdf(-limit, freedom, reach)))


def worlds_needed(deviation: float, difference: float, power: float = POWER) -> int:
    """Fewest worlds with which ``difference`` is found, if it varies by ``deviation`` (> 0) between worlds."""
    fewest, enough, size = 2, 2, difference / deviation
    while power_of(enough, size) < power:
        fewest, enough = enough + 1, 2 * enough
    while fewest < enough:
        middle = (fewest + enough) // 2
        if power_of(middle, size) < power:
            fewest = middle + 1
        else:
            enough = middle
    return enough


def powers(claims: Sequence[Claim], answers: Mapping[str, Answer]) -> list[Power]:
    """The power of every claim about worlds, from the differences between the worlds of this study."""
    return [found for claim in claims for found in _powers(claim, answers[claim.question])]


def _powers(claim: Claim, answer: Answer) -> Iterator[Power]:
    for panel in answer.panels if answer.worlds else ():
        for found in panel.contrasts.get(claim.measure, []):
            deviation = float(np.std(found.seeds, ddof=1)) if len(found.seeds) > 1 else 0.0
            if (found.level, found.reference) == (claim.level, claim.reference) and deviation > 0:
                yield Power(
                    claim=claim.text,
                    difference=claim.margin,
                    deviation=deviation,
                    worlds=len(found.seeds),
                    needed=worlds_needed(deviation, claim.margin),
                    power=POWER,
                )
