"""What an evaluation found of an encoder, as its model card shows it; no cohort is named."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Part):
    """A number with its 95 % interval."""

    point: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.point:.3f}"
        return f"{self.point:.3f} ({self.low:.3f} to {self.high:.3f})"


class Summary(_Part):
    """A metric's mean over tasks: in distribution, out of distribution, and in the worst cohort."""

    id: Figure | None = None
    ood: Figure | None = None
    worst: Figure | None = None
    tasks: int


class Gap(_Part):
    """The widest gap between the best and the worst of some patients' subgroups."""

    metric: str
    task: str
    gap: Figure


class AtSites(_Part):
    """How the sites of a federation measured an encoder, each behind its own wall."""

    rounds: int
    """Rounds after which they did."""
    dimensions: int
    """Over how many dimensions training sites summed towards the probes."""
    missing: int = 0
    """Sites that were asked and gave no numbers."""


class Figures(_Part):
    """What a model card says of an evaluation."""

    at_sites: AtSites | None = None
    """None where all records were in one place."""

    id_cohorts: int
    ood_cohorts: int
    records: int
    """Records of all cohorts evaluated; what sites of a federation measured is over their test records."""
    patients: int
    summary: dict[str, Summary]
    """By metric."""
    tasks: dict[str, Summary] = {}
    """By label, and ``sex``: AUROC of the transfer probe."""
    gaps: dict[str, Gap] = {}
    """By what patients are grouped by."""
    probe: Figure | None = None
    """Balanced accuracy with which a linear model tells the cohort from the embedding."""
    chance: float | None = None


NAMES = {"auroc": "AUROC", "auprc": "AUPRC", "mae": "MAE, years", "r2": "R²"}
_HERE = """\
Linear probes on frozen embeddings, fitted on the training cohorts and applied untouched, with 95 % intervals over
patients."""
_AT_SITES = """\
Linear probes on frozen embeddings, fitted on sums of the training sites over {dimensions} dimensions and applied
untouched by every site to its own test patients, after {rounds} rounds. 95 % intervals over patients; those of means
are put together from the cohorts' own, as if all tasks of a cohort erred alike, and so are rather too wide; that of
the worst cohort does not count that it was picked as the worst.{missing}"""
_UNMEASURED = """
## Evaluation

Not measured here: how it does in and out of distribution and in subgroups, and how well the cohort is told from the
embedding. `cape-fed evaluate` measures it, `cape-fed release card BUNDLE --evaluation DIR` writes it into this card.
"""
_SECTION = """
## Evaluation

{how}
Cohorts: {id_cohorts} in distribution (ID), {ood_cohorts} out of distribution (OOD), with {records} {which}records of
{patients} patients.

| | tasks | ID | OOD | worst cohort |
|---|---|---|---|---|
{rows}

{sentences}
"""


def figures_section(figures: Figures | None) -> str:
    """What a model card says of an evaluation in a section of its own."""
    if figures is None:
        return _UNMEASURED
    means = [_row(f"mean {NAMES.get(metric, metric)}", found) for metric, found in figures.summary.items()]
    single = [_row(f"{task}, AUROC", found) for task, found in figures.tasks.items()]
    return _SECTION.format(
        **figures.model_dump(include={"id_cohorts", "ood_cohorts", "patients", "records"}),
        how=_how(figures.at_sites),
        which="test " if figures.at_sites else "",
        rows="\n".join([*means, *single]),
        sentences="\n".join(_sentences(figures)),
    )


def _how(sites: AtSites | None) -> str:
    if sites is None:
        return _HERE
    missing = f" Sites that gave no numbers: {sites.missing}." if sites.missing else ""
    return _AT_SITES.format(dimensions=sites.dimensions, rounds=sites.rounds, missing=missing)


def _sentences(figures: Figures) -> Iterator[str]:
    for by, widest in figures.gaps.items():
        metric = NAMES.get(widest.metric, widest.metric)
        yield f"- Subgroups by {by}: the widest gap in {metric} is {widest.gap}, for {widest.task}."
    if figures.at_sites:
        yield (
            "- Subgroups and cohort probe: not measured, since sites send no numbers for them. `cape-fed evaluate` "
            "measures them where the stores are."
        )
        return
    if not figures.gaps:
        yield "- Subgroups: too few patients of each for a number."
    if figures.probe is None:
        yield "- Cohort probe: not measured; it takes two cohorts with enough patients."
    else:
        chance = "" if figures.chance is None else f"; chance is {figures.chance:.3f}"
        yield (
            "- Cohort probe: a linear model tells the cohort from the embedding with a balanced accuracy of "
            f"{figures.probe}{chance}."
        )


def _row(name: str, found: Summary) -> str:
    cells = ("–" if cell is None else str(cell) for cell in (found.id, found.ood, found.worst))
    return f"| {name} | {found.tasks} | {' | '.join(cells)} |"
