"""Batches and streams of any size in bounded memory, and the sequence before pooling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from cape_fed.pretrain.encoders import MODELS, build_encoder
from cape_fed.release.pretrained import BATCH, PretrainedEncoder
from cape_fed.release.rows import AHEAD
from cape_fed.signal.profile import get_profile

PROFILE = get_profile("compact100")
COUNT = AHEAD + 45


@pytest.fixture(scope="module")
def encoder() -> PretrainedEncoder:
    return PretrainedEncoder(build_encoder(MODELS["tiny"], 0), PROFILE)


@pytest.fixture
def sizes(encoder: PretrainedEncoder) -> Iterator[list[int]]:
    """How many rows the encoder computed on, each time."""
    seen: list[int] = []
    hook = encoder.encoder.stem.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    yield seen
    hook.remove()


def recordings(count: int, *seconds: float) -> Iterator[np.ndarray]:
    rng = np.random.default_rng(1)
    for index in range(count):
        yield rng.normal(0, 0.3, (12, round(PROFILE.fs * seconds[index % len(seconds)]))).astype(np.float32)


def test_a_large_batch_is_computed_in_parts(encoder: PretrainedEncoder, sizes: list[int], one_thread: None) -> None:
    batch = np.stack(list(recordings(COUNT, 2)))
    embedded = encoder.embed(batch, PROFILE.fs)
    assert sum(sizes) == COUNT
    assert max(sizes) <= BATCH
    rows = encoder.prepare(batch, PROFILE.fs)
    with torch.no_grad():
        at_once = encoder.encoder(torch.from_numpy(rows.signals[:, :, :200]).float() / 1000).numpy()
    np.testing.assert_allclose(embedded, at_once, atol=1e-5)


def test_a_stream_gives_the_same_in_order_and_is_read_only_so_far_ahead(encoder: PretrainedEncoder) -> None:
    read = []

    def source() -> Iterator[np.ndarray]:
        for index, record in enumerate(recordings(COUNT, 2, 3.5, 12)):
            read.append(index)
            yield record

    stream = encoder.embed(source(), PROFILE.fs)
    assert read == []
    first = next(stream)
    assert len(read) == AHEAD
    embedded = np.stack([first, *stream])
    assert len(embedded) == COUNT
    for index in (0, 1, 2, 100, COUNT - 1):
        alone = encoder.embed(list(recordings(index + 1, 2, 3.5, 12))[index], PROFILE.fs)
        np.testing.assert_allclose(embedded[index], alone, atol=1e-5)


def test_what_comes_before_a_recording_that_does_not_fit_is_embedded(encoder: PretrainedEncoder) -> None:
    good = list(recordings(4, 2))
    for bad, says in ((good[0][:8], "record 2: expected 12 leads"), (good[0] * 1e4, "record 2 has .*microvolts")):
        got = []
        with pytest.raises(ValueError, match=says):
            got.extend(encoder.embed(iter([*good[:2], bad, *good[2:]]), PROFILE.fs))
        stream = encoder.embed(iter([*good[:2], bad]), PROFILE.fs)
        assert np.allclose(np.stack([next(stream), next(stream)]), encoder.embed(np.stack(good[:2]), PROFILE.fs))
    with pytest.raises(ValueError, match="record 0: a stream is of single recordings"):
        next(encoder.embed(iter([np.stack(good)]), PROFILE.fs))
    assert list(encoder.embed(iter([]), PROFILE.fs)) == []
    with pytest.raises(ValueError, match="sampling rate"):
        encoder.embed(iter(good), 0)


@pytest.mark.parametrize("count", [0, 3, AHEAD, AHEAD + 2])
def test_what_was_read_before_the_source_of_a_stream_failed_is_embedded(encoder: PretrainedEncoder, count: int) -> None:
    def source() -> Iterator[np.ndarray]:
        yield from recordings(count, 2)
        raise OSError("the disk is gone")

    got = []
    with pytest.raises(OSError, match="the disk is gone"):
        got.extend(encoder.embed(source(), PROFILE.fs))
    assert len(got) == count
    if count:
        np.testing.assert_allclose(got[-1], encoder.embed(list(recordings(count, 2))[-1], PROFILE.fs), atol=1e-5)


def test_an_embedding_is_the_mean_of_its_valid_features(encoder: PretrainedEncoder) -> None:
    for seconds in (2, 3.3, 10, 12):
        batch = np.stack(list(recordings(3, seconds)))
        sequence, valid = encoder.features(batch, PROFILE.fs)
        positions = encoder.encoder.positions(PROFILE.samples)
        assert (sequence.shape, valid.shape) == ((3, positions, encoder.dim), (3, positions))
        assert valid.sum(axis=1).tolist() == [encoder.encoder.positions(min(PROFILE.samples, batch.shape[-1]))] * 3
        assert not sequence[~valid].any()
        mean = sequence.sum(axis=1) / valid.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(mean, encoder.embed(batch, PROFILE.fs), atol=1e-5)
        one = encoder.features(batch[0], PROFILE.fs)
        np.testing.assert_allclose(one.sequence, sequence[0], atol=1e-5)
        assert (one.valid == valid[0]).all()


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("samples", [1, 7, 100, 999, 1000])
def test_positions_are_those_of_the_sequence(model: str, samples: int) -> None:
    encoder = build_encoder(MODELS[model].model_copy(update={"widths": (8, 8, 8, 8, 8)}), 0)
    assert encoder.sequence(torch.zeros(2, 12, samples)).shape == (2, encoder.config.dim, encoder.positions(samples))


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="this PyTorch has other names")
def test_convolutions_are_in_float32_and_what_the_caller_computes_is_as_before(encoder: PretrainedEncoder) -> None:
    settings = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before, inside = [each.fp32_precision for each in settings], []
    hook = encoder.encoder.stem.register_forward_pre_hook(
        lambda *_: inside.append([each.fp32_precision for each in settings])
    )
    for _ in encoder.embed(recordings(3, 2, 3), PROFILE.fs):
        assert [each.fp32_precision for each in settings] == before
    encoder.features(next(recordings(1, 2)), PROFILE.fs)
    hook.remove()
    assert inside == [["ieee", "ieee"]] * 3
    assert [each.fp32_precision for each in settings] == before


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_gives_what_a_cpu_gives(encoder: PretrainedEncoder) -> None:
    moved = PretrainedEncoder(build_encoder(MODELS["tiny"], 0).to("cuda"), PROFILE)
    batch = np.stack(list(recordings(70, 4)))
    np.testing.assert_allclose(moved.embed(batch, PROFILE.fs), encoder.embed(batch, PROFILE.fs), atol=1e-4)
    sequence, valid = moved.features(batch, PROFILE.fs)
    expected = encoder.features(batch, PROFILE.fs)
    np.testing.assert_allclose(sequence, expected.sequence, atol=1e-3)
    assert (valid == expected.valid).all()
