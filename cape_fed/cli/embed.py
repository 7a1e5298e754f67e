"""``cape-fed embed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def embed(
    bundle: Annotated[Path, typer.Argument(help="Bundle that a run wrote.")],
    store: Annotated[Path, typer.Argument(help="Store with the bundle's profile.")],
    out: Annotated[Path, typer.Argument(help="File to write, .npz.")],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Write the embeddings of a store: embedding [N, D] float32, record [N], patient [N].

    Embeddings and record names are the site's; they do not leave it.

    Example: cape-fed embed runs/idb/bundle stores/a a.npz
    """
    import numpy as np

    from cape_fed.files import atomic_file
    from cape_fed.pretrain.workbench import choose_device
    from cape_fed.release.bundle import load_encoder
    from cape_fed.release.embed import embed_store
    from cape_fed.store.store import open_store

    encoder = load_encoder(bundle, str(choose_device(device)))
    opened = open_store(store)
    embedding = embed_store(encoder, opened)
    with atomic_file(out) as partial, partial.open("wb") as file:
        np.savez(file, embedding=embedding, record=opened.records.astype(str), patient=opened.patients)
    print(f"{out}: {len(embedding)} embeddings of {encoder.dim} dimensions")
