"""``cape-fed release audit``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def audit(
    bundle: Annotated[Path, typer.Argument(help="Bundle that a run wrote.")],
    stores: Annotated[list[Path], typer.Argument(help="Stores of cohorts that it was trained on.")],
    patients: Annotated[int, typer.Option(min=1, help="Most patients of each kind that are tried in a cohort.")] = 2000,
    views: Annotated[int, typer.Option(min=2, help="Augmented recordings of each patient.")] = 8,
    seed: Annotated[int, typer.Option(help="From which patients and augmentations are drawn.")] = 0,
    card: Annotated[bool, typer.Option(help="Whether to write the result into the bundle and its card.")] = True,
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or cuda:N.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Measure how many of the patients that an encoder was trained on can be told from the encoder.

    Two attacks try the run's train patients against its held-out patients of the same cohorts: by how alike the
    embeddings of a patient's augmented recordings are, and by a classifier of embeddings. What they find at 1 % false
    positives, with a 95 % interval, is written into the bundle's model card. At least 100 patients have to be held out.

    Example: cape-fed release audit runs/idb/bundle stores/a stores/b
    """
    from cape_fed.evaluate.attacks.audit import audit_encoder
    from cape_fed.pretrain.cohorts import open_stores
    from cape_fed.pretrain.device import choose_device
    from cape_fed.release.bundle import load_encoder, record_membership

    encoder = load_encoder(bundle, str(choose_device(device)))
    found = audit_encoder(bundle, encoder, open_stores(stores), patients, views, seed)
    if card:
        record_membership(bundle, found)
    print(found.model_dump_json(indent=1) if as_json else f"{bundle}: {found}")
