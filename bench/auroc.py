"""Mean AUROC of an encoder within the cohorts that its probes are fitted on and outside them, computed centrally."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def mean_auroc(bundle: Path, inside: Sequence[Path], outside: Sequence[Path]) -> dict[str, float]:
    """``id`` and ``ood`` mean AUROC by transfer probes on embeddings of the full size."""
    from cape_fed.evaluate.options import EvaluateOptions
    from cape_fed.evaluate.probes.representation import Representation
    from cape_fed.pretrain.cohorts import open_stores, split_stores
    from cape_fed.pretrain.config import SplitConfig
    from cape_fed.release.bundle import load_encoder
    from cape_fed.release.embed import embed_store
    from cape_fed.study.measure import measure

    encoder = load_encoder(bundle, "auto")
    within, without = open_stores(inside), open_stores(outside)
    method = Representation("encoder", lambda store: embed_store(encoder, store))
    splits = split_stores([*within, *without], SplitConfig())
    measures, _ = measure(method, within, without, splits, EvaluateOptions(resamples=1), {})
    return {scope: measures[f"auroc/{scope}"].point for scope in ("id", "ood")}
