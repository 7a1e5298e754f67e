"""``--to onnx``: one graph for any batch and length."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import torch

from cape_fed.export.base import INPUT, OUTPUT, ExportFormat, Source
from cape_fed.signal.leads import LEADS

MODEL = "model.onnx"
OPSET = 17


class OnnxModel(ExportFormat):
    """A graph of standard operators, as ONNX Runtime, TensorRT or OpenVINO take it."""

    name = "onnx"
    needs: ClassVar[Mapping[str, str]] = {"onnx": "onnx"}

    def write(self, source: Source, out: Path) -> None:
        """Write `MODEL`, with what its input has to be among its metadata."""
        write_graph(source, out / MODEL)


def write_graph(source: Source, path: Path) -> None:
    """Trace the model and write it. By tracing, because the newer exporter takes lengths for constants."""
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracing exporter's age, and of shapes that it leaves open
        torch.onnx.export(
            source.model(),
            (source.example(),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch", 2: "samples"}, OUTPUT: {0: "batch"}},
        )
    graph = onnx.load(path)
    graph.producer_name = "cape-fed"
    onnx.helper.set_model_props(graph, {name: str(value) for name, value in description(source).items()})
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, path)


def description(source: Source) -> dict[str, object]:
    """What goes into an exported model and comes out of it."""
    profile = source.encoder.profile
    return {
        "input": f"{INPUT} [batch, {len(LEADS)}, samples] float32",
        "unit": "mV",
        "leads": " ".join(LEADS),
        "rate_hz": f"{source.fs:g}",
        "preprocessing": "none: apply the profile before" if source.rate is None else "included",
        "profile": profile.name,
        "profile_hash": profile.hash,
        "window_s": f"{profile.seconds:g}",
        "output": f"{OUTPUT} [batch, {source.encoder.dim}] float32",
    }
