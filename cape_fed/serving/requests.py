"""From a ModelInferRequest to recordings, and from embeddings to a ModelInferResponse."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from cape_fed.release.lead_order import Missing
from cape_fed.serving.protocol import protocol
from cape_fed.serving.refusal import invalid
from cape_fed.serving.tensors import Tensors, shown

ECG, FS, LEADS, MISSING, EMBEDDING = "ecg", "fs", "leads", "missing", "embedding"
PARAMETERS = (FS, LEADS, MISSING)
RATES = ("FP32", "FP64", "INT32", "INT64")


class Recordings(NamedTuple):
    """What a request asks to embed."""

    ecg_mv: NDArray[np.float32]
    """``[B, leads, n]``, a view of the request's bytes where these are raw."""
    fs: float
    leads: list[str] | None
    """Names of the leads in their order, where the request has any."""
    missing: Missing
    """What becomes of leads that are not there."""
    is_raw: bool


def parse(method: str, content: bytes) -> Any:
    """The request message of a method; RefusedError where the bytes are none."""
    try:
        return protocol().methods[method].request.FromString(content)
    except DecodeError:
        raise invalid(f"this is no message of type {method}Request") from None


def read_recordings(request: Any, most: int) -> Recordings:
    """The recordings of a request, ``most`` of them at most; RefusedError where anything in it does not fit."""
    _check_outputs(request)
    unknown = sorted(set(request.parameters) - set(PARAMETERS))
    if unknown:
        raise invalid(f"parameter '{shown(unknown[0])}' is not known: there are {', '.join(PARAMETERS)}")
    tensors = Tensors(request)
    strange = sorted(tensors.names() - {ECG, FS, LEADS})
    if strange:
        raise invalid(f"input '{shown(strange[0])}' is not known: there are {ECG}, {FS} and {LEADS}")
    if ECG not in tensors.names():
        raise invalid(f"input '{ECG}' is missing: send [B, 12, n] in mV as FP32")
    ecg = tensors.numbers(ECG, ("FP32",))
    if ecg.ndim != 3 or not len(ecg):
        raise invalid(f"input '{ECG}' has shape {list(ecg.shape)}: send [B, 12, n] with B of 1 or more")
    if len(ecg) > most:
        raise invalid(f"input '{ECG}' has {len(ecg)} recordings: send at most {most} in a request")
    return Recordings(ecg, _rate(request, tensors), _leads(request, tensors), _missing(request), tensors.is_raw)


def write_answer(request: Any, version: str, embedding: NDArray[np.float32], is_raw: bool) -> bytes:
    """The response with embeddings ``[B, dim]``, raw or typed as the request was."""
    response = (
        protocol().methods["ModelInfer"].response(model_name=request.model_name, model_version=version, id=request.id)
    )
    output = response.outputs.add(name=EMBEDDING, datatype="FP32", shape=embedding.shape)
    if is_raw:
        response.raw_output_contents.append(embedding.astype("<f4", copy=False).tobytes())
    else:
        output.contents.fp32_contents.extend(embedding.ravel().tolist())
    content: bytes = response.SerializeToString()
    return content


def _check_outputs(request: Any) -> None:
    for index, output in enumerate(request.outputs):
        if output.name != EMBEDDING or index:
            raise invalid(f"output '{shown(output.name)}' is not known, or asked for twice: there is {EMBEDDING}")
        if output.parameters:
            raise invalid(f"output '{EMBEDDING}' has parameters, of which none is known")


def _rate(request: Any, tensors: Tensors) -> float:
    """The sampling rate: an input tensor or a parameter, not both."""
    if (FS in tensors.names()) == (FS in request.parameters):
        raise invalid(f"send the sampling rate in Hz once: as parameter '{FS}' or as input '{FS}' of shape [1]")
    if FS in tensors.names():
        values = tensors.numbers(FS, RATES)
        if values.size != 1:
            raise invalid(f"input '{FS}' has shape {list(values.shape)}: send one rate, [1], for all recordings")
        return float(values.reshape(-1)[0])
    parameter = request.parameters[FS]
    kind = parameter.WhichOneof("parameter_choice")
    if kind not in ("int64_param", "uint64_param", "double_param"):
        raise invalid(f"parameter '{FS}' is no number: send int64_param or double_param")
    return float(getattr(parameter, kind))


def _leads(request: Any, tensors: Tensors) -> list[str] | None:
    """Names of the leads: an input tensor of texts, or one parameter with commas."""
    if LEADS in tensors.names() and LEADS in request.parameters:
        raise invalid(f"send '{LEADS}' once: as a parameter or as an input")
    if LEADS in tensors.names():
        return tensors.texts(LEADS)
    if LEADS not in request.parameters:
        return None
    return [name.strip() for name in _text(request, LEADS).split(",")]


def _missing(request: Any) -> Missing:
    """``error`` unless the request asks for ``mask``."""
    word = _text(request, MISSING) if MISSING in request.parameters else "error"
    if word not in ("error", "mask"):
        raise invalid(f"parameter '{MISSING}' is '{shown(word)}': send error or mask")
    return "mask" if word == "mask" else "error"


def _text(request: Any, name: str) -> str:
    parameter = request.parameters[name]
    if parameter.WhichOneof("parameter_choice") != "string_param":
        raise invalid(f"parameter '{name}' is no text: send string_param")
    return str(parameter.string_param)
