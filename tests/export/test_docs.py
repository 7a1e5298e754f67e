"""The tables of docs/using-an-encoder.md hold what is there."""

from __future__ import annotations

from pathlib import Path

from cape_fed.export.base import Source
from cape_fed.export.registry import FORMATS
from cape_fed.export.torch_program import shortest
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.pretrained import PretrainedEncoder
from cape_fed.signal.profile import PROFILES

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "using-an-encoder.md").read_text()


def test_every_profile_has_its_row() -> None:
    for profile in PROFILES.values():
        row = f"| `{profile.name}` | {profile.fs} Hz | {profile.seconds:g} s | {profile.samples} | mV |"
        assert row in TEXT, row


def test_every_format_has_its_row() -> None:
    for name, format in FORMATS.items():
        row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[3] == ("yes" if format.prepares else "no")
        assert all(f"cape-fed[{extra}]" in cells[4] for extra in format.needs.values())


def test_the_shortest_input_of_a_program_is_told() -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("| `torch` |"))
    for profile in PROFILES.values():
        for model in ("tiny", "small", "base"):
            samples = shortest(Source(PretrainedEncoder(build_encoder(MODELS[model]), profile)))
            assert f"{samples} samples with `{model}`" in row or f"{profile.fs} samples with every model" in row
