"""The model card of a bundle."""

from __future__ import annotations

from cape_fed.pretrain.encoder import EncoderConfig
from cape_fed.release.card_parts import composition_section, training_lines
from cape_fed.release.cohort_names import shown_names
from cape_fed.release.figures import figures_section
from cape_fed.release.protection import protection_line, protection_section
from cape_fed.release.provenance import Provenance
from cape_fed.signal.profile import Profile

_CARD = """# ECG encoder ({method})

A 12-lead ECG encoder pretrained by contrasting patients. It implements the CAPE idea (arXiv 2509.10369) with PCLR's
shape (Diamant et al. 2022); it is not the encoder of either paper.

| | |
|---|---|
| embedding | {dim} numbers a recording |
| input | 12 leads in mV at any rate; profile {profile}: {fs} Hz, {seconds:g} s |
| trained on | {cohorts} |
| records and patients | {records} records of {patients} patients, training part included |
| privacy | {privacy} |
| patients told from the encoder | {membership} |{federation}

{composition}
## How it was trained

{training}
{evaluation}{protection}
## Use

```python
import cape_fed
encoder = cape_fed.load_encoder("PATH")
embedding = encoder.embed(ecg_mv, fs)  # [12, n] or [B, 12, n]; other leads or another order: leads=["I", "II", ...]
```

docs/using-an-encoder.md of cape-fed says more: leads, streams, exports to other software.

## Intended use

Research: a fixed representation of resting 12-lead ECGs of at least one second for probes, retrieval and fine-tuning,
where the population and the devices are near those above or where you have measured that it carries over.

## Limits

Not a medical device, not validated for any clinical decision. It can carry what it should not: the cohort or device a
recording comes from, age and sex, and signs of having seen a patient. Recordings with other leads, long-term
recordings and exercise tests were not tried. How it does outside the cohorts it was trained on is what
`cape-fed evaluate` measures; do that on your own recordings first.

## Licence

{licence}

## Citation

cape-fed (its CITATION.cff), Diamant et al. 2022 (PLOS Computational Biology 18(2): e1009862) and arXiv 2509.10369.
"""

_NO_LICENCE = (
    "Not stated: ask whoever gave you the bundle. (`cape-fed release card BUNDLE --licence TEXT` states it; the "
    "licence of cape-fed itself covers the code, not the weights.)"
)
_UNMEASURED = "not measured: `cape-fed release audit` measures it where the stores of the training cohorts are"


def model_card(provenance: Provenance, encoder: EncoderConfig, profile: Profile) -> str:
    """Markdown for ``README.md`` of a bundle; ``provenance`` as in its ``config.json``."""
    cohorts = provenance.cohorts
    return _CARD.format(
        method=provenance.method,
        dim=encoder.dim,
        profile=profile.name,
        fs=profile.fs,
        seconds=profile.seconds,
        cohorts=", ".join(shown_names(cohorts).values()) or "nothing: random weights",
        records=sum(cohort.records for cohort in cohorts.values()),
        membership=provenance.membership or _UNMEASURED,
        patients=sum(cohort.patients for cohort in cohorts.values()),
        federation="".join(f"\n| {name} | {text} |" for name, text in _federation(provenance)),
        privacy=protection_line(provenance.privacy, provenance.protected_before),
        protection=protection_section(provenance.privacy, provenance.protected_before),
        composition=composition_section(provenance),
        training="\n".join(f"- {line}" for line in training_lines(provenance)),
        evaluation=figures_section(provenance.evaluation),
        licence=provenance.licence or _NO_LICENCE,
    )


def _federation(provenance: Provenance) -> list[tuple[str, str]]:
    """Rows on the federation behind an encoder; none where there was none."""
    if provenance.rounds is None:
        return []
    sites = (
        f"{name} {part.rounds} of {provenance.rounds} ({part.patients} patients)"
        for name, part in sorted(provenance.participation.items())
    )
    code = (f"{name[:16]} from round {first}" for name, first in provenance.code.items())
    return [
        ("rounds by site", ", ".join(sites) or "none"),
        ("app", ", ".join(code) or "unknown"),
        ("ended because", provenance.ended or "unknown"),
    ]
