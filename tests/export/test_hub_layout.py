"""huggingface_hub's mixin loads what is written for it, from a directory and without asking the hub."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cape_fed.errors import VersionError
from cape_fed.export.hub import HubEncoder
from cape_fed.export.write import export_bundle
from cape_fed.release.bundle import load_encoder
from tests.export.helpers import prepared, recording


def test_from_pretrained_reads_the_directory(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export_bundle(bundle, "hf", tmp_path / "out")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = HubEncoder.from_pretrained(tmp_path / "out", strict=True)
    encoder = load_encoder(bundle)
    assert all(
        torch.equal(loaded.state_dict()[f"encoder.{name}"], value)
        for name, value in encoder.encoder.state_dict().items()
    )
    ecg = recording(4000)
    np.testing.assert_array_equal(loaded.pretrained().embed(ecg, 500), encoder.embed(ecg, 500))
    assert loaded.pretrained().provenance.method == "test"
    one = torch.from_numpy(prepared(encoder, ecg, 500))[None]
    np.testing.assert_allclose(loaded(one)[0].detach(), encoder.embed(ecg, 500), atol=1e-5)


def test_the_mixin_writes_the_same_layout(bundle: Path, tmp_path: Path) -> None:
    export_bundle(bundle, "hf", tmp_path / "out")
    HubEncoder.from_pretrained(tmp_path / "out").save_pretrained(tmp_path / "again")
    ours, theirs = (load_file(tmp_path / name / "model.safetensors") for name in ("out", "again"))
    assert ours.keys() == theirs.keys()
    again = HubEncoder.from_pretrained(tmp_path / "again", strict=True)
    assert again.profile == load_encoder(bundle).profile


def test_an_encoder_of_other_profile_arithmetic_is_refused(bundle: Path, tmp_path: Path) -> None:
    export_bundle(bundle, "hf", tmp_path / "out")
    held = json.loads((tmp_path / "out" / "config.json").read_text())
    held["profile"]["version"] = 1
    (tmp_path / "out" / "config.json").write_text(json.dumps(held))
    with pytest.raises(VersionError, match=r"this encoder was trained with version 1 .* train it again"):
        HubEncoder.from_pretrained(tmp_path / "out")
