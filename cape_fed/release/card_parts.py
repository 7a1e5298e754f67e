"""Parts of a model card: who the encoder was trained on, and how."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cape_fed.release.cohort_names import shown_names
from cape_fed.release.provenance import Provenance
from cape_fed.store.composition import LEAST, Composition

_COMPOSITION = """
## Who it was trained on

| cohort | patients | records | with several | women | men | age, quartiles | patients by label |
|---|---|---|---|---|---|---|---|
{rows}

Numbers are of the whole cohorts, of which the training part is {share}. – stands for fewer than {least}
patients, or for what the sites of a federation do not tell.
"""


def composition_section(provenance: Provenance) -> str:
    """Counts, ages, sexes and labels by cohort; empty for random weights."""
    if not provenance.cohorts:
        return ""
    rows = [
        f"| {shown} | {provenance.cohorts[name].patients} | {provenance.cohorts[name].records} | "
        f"{' | '.join(_cells(provenance.composition.get(name, Composition())))} |"
        for name, shown in shown_names(provenance.cohorts).items()
    ]
    share = f"{100 * provenance.split.fractions[0]:.0f} % of the patients"
    return _COMPOSITION.format(rows="\n".join(rows), share=share, least=LEAST)


def training_lines(provenance: Provenance) -> Iterator[str]:
    """Method and settings, as far as the bundle holds them."""
    yield f"Method: {provenance.method}"
    if provenance.started_from is not None:
        yield f"Began with the encoder of a run by {provenance.started_from.method}"
    if provenance.selected is not None:
        yield f"Taken after {provenance.selected.rounds} rounds, chosen by {provenance.selected.rule}"
    config = provenance.config
    for name in ("seed", "model", "norm", "batching", "positives", "precision"):
        if name in config:
            yield f"{name}: {config[name]}"
    for section, keys in (
        ("objective", ("temperature", "foreign", "projection")),
        ("augment", ("crop", "time_mask", "gain", "noise_mv", "wander_mv", "mains_mv", "lead_mask")),
        ("train", ("steps", "pairs", "optimiser", "learning_rate", "weight_decay")),
        ("federation", ("strategy", "rounds", "local_steps") if provenance.rounds is not None else ()),
    ):
        if found := _settings(config.get(section), keys):
            yield f"{section}: {found}"


def _settings(section: Any, keys: tuple[str, ...]) -> str:
    values = section if isinstance(section, dict) else {}
    return ", ".join(f"{key} {values[key]}" for key in keys if values.get(key) is not None)


def _cells(who: Composition) -> Iterator[str]:
    yield from ("–" if count is None else str(count) for count in (who.several, who.women, who.men))
    yield "–" if who.age is None else " / ".join(f"{age:.0f}" for age in who.age)
    yield ", ".join(f"{label} {count}" for label, count in sorted(who.labels.items())) or "–"
