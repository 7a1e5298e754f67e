"""Schema of ``results.json``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from cape_fed.errors import InputError
from cape_fed.evaluate.cohorts import ProbeKind, Role
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.statistics.bootstrap import Sampled
from cape_fed.files import atomic_file

RESULTS_FILE = "results.json"

Reason = Literal["few", "unannotated", "untrained"]

REASONS: dict[Reason, str] = {
    "few": "fewer patients than the minimum, so nothing is shown",
    "unannotated": "the cohort is not annotated for this task",
    "untrained": "too few annotated train patients to fit the probe",
}


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[float | None, BeforeValidator(_finite)]
"""A number or null: JSON has no NaN."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Estimate(_Part):
    """A metric with its interval."""

    metric: str
    point: Number = None
    low: Number = None
    high: Number = None

    @classmethod
    def of(cls, metric: str, sampled: Sampled, level: float, **fields: Any) -> Self:
        """Build from resampled values; null where the metric is not defined."""
        low, high = sampled.interval(level)
        return cls(metric=metric, point=sampled.point, low=low, high=high, **fields)


class Cell(Estimate):
    """One method, task and cohort under one probe; counts are null where suppressed."""

    cohort: str
    probe: ProbeKind
    n: int | None = None
    n_pos: int | None = None
    """Positive records; null for age."""
    patients: int | None = None
    second: Estimate | None = None
    """The task's other metric: AUPRC, which pooled cohorts have none of, or R² for age."""
    reason: Reason | None = None
    """Why there is no number."""


class CohortCells(_Part):
    """Both probes on one cohort."""

    transfer: Cell
    within: Cell


class TaskResult(Estimate):
    """One task over the ID or the OOD cohorts: the mean of their transfer cells, the worst one, and all cells."""

    probe: Literal["transfer"] = "transfer"
    n: int | None = None
    n_pos: int | None = None
    patients: int | None = None
    cohort: str
    """The cohort's name where one has a number, else ``mean of K``; ``ID pooled`` or ``OOD pooled`` where none has
    enough patients of its own and records are compared within their cohorts only."""
    second: Estimate | None = None
    worst: Cell | None = None
    cohorts: dict[str, CohortCells]


class TaskResults(_Part):
    """One task; null where there is no cohort of that role."""

    id: TaskResult | None = None
    ood: TaskResult | None = None


class SummaryValue(Estimate):
    """A metric's mean over tasks: over ID cohorts, over OOD cohorts, or in the worst cohort."""

    cohort: str
    tasks: int
    """Number of tasks in the mean; the worst cohort may not have all of them."""


class Summary(_Part):
    """ID, OOD and worst cohort, always together."""

    tasks: list[str]
    """Tasks that have a number on both sides (on one side where there is only one)."""
    id: SummaryValue | None = None
    ood: SummaryValue | None = None
    worst: SummaryValue | None = None


class ArtefactProbe(_Part):
    """How well a linear model tells the cohort from the features: balanced accuracy, chance being 1 / cohorts."""

    metric: Literal["balanced_accuracy"] = "balanced_accuracy"
    point: Number = None
    low: Number = None
    high: Number = None
    chance: Number = None
    cohorts: list[str] = []
    recall: dict[str, float] = {}
    """Share of each cohort's records that is recognised."""
    n: int | None = None
    patients: int | None = None
    demographics: Estimate | None = None
    """Balanced accuracy from age and sex without the ECG."""
    neighbours: Estimate | None = None
    """By nearest neighbours instead of a linear model."""
    matched: Estimate | None = None
    """By the linear model, on records alike in age, sex and illness; null where too few are."""
    matched_neighbours: Estimate | None = None
    projection: Estimate | None = None
    """By the linear model from what the projection head makes of the embedding, mean over the sites' heads; null where
    the run's heads are not in the directory of the bundle."""
    projection_neighbours: Estimate | None = None
    reason: str | None = None
    """Why there is no number."""


class DeLong(Estimate):
    """An AUROC's interval by DeLong, patients being clusters, to compare with the bootstrap's of the cell."""

    cohort: str
    task: str
    probe: ProbeKind


class ReliabilityBin(_Part):
    """Some records of similar predicted probability."""

    predicted: float
    """Mean of their probabilities."""
    observed: float
    """Share of positives."""
    n: int


class Calibration(_Part):
    """The transfer probe's probabilities on a cohort's test patients, as they come and recalibrated at the site."""

    cohort: str
    task: str
    n: int
    n_pos: int
    brier: Estimate
    ece: Estimate
    curve: list[ReliabilityBin]
    recalibrated_brier: Estimate | None = None
    """Null where the cohort has too few validation patients of either class."""
    recalibrated_ece: Estimate | None = None
    recalibrated_curve: list[ReliabilityBin] = []


