"""A model repository as Triton wants it: its configuration agrees with the graph beside it."""

from __future__ import annotations

import re
from pathlib import Path

import onnx
import pytest

from cape_fed.export.write import export_bundle
from cape_fed.release.bundle import load_encoder


def test_the_configuration_agrees_with_the_graph(bundle: Path, tmp_path: Path) -> None:
    export_bundle(bundle, "triton", tmp_path / "out", rate=250)
    model = tmp_path / "out" / "ecg_encoder"
    assert [path.relative_to(model).as_posix() for path in sorted(model.rglob("*")) if path.is_file()] == [
        "1/model.onnx", "config.pbtxt",
    ]  # fmt: skip
    config = (model / "config.pbtxt").read_text()
    assert config.count("{") == config.count("}") == 3
    assert re.findall(r'name: "(\w+)"', config) == ["ecg_encoder", "ecg_mv", "embedding"]
    given, taken = re.findall(r"dims: \[ (.*) \]", config)
    graph = onnx.load(model / "1" / "model.onnx").graph
    dims = [dim.dim_value or -1 for dim in graph.input[0].type.tensor_type.shape.dim]
    assert [graph.input[0].name, graph.output[0].name] == ["ecg_mv", "embedding"]
    assert [int(dim) for dim in given.split(",")] == dims[1:]  # the batch is Triton's own
    assert int(taken) == load_encoder(bundle).dim


def test_triton_itself_reads_the_configuration(bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("tritonclient.grpc", reason="tritonclient[grpc] brings the schema of config.pbtxt")
    from google.protobuf import text_format
    from tritonclient.grpc import model_config_pb2

    export_bundle(bundle, "triton", tmp_path / "out")
    text = (tmp_path / "out" / "ecg_encoder" / "config.pbtxt").read_text()
    config = text_format.Parse(text, model_config_pb2.ModelConfig())
    assert (config.name, config.backend, list(config.input[0].dims)) == ("ecg_encoder", "onnxruntime", [12, -1])
