"""An export is whole, vouched for and apart from the bundle, or it is not there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cape_fed.errors import InputError
from cape_fed.export.write import export_bundle
from cape_fed.release.sums import digest


def test_every_file_is_covered_and_the_card_goes_along(bundle: Path, tmp_path: Path) -> None:
    export_bundle(bundle, "triton", tmp_path / "out", rate=500)
    out = tmp_path / "out"
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    listed = {line.partition("  ")[2] for line in (out / "SHA256SUMS").read_text().splitlines()}
    assert listed == files - {"SHA256SUMS"}
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=out, check=True)
    assert (out / "README.md").read_text() == (bundle / "README.md").read_text()
    about = json.loads((out / "export.json").read_text())
    assert about["bundle"] == digest(bundle / "SHA256SUMS")
    assert (about["format"], about["rate_hz"], about["unit"], about["window_s"]) == ("triton", "500", "mV", "10")


@pytest.mark.parametrize(
    ("to", "rate", "says"),
    [
        ("tensorflow", None, "unknown export format 'tensorflow': choose one of onnx, torch, triton, hf"),
        ("torch", 500, "--to torch takes prepared recordings"),
        ("hf", 500, "--to hf takes prepared recordings"),
        ("onnx", 5, "--rate: expected a sampling rate between 50"),
        ("onnx", 333.33, "resampling by 10000/33333 does not fit into a graph"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    bundle: Path, tmp_path: Path, to: str, rate: float | None, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        export_bundle(bundle, to, tmp_path / "out", rate)
    assert not list(tmp_path.iterdir())


def test_what_is_there_stays(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    with pytest.raises(InputError, match="kept is there already"):
        export_bundle(bundle, "hf", tmp_path / "kept")
    with pytest.raises(InputError, match="is inside the bundle"):
        export_bundle(bundle, "hf", bundle / "out")
    with pytest.raises(InputError, match="is not a bundle"):
        export_bundle(tmp_path / "kept", "hf", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
