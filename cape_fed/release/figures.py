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


class Figures(_Part):
    """What a model card says of an evaluation."""

    id_cohorts: int
    ood_cohorts: int
    records: int
    """Records of all cohorts evaluated."""
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
_SECTION = """
## Evaluation

Linear probes on frozen embeddings, fitted on the training cohorts and applied untouched, with 95 % intervals over
patients. Cohorts: {id_cohorts} in distribution (ID), {ood_cohorts} out of distribution (OOD), with {records} records of
{patients} patients.

| | tasks | ID | OOD | worst cohort |
|---|---|---|---|---|
{rows}

{sentences}
"""


def figures_section(figures: Figures | None) -> str:
    """What a model card says of an evaluation in a section of its own."""
    if figures is None:
        return (
            "\n## Evaluation\n\nNot measured here: `cape-fed evaluate` measures it, and `cape-fed release card "
            "BUNDLE --evaluation DIR` writes it into this card.\n"
        )
    means = [_row(f"mean {NAMES.get(metric, metric)}", found) for metric, found in figures.summary.items()]
    single = [_row(f"{task}, AUROC", found) for task, found in figures.tasks.items()]
    return _SECTION.format(
        **figures.model_dump(include={"id_cohorts", "ood_cohorts", "patients", "records"}),
        rows="\n".join([*means, *single]),
        sentences="\n".join(_sentences(figures)),
    )


def _sentences(figures: Figures) -> Iterator[str]:
    for by, widest in figures.gaps.items():
        metric = NAMES.get(widest.metric, widest.metric)
        yield f"- Subgroups by {by}: the widest gap in {metric} is {widest.gap}, for {widest.task}."
    if not figures.gaps:
        yield "- Subgroups: too few patients of each for a number."
    if figures.probe is not None:
        chance = "" if figures.chance is None else f"; chance is {figures.chance:.3f}"
        yield (
            "- Cohort probe: a linear model tells the cohort from the embedding with a balanced accuracy of "
            f"{figures.probe}{chance}."
        )


def _row(name: str, found: Summary) -> str:
    cells = ("–" if cell is None else str(cell) for cell in (found.id, found.ood, found.worst))
    return f"| {name} | {found.tasks} | {' | '.join(cells)} |"
