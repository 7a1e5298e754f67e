"""A map of the embedding: t-SNE of a sample of records, coloured by cohort and by what is known of the patient."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from cape_fed.evaluate.cohorts import EvaluatedCohort
from cape_fed.evaluate.options import EvaluateOptions
from cape_fed.evaluate.probes.representation import Features
from cape_fed.evaluate.targets.demographics import AGE, SEX
from cape_fed.files import atomic_file
from cape_fed.report.style import PALETTE, RC, cohort_marks, new_figure, to_svg
from cape_fed.seeds import derive_rng, derive_seed

MAP_FILE = Path("figures") / "map.svg"
_COMPONENTS = 30
_SIZE = 5
_UNKNOWN = "#e0e0e0"
_LABELS = ("AF", "LBBB", "RBBB", "LVH", "MI", "AVB1")
"""Labels with a form of their own in the ECG; the one known for most positives is shown."""


class _Sample(NamedTuple):
    place: NDArray[np.float64]
    """``[n, 2]``."""
    cohort: NDArray[np.int64]
    targets: dict[str, NDArray[np.float64]]


def draw_map(cohorts: Sequence[EvaluatedCohort], features: Features, out: Path, options: EvaluateOptions) -> None:
    """Write ``figures/map.svg`` under ``out``; nothing where the sample is too small for a map."""
    (out / MAP_FILE).unlink(missing_ok=True)
    sample = _sample(cohorts, features, options)
    if sample is None:
        return
    with atomic_file(out / MAP_FILE) as partial:
        partial.write_text(_draw(sample, cohorts), encoding="utf-8")


def _sample(cohorts: Sequence[EvaluatedCohort], features: Features, options: EvaluateOptions) -> _Sample | None:
    """As many evaluated records of each cohort (or all, if it has fewer), with their places by PCA and t-SNE."""
    share = options.map_records // len(cohorts)
    rows = []
    for cohort in cohorts:
        tested = cohort.tested["transfer"]
        rng = derive_rng(options.seed, "map", cohort.name)
        rows.append(rng.choice(tested, min(share, len(tested)), replace=False))
    if sum(map(len, rows)) < 3 * _COMPONENTS:
        return None
    stacked = np.concatenate([features[cohort.name][own] for cohort, own in zip(cohorts, rows, strict=True)])
    return _Sample(
        _place(stacked, derive_seed(options.seed, "map") % 2**32),
        np.repeat(np.arange(len(cohorts)), [len(own) for own in rows]),
        {
            task: np.concatenate([cohort.targets[task][own] for cohort, own in zip(cohorts, rows, strict=True)])
            for task in cohorts[0].targets
        },
    )


def _place(features: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    if not np.ptp(features, axis=0).any():
        return np.zeros((len(features), 2))
    from sklearn.decomposition import PCA  # takes a second to import, which training is spared
    from sklearn.manifold import TSNE

    components = min(_COMPONENTS, *features.shape)
    reduced = PCA(components, svd_solver="full").fit_transform(features.astype(np.float64))
    placed = TSNE(2, perplexity=30, init="pca", random_state=seed, max_iter=500).fit_transform(reduced)
    return np.asarray(placed, np.float64)


@mpl.rc_context(RC)
def _draw(sample: _Sample, cohorts: Sequence[EvaluatedCohort]) -> str:
    label = _most_known(sample)
    panels: dict[str, Callable[[Axes], None]] = {"Cohort": lambda axes: _by_cohort(axes, sample, cohorts)}
    if label:
        panels[label] = lambda axes: _by_class(axes, sample, label, (f"no {label}", label))
    if np.isfinite(sample.targets[SEX]).any():
        panels["Sex"] = lambda axes: _by_class(axes, sample, SEX, ("male", "female"))
    if np.isfinite(sample.targets[AGE]).any():
        panels["Age, years"] = lambda axes: _by_age(axes, sample)
    figure = new_figure(2.35 * len(panels), 2.5 + 0.19 * -(-len(cohorts) // 2))
    for axes, (title, draw) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        draw(axes)
        axes.set_title(title)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_box_aspect(1)
        axes.set_anchor("N")
    return to_svg(figure)


def _most_known(sample: _Sample) -> str | None:
    counts = {label: int((sample.targets[label] > 0.5).sum()) for label in _LABELS if label in sample.targets}
    return max(counts, key=lambda label: counts[label]) if any(counts.values()) else None


def _dots(axes: Axes, place: NDArray[np.float64], colour: str, label: str, marker: str = "o") -> None:
    axes.scatter(
        place[:, 0],
        place[:, 1],
        s=_SIZE,
        c=colour,
        marker=marker,
        linewidths=0,
        alpha=0.75,
        label=label,
        rasterized=True,
    )


def _by_cohort(axes: Axes, sample: _Sample, cohorts: Sequence[EvaluatedCohort]) -> None:
    marks = cohort_marks([cohort.name for cohort in cohorts])
    for index, cohort in enumerate(cohorts):
        colour, marker = marks[cohort.name]
        name = f"{cohort.name} (OOD)" if cohort.role == "ood" else cohort.name
        _dots(axes, sample.place[sample.cohort == index], colour, name, marker)
    _legend(axes, columns=2)


def _by_class(axes: Axes, sample: _Sample, task: str, names: tuple[str, str]) -> None:
    target = sample.targets[task]
    if np.isnan(target).any():
        _dots(axes, sample.place[np.isnan(target)], _UNKNOWN, "not known")
    _dots(axes, sample.place[target < 0.5], PALETTE[5], names[0])
    _dots(axes, sample.place[target > 0.5], PALETTE[1], names[1])
    _legend(axes, columns=2)


def _by_age(axes: Axes, sample: _Sample) -> None:
    age = sample.targets[AGE]
    known = np.isfinite(age)
    _dots(axes, sample.place[~known], _UNKNOWN, "not known")
    x, y = sample.place[known].T
    dots = axes.scatter(x, y, s=_SIZE, c=age[known], cmap="cividis", linewidths=0, rasterized=True)
    bar = axes.figure.colorbar(dots, cax=axes.inset_axes((0.1, -0.1, 0.8, 0.03)), orientation="horizontal")
    bar.ax.tick_params(labelsize=9, length=0)
    bar.outline.set_visible(False)


def _legend(axes: Axes, columns: int) -> None:
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=columns,
        markerscale=2,
        handletextpad=0.1,
        columnspacing=0.8,
        borderpad=0.1,
        fontsize=9,
    )
