"""``cape-fed export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    bundle: Annotated[Path, typer.Argument(help="Directory of the bundle, for example runs/idb/bundle.")],
    to: Annotated[str, typer.Option(help="onnx, torch, triton or hf.")],
    out: Annotated[Path, typer.Option(help="Directory to make.")],
    rate: Annotated[
        float | None,
        typer.Option(help="Hz of recordings whose preprocessing becomes part of the model (onnx, triton)."),
    ] = None,
) -> None:
    """Write the encoder of a bundle in a format of other software, with its model card and checksums.

    onnx: a graph for any batch and length. torch: a program of torch.export. triton: a model repository. hf: the layout
    that huggingface_hub reads. Without --rate the model takes recordings that have the profile's rate, begin with the
    window and have no offset; with it, recordings in mV as they come from a device of that rate.

    Example: cape-fed export runs/idb/bundle --to onnx --rate 500 --out idb-onnx
    """
    from cape_fed.export.write import export_bundle

    export_bundle(bundle, to, out, rate)
    print(out)