Grouping = Literal["sex", "age", "sex and age"]


class Subgroup(Estimate):
    """The task's first metric under the transfer probe in some of a cohort's patients."""

    cohort: str
    task: str
    by: Grouping
    group: str
    n: int
    n_pos: int | None
    patients: int


class Gap(Estimate):
    """The best subgroup minus the worst, found anew in each resample."""

    cohort: str
    task: str
    by: Grouping
    groups: int


class MethodResults(_Part):
    """Everything about one method."""

    tasks: dict[str, TaskResults]
    summary: dict[str, Summary]
    """By metric: ``auroc`` and ``auprc`` over sex and labels, ``mae`` and ``r2`` for age."""
    artefact_probe: ArtefactProbe
    delong: list[DeLong] = []
    calibration: list[Calibration] = []
    subgroups: list[Subgroup] = []
    gaps: list[Gap] = []


class Difference(Estimate):
    """A method minus a reference, resample by resample."""

    method: str
    reference: str
    task: str
    """A task, or ``mean`` for the summary."""
    scope: Literal["id", "ood", "worst"]
    """In ``worst``, each method's own worst cohort, found anew in each resample."""
    p: float
    """Two-sided, from the share of resamples on either side of 0; not corrected for the number of comparisons."""


class CohortInfo(_Part):
    """One cohort of an evaluation."""

    role: Role
    records: int
    patients: int
    evaluated: dict[ProbeKind, int]
    """Records evaluated by each probe."""
    left_out: int
    """Records not evaluated because a training cohort holds the same signal or patient."""
    fingerprint: str
    """Hash of the records evaluated."""


class BundleInfo(_Part):
    """Which encoder was evaluated."""

    name: str
    sha256: str | None = None
    """Of the weights file."""
    privacy: str | None = None
    """What protects the patients it was trained on, in a line."""


class ForeignInfo(_Part):
    """Which encoder of somebody else's stands behind a name in the tables."""

    factory: str
    """``package.module:factory``."""
    version: str | None = None
    """Name and version of the package, where it is installed as one."""
    sha256: str | None = None
    """Of the module's file; not of weights, which are the encoder's own business."""
    overlap: Literal["unknown"] = "unknown"
    """Whether patients tested here were among those it was trained on."""


class Results(MethodResults):
    """``results.json`` of an evaluation: one method and its baselines."""

    format: Literal[1] = 1
    method: str
    bundle: BundleInfo
    seed: int
    cohorts: dict[str, CohortInfo]
    baselines: dict[str, MethodResults]
    differences: list[Difference]
    """The method against each baseline."""
    foreign: dict[str, ForeignInfo] = {}
    """Of the method and the baselines, those that are encoders of somebody else's."""
    absent: dict[str, str] = {}
    """Baselines that are missing here, and why."""
    options: EvaluateOptions

    @property
    def bundle_is_foreign(self) -> bool:
        """Whether the method itself is an encoder of somebody else's, and not a bundle."""
        return self.method in self.foreign

    def methods(self) -> dict[str, MethodResults]:
        """The method and its baselines by name."""
        return {self.method: self, **self.baselines}


class Comparison(_Part):
    """``results.json`` of a comparison: several methods on the same records."""

    format: Literal[1] = 1
    reference: str
    """The method of the first directory, against which the others are set."""
    methods: dict[str, MethodResults]
    cohorts: dict[str, CohortInfo]
    differences: list[Difference]
    similarity: dict[str, dict[Role, Number]] = {}
    """Linear CKA of each method's embeddings to the reference's, over ID and over OOD records; null where one of them
    is the same for every record; empty for evaluations that kept no sample of them."""
    foreign: dict[str, ForeignInfo] = {}
    """Of the methods, those that are encoders of somebody else's."""
    absent: dict[str, str] = {}
    """Baselines that are missing in the first directory, and why."""
    options: EvaluateOptions


def write_json(model: BaseModel, path: Path) -> None:
    """Write as strict JSON."""
    text = json.dumps(model.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    with atomic_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_results(run: Path) -> Results:
    """Read an evaluation's results from its directory; raises InputError where there are none or of another format."""
    path = run / RESULTS_FILE
    if not path.is_file():
        raise InputError(f"no {RESULTS_FILE} in {run}: run cape-fed evaluate with out={run} first")
    try:
        return Results.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) if isinstance(error, ValidationError) else "encoding"
        raise InputError(
            f"{path} is not the results of an evaluation by this version (at {where or 'top'}): evaluate again"
        ) from None
