"""What a message holds, in words and numbers that an admin can read: names, shapes, norms, numbers and no array."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord

from cape_fed.federation.messages import Content


def describe_content(content: Content) -> dict[str, Any]:
    """Every record by name: of arrays kind, shape and Euclidean norm; numbers and texts as they are."""
    return {name: _describe(record) for name, record in content.items()}


def summarise(described: dict[str, Any]) -> str:
    """One line on what `describe_content` says."""
    return "; ".join(f"{name}: {_words(record)}" for name, record in described.items()) or "nothing"


def _describe(record: Any) -> Any:
    if isinstance(record, ArrayRecord):
        return {name: _describe_array(array) for name, array in record.items()}
    if isinstance(record, ConfigRecord):
        return {name: _parse(value) for name, value in record.items()}
    return {name: _plain(value) for name, value in record.items()}


def _describe_array(array: Array) -> dict[str, Any]:
    """Bits of bfloat16 travel as integers and have no norm."""
    described: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    if str(array.dtype).startswith("float"):
        values = array.numpy().astype(np.float64, copy=False)
        described["norm"] = _plain(float(np.sqrt((values * values).sum())))
    return described


def _parse(value: Any) -> Any:
    """JSON that a text holds, else the text."""
    if not isinstance(value, str):
        return _plain(value)
    try:
        return json.loads(value, parse_constant=str)
    except ValueError:
        return value


def _plain(value: Any) -> Any:
    """A value that JSON has: what is not finite becomes a text, bytes their number."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _words(record: Any) -> str:
    if not isinstance(record, dict) or not record:
        return str(record)
    if all(isinstance(value, dict) and "shape" in value for value in record.values()):
        return ", ".join(f"{name} {value['dtype']}{value['shape']}{_norm(value)}" for name, value in record.items())
    if all(isinstance(value, int | float) for value in record.values()):
        return ", ".join(f"{name} {value:.4g}" for name, value in record.items())
    return f"{len(json.dumps(record))} characters"


def _norm(value: dict[str, Any]) -> str:
    return f" of norm {value['norm']:.4g}" if isinstance(value.get("norm"), float) else ""
