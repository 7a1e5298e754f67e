"""Export formats by name: a new one is a file and its line in this one."""

from __future__ import annotations

from cape_fed.errors import InputError
from cape_fed.export.base import ExportFormat
from cape_fed.export.hub_layout import HubLayout
from cape_fed.export.onnx_model import OnnxModel
from cape_fed.export.torch_program import TorchProgram
from cape_fed.export.triton_repository import TritonRepository

FORMATS: dict[str, ExportFormat] = {
    format.name: format
    for format in (
        OnnxModel(),
        TorchProgram(),
        TritonRepository(),
        HubLayout(),
    )
}


def get_format(name: str) -> ExportFormat:
    """The format of a name; InputError names the known ones."""
    if name not in FORMATS:
        raise InputError(f"unknown export format '{name}': choose one of {', '.join(FORMATS)}")
    return FORMATS[name]
