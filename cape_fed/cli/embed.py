"""``cape-fed embed``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def embed(
    bundle: Annotated[Path, typer.Argument(help="Directory of the bundle, for example runs/idb/bundle.")],
    store: Annotated[Path, typer.Argument(help="Store that was ingested with the profile of the bundle.")],
    out: Annotated[Path, typer.Argument(help="File to write; its name ends in .npz.")],
    device: Annotated[str, typer.Option(help="Where to compute: auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Write the embeddings of all records of a store to a file.

    The file has the arrays embedding [N, D] (float32), record [N] and patient [N]. It names the records of the site
    and has to stay there, like the store.

    Example: cape-fed embed runs/idb/bundle stores/a a.npz
    """
    import numpy as np

    from cape_fed.errors import InputError
    from cape_fed.files import PRIVATE, atomic_file
    from cape_fed.pretrain.device import choose_device
    from cape_fed.release.bundle import load_encoder
    from cape_fed.release.embed import embed_store
    from cape_fed.store.store import open_store

    if out.is_dir():
        raise InputError(f"{out} is a directory: name the file to write, for example {out / 'embeddings.npz'}")
    encoder = load_encoder(bundle, str(choose_device(device)))
    opened = open_store(store)
    # opened before anything is computed: a place that cannot be written to shows at once
    with atomic_file(out, PRIVATE) as partial, partial.open("wb") as file:
        embedding = embed_store(encoder, opened)
        np.savez(file, embedding=embedding, record=opened.records.astype(str), patient=opened.patients)
    print(f"{out}: {len(embedding)} embeddings of {encoder.dim} dimensions")
