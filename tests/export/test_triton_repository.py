"""A model repository as Triton wants it: its configuration parses by Triton's schema and agrees with the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest

from cape_fed.export.write import export_bundle
from cape_fed.release.bundle import load_encoder


@pytest.mark.parametrize("rate", [None, 250])
def test_the_configuration_agrees_with_the_graph(bundle: Path, tmp_path: Path, rate: float | None) -> None:
    pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] brings the schema of config.pbtxt")
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    export_bundle(bundle, "triton", tmp_path / "out", rate=rate)
    model = tmp_path / "out" / "ecg_encoder"
    assert [path.relative_to(model).as_posix() for path in sorted(model.rglob("*")) if path.is_file()] == [
        "1/model.onnx", "config.pbtxt",
    ]  # fmt: skip
    config = text_format.Parse((model / "config.pbtxt").read_text(), model_config_pb2.ModelConfig())
    assert (config.name, config.backend) == (model.name, "onnxruntime")
    assert config.max_batch_size > 1
    assert config.dynamic_batching.max_queue_delay_microseconds > 0
    graph = onnx.load(model / "1" / "model.onnx").graph
    for ours, theirs in ((config.input, graph.input), (config.output, graph.output)):
        assert [(tensor.name, described(tensor, model_config_pb2)) for tensor in ours] == [
            (tensor.name, shape(tensor)) for tensor in theirs
        ]
    assert list(config.output[0].dims) == [load_encoder(bundle).dim]


def described(tensor: Any, schema: Any) -> tuple[str, list[int]]:
    """Type and dimensions that a configuration gives a tensor; the batch is Triton's own."""
    return schema.DataType.Name(tensor.data_type), list(tensor.dims)


def shape(tensor: Any) -> tuple[str, list[int]]:
    """What a graph says of it, in Triton's words: -1 for any number."""
    kind = {onnx.TensorProto.FLOAT: "TYPE_FP32"}[tensor.type.tensor_type.elem_type]
    batch, *dims = tensor.type.tensor_type.shape.dim
    assert batch.dim_param == "batch"
    return kind, [dim.dim_value or -1 for dim in dims]
