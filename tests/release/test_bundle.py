"""Bundles load as they were written, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import cape_fed
from cape_fed.errors import InputError, VersionError
from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.bundle import amend_bundle, load_encoder, reference_signal, write_bundle
from cape_fed.release.embed import embed_store
from cape_fed.release.provenance import Provenance
from cape_fed.release.sums import write_sums
from cape_fed.signal.profile import get_profile
from cape_fed.store.counts import CohortCounts
from tests.conftest import TinyStore

PROFILE = get_profile("compact100")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    provenance = Provenance(method="test", cohorts={"a": CohortCounts(records=12, patients=9)})
    write_bundle(tmp_path / "bundle", build_encoder(MODELS["tiny"], 0), PROFILE, provenance)
    return tmp_path / "bundle"


def ecg(seconds: float = 10, fs: int = 500) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.3, (12, int(seconds * fs))).astype(np.float32)


def test_holds_what_it_should_and_nothing_else(bundle: Path) -> None:
    assert {path.name for path in bundle.iterdir()} == {
        "model.safetensors", "config.json", "profile.json", "reference.npz", "README.md", "SHA256SUMS",
    }  # fmt: skip
    card = (bundle / "README.md").read_text()
    assert "12 records of 9 patients" in card
    assert "{" not in card.replace("{method}", "")


def test_embeds_one_and_many(bundle: Path) -> None:
    encoder = cape_fed.load_encoder(bundle)
    one = encoder.embed(ecg(), 500)
    many = encoder.embed(np.stack([ecg(), -ecg()]), 500)
    assert one.shape == (encoder.dim,)
    assert many.shape == (2, encoder.dim)
    assert many.dtype == np.float32
    assert np.allclose(one, many[0], atol=1e-5)
    assert not np.allclose(many[0], many[1], atol=1e-3)


@pytest.mark.parametrize("fs", [100, 250, 257, 360, 400, 1000])
def test_the_rate_is_the_archives_business(bundle: Path, fs: int) -> None:
    time = np.arange(10 * fs) / fs
    wave = np.sin(2 * np.pi * np.outer(np.linspace(1, 6, 12), time)).astype(np.float32)
    reference = np.sin(2 * np.pi * np.outer(np.linspace(1, 6, 12), np.arange(5000) / 500)).astype(np.float32)
    encoder = load_encoder(bundle)
    one, two = encoder.embed(wave, fs), encoder.embed(reference, 500)
    assert np.linalg.norm(one - two) < 0.05 * np.linalg.norm(two)


def test_a_store_row_and_its_recording_give_the_same_embedding(bundle: Path, tiny_store: TinyStore) -> None:
    store = tiny_store("a")
    encoder = load_encoder(bundle)
    embedded = embed_store(encoder, store)
    assert embedded.shape == (len(store), encoder.dim)
    # The offset of a lead is removed on the way in; the stored signals here have none to speak of.
    direct = encoder.embed(store.millivolts([3])[0], PROFILE.fs)
    assert np.linalg.norm(embedded[3] - direct) < 0.02 * np.linalg.norm(direct)


def test_a_store_of_another_profile_is_refused(bundle: Path, tiny_store: TinyStore) -> None:
    with pytest.raises(InputError, match="ingest the archive with --profile compact100"):
        embed_store(load_encoder(bundle), tiny_store("wide", profile="cape400"))


@pytest.mark.parametrize(
    ("array", "fs", "says"),
    [
        (np.zeros(5000), 500, "expected [12, n] or [B, 12, n]"),
        (np.zeros((5000, 12)), 500, "transpose it"),
        (np.zeros((8, 5000)), 500, "expected 12 leads"),
        (np.zeros((12, 5000)), 0, "sampling rate"),
        (np.zeros((12, 5000)), float("nan"), "sampling rate"),
        (np.zeros((12, 100)), 500, "at least one second"),
        (np.full((12, 5000), np.nan), 500, "no finite sample"),
        (1000 * ecg(), 500, "microvolts or ADC counts"),
    ],
)
def test_wrong_input_is_named(bundle: Path, array: np.ndarray, fs: float, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("[", r"\[").replace("]", r"\]")):
        load_encoder(bundle).embed(array, fs)


def test_missing_samples_and_leads_are_allowed(bundle: Path) -> None:
    signal = ecg()
    signal[3] = np.nan
    signal[:, 100:200] = np.nan
    assert np.isfinite(load_encoder(bundle).embed(signal, 500)).all()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "profile.json", "reference.npz", "README.md"])
@pytest.mark.parametrize("harm", [_flip, Path.unlink])
def test_an_altered_or_missing_file_is_named(bundle: Path, name: str, harm: Callable[[Path], None]) -> None:
    harm(bundle / name)
    with pytest.raises(InputError, match=name):
        load_encoder(bundle)


def test_other_weights_under_right_checksums_do_not_pass_the_reference(bundle: Path) -> None:
    weights = load_file(bundle / "model.safetensors")
    save_file(
        {name: value + 0.1 * torch.randn_like(value) for name, value in weights.items()}, bundle / "model.safetensors"
    )
    write_sums(bundle)
    with pytest.raises(InputError, match="another embedding than its reference"):
        load_encoder(bundle)


def test_extra_or_missing_tensors_are_refused(bundle: Path) -> None:
    weights = load_file(bundle / "model.safetensors")
    save_file({**weights, "head.0.weight": torch.zeros(2)}, bundle / "model.safetensors")
    write_sums(bundle)
    with pytest.raises(InputError, match=r"does not fit config\.json"):
        load_encoder(bundle)


def test_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a bundle"):
        load_encoder(tmp_path)


def test_a_file_that_nothing_vouches_for_is_named(bundle: Path) -> None:
    (bundle / "extra.bin").write_bytes(b"x")
    with pytest.raises(InputError, match=r"extra\.bin is not listed in SHA256SUMS"):
        load_encoder(bundle)


def test_a_listed_file_that_is_gone_or_altered_is_named(bundle: Path) -> None:
    (bundle / "extra.bin").write_bytes(b"x")
    with (bundle / "SHA256SUMS").open("a") as sums:
        sums.write(f"{hashlib.sha256(b'x').hexdigest()}  extra.bin\n")
    load_encoder(bundle)
    (bundle / "extra.bin").write_bytes(b"y")
    with pytest.raises(InputError, match=r"extra\.bin was altered"):
        load_encoder(bundle)
    (bundle / "extra.bin").unlink()
    with pytest.raises(InputError, match=r"extra\.bin is listed .* and missing"):
        load_encoder(bundle)


def test_a_bundle_of_the_first_version_loads(bundle: Path) -> None:
    """Its configuration names no architecture, and its provenance was a plain dictionary."""
    plain = json.loads((bundle / "config.json").read_text())
    del plain["encoder"]["architecture"]
    plain["provenance"] = {
        "method": "central idb",
        "cohorts": {"a": {"records": 12, "patients": 9, "fingerprint": "f"}},
    }
    plain["provenance"]["config"] = {"seed": 3, "split": {"seed": 1, "valid": 0.2, "test": 0.2}}
    text = json.dumps(plain)
    sums = (bundle / "SHA256SUMS").read_text()
    old = hashlib.sha256((bundle / "config.json").read_bytes()).hexdigest()
    (bundle / "config.json").write_text(text)
    (bundle / "SHA256SUMS").write_text(sums.replace(old, hashlib.sha256(text.encode()).hexdigest()))
    provenance = load_encoder(bundle).provenance
    assert provenance.method == "central idb"
    assert provenance.cohorts["a"].patients == 9
    assert provenance.split.valid == 0.2


def changed(bundle: Path, name: str, **changes: object) -> Path:
    """The bundle with something else in a JSON file, under right checksums."""
    (bundle / name).write_text(json.dumps(json.loads((bundle / name).read_text()) | changes))
    write_sums(bundle)
    return bundle


READERS = [load_encoder, lambda bundle: amend_bundle(bundle, lambda provenance: provenance)]


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("more", [{}, {"compression": "zstd"}])
def test_a_bundle_of_a_later_format_says_so_whatever_else_it_holds(
    bundle: Path, read: Any, more: dict[str, str]
) -> None:
    with pytest.raises(VersionError, match=r"bundle has bundle format 2, .* reads 1: use the version that wrote it"):
        read(changed(bundle, "config.json", format=2, **more))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    ("version", "says"),
    [
        (1, r"version 1 of profile arithmetic, .* computes version 2: train it again"),
        (0, "train it again"),
        (3, "version 3 of profile arithmetic, .* use a later version of cape-fed"),
    ],
)
def test_an_encoder_of_other_profile_arithmetic_is_refused(bundle: Path, read: Any, version: int, says: str) -> None:
    with pytest.raises(VersionError, match=says):
        read(changed(bundle, "profile.json", version=version, window="later"))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("name", ["config.json", "profile.json"])
@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"{}", b"\xff\xfe", b'{"nothing": 1}'])
def test_a_description_that_cannot_be_read_is_named(bundle: Path, read: Any, name: str, content: bytes) -> None:
    (bundle / name).write_bytes(content)
    write_sums(bundle)
    with pytest.raises(InputError, match=f"not a bundle this version can read: check {name}"):
        read(bundle)


def test_a_bundle_is_amended_where_it_lies_and_a_link_to_it_stays(bundle: Path) -> None:
    link = bundle.with_name("latest")
    link.symlink_to(bundle.name)
    amend_bundle(link, lambda provenance: provenance.model_copy(update={"licence": "CC-BY-4.0"}))
    assert load_encoder(bundle).provenance.licence == load_encoder(link).provenance.licence == "CC-BY-4.0"
    write_bundle(link, build_encoder(MODELS["tiny"], 1), PROFILE, Provenance(method="again"))
    assert load_encoder(bundle).provenance.method == "again"
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle", "latest"]
    assert link.is_symlink()


SIGNAL, EMBEDDING = reference_signal(PROFILE), np.ones(160, np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"ecg_mv": SIGNAL, "embedding": EMBEDDING},
        {"ecg_mv": SIGNAL, "fs": 100.0, "embedding": EMBEDDING[:80]},
        {"ecg_mv": SIGNAL, "fs": 100.0, "embedding": np.ones((2, 160))},
        {"ecg_mv": SIGNAL[None], "fs": 100.0, "embedding": EMBEDDING},
        {"ecg_mv": SIGNAL[:, :60], "fs": 100.0, "embedding": EMBEDDING},
        {"ecg_mv": SIGNAL[:8], "fs": 100.0, "embedding": EMBEDDING},
        {"ecg_mv": SIGNAL, "fs": np.ones(2), "embedding": EMBEDDING},
        {"ecg_mv": SIGNAL, "fs": 100.0, "embedding": np.full(160, "x")},
        {"ecg_mv": SIGNAL, "fs": 100.0, "embedding": np.full(160, None)},
    ],
)
def test_a_reference_of_something_else_is_named(bundle: Path, arrays: dict[str, Any]) -> None:
    np.savez(bundle / "reference.npz", **arrays)
    write_sums(bundle)
    with pytest.raises(InputError, match=r"reference\.npz is no reference of this encoder"):
        load_encoder(bundle)


@pytest.mark.parametrize("share", [0, 0.3, 0.9, 0.999])
def test_a_reference_that_was_cut_off_is_named(bundle: Path, share: float) -> None:
    whole = (bundle / "reference.npz").read_bytes()
    (bundle / "reference.npz").write_bytes(whole[: int(share * len(whole))])
    write_sums(bundle)
    with pytest.raises(InputError, match=r"reference\.npz is no reference of this encoder"):
        load_encoder(bundle)


@pytest.mark.parametrize("shape", [{"widths": [24, 40, 80, 161]}, {"groups": 0}, {"widths": [24, -40, 80, 160]}])
def test_a_shape_that_no_encoder_has_is_named(bundle: Path, shape: dict[str, Any]) -> None:
    held = json.loads((bundle / "config.json").read_text())
    with pytest.raises(InputError, match=r"config\.json describes no encoder that can be built"):
        load_encoder(changed(bundle, "config.json", encoder=held["encoder"] | shape))


def test_checksums_that_are_no_text_are_named(bundle: Path) -> None:
    (bundle / "SHA256SUMS").write_bytes(b"\xff\xfe\x00")
    for read in READERS:
        with pytest.raises(InputError, match="SHA256SUMS is no list of checksums: get the bundle again"):
            read(bundle)
