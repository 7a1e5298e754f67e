"""``--to triton``: a model repository for NVIDIA's Triton Inference Server."""

from __future__ import annotations

from pathlib import Path

from cape_fed.export.base import INPUT, OUTPUT, Source
from cape_fed.export.onnx_model import MODEL, OnnxModel, write_graph
from cape_fed.signal.leads import LEADS

NAME = "ecg_encoder"
_CONFIG = """name: "{name}"
backend: "onnxruntime"
max_batch_size: 64
input [
  {{
    name: "{input}"
    data_type: TYPE_FP32
    dims: [ {leads}, -1 ]
  }}
]
output [
  {{
    name: "{output}"
    data_type: TYPE_FP32
    dims: [ {dim} ]
  }}
]
dynamic_batching {{
  max_queue_delay_microseconds: 2000
}}
"""


class TritonRepository(OnnxModel):
    """The ONNX graph as version 1 of a model; requests of one length are batched by the server."""

    name = "triton"

    def write(self, source: Source, out: Path) -> None:
        """Write ``NAME/config.pbtxt`` and ``NAME/1/model.onnx``."""
        version = out / NAME / "1"
        version.mkdir(parents=True)
        write_graph(source, version / MODEL)
        text = _CONFIG.format(name=NAME, input=INPUT, output=OUTPUT, leads=len(LEADS), dim=source.encoder.dim)
        (out / NAME / "config.pbtxt").write_text(text)
