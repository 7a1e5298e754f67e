"""``python -m bench.privacy_device [DEVICE] [MODEL]``: private and plain steps on a device, compared with the CPU.

Needs no store and no tests. Exit code 1 where the block gradients of the device are not those of the CPU, where noise
has the wrong size there, or where two steps have the same noise.
"""

from __future__ import annotations

import sys
from time import perf_counter

import torch

from bench.privacy import made_up_pairs, private_learner
from bench.row import wait
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.learner import Learner
from cape_fed.privacy.gradient import Contrast, clipped_sum, fast_gradients, loop_gradients

PAIRS, SAMPLES, FS, STEPS = 128, 1000, 100, 5


def main(name: str = "cuda", model: str = "base") -> int:
    device, cpu = torch.device(name), torch.device("cpu")
    config = PretrainConfig.model_validate({"model": model, "train": {"pairs": PAIRS}})
    good = _same_gradients(config, device, cpu) & _right_noise(config, device)
    pairs = made_up_pairs(PAIRS, SAMPLES, device)
    plain = _time(Learner(config, FS, "bench", device), pairs, device)
    for block in (4, 8):
        seconds, memory = _time(private_learner(config, FS, device, block), pairs, device)
        print(
            f"{model}, {PAIRS} patients, k={block} on {device}: private {1000 * seconds:.0f} ms, plain "
            f"{1000 * plain[0]:.0f} ms, {seconds / plain[0]:.2f} times; memory {memory / 2**20:.0f} and "
            f"{plain[1] / 2**20:.0f} MiB"
        )
    print("ok" if good else "FAIL")
    return 0 if good else 1


def _same_gradients(config: PretrainConfig, device: torch.device, cpu: torch.device) -> bool:
    """The clipped sum of blocks in one pass on the device, and by the loop on the CPU."""
    ecg = torch.randn(3, 2, 1, 4, 12, SAMPLES // 2, generator=torch.Generator().manual_seed(0))
    valid = torch.full((3, 2, 1, 4), SAMPLES // 2)
    sums = []
    torch.backends.cudnn.allow_tf32 = False  # the comparison is of float32, the times below are as in training
    for place, way in ((cpu, loop_gradients), (device, fast_gradients), (device, loop_gradients)):
        learner = Learner(config, FS, "bench", place)
        blocks = (ecg.to(place), valid.to(place))
        gradients = way(Contrast(learner.encoder, learner.head, config), blocks)
        sums.append(torch.cat([part.flatten() for part in clipped_sum(gradients, 1.0)]).cpu().double())
    torch.backends.cudnn.allow_tf32 = True
    off = max(float((other - sums[0]).norm() / sums[0].norm()) for other in sums[1:])
    print(f"clipped sums on {device} differ from the CPU's by {off:.1e} of their length")
    return off < 1e-2


def _right_noise(config: PretrainConfig, device: torch.device) -> bool:
    """A step without a block is noise of size σC / qM, another one in every step."""
    draws = []
    for step in range(2):
        learner = private_learner(config, FS, device, 4, noise=2.0)
        learner.gradient.backward(made_up_pairs(0, SAMPLES, device), step)
        parts = [parameter.grad.flatten() for parameter in learner.parameters() if parameter.grad is not None]
        draws.append(torch.cat(parts).double())
    expected = 2.0 / (0.05 * 1000)
    off = abs(float(draws[0].std()) / expected - 1) * (2 * len(draws[0])) ** 0.5
    shared = abs(float(torch.corrcoef(torch.stack(draws))[0, 1])) * len(draws[0]) ** 0.5
    print(f"noise on {device} is off by {off:.1f} standard errors, two steps share {shared:.1f}")
    return off < 5 and shared < 5


def _time(learner: Learner, pairs: object, device: torch.device) -> tuple[float, int]:
    """Seconds of a step, the best of a few, and the most memory that was allocated on the device (0 on a CPU)."""
    best = float("inf")
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    for step in range(STEPS):
        begin = perf_counter()
        learner.step(pairs, step, 100)  # type: ignore[arg-type]
        wait(device)
        best = min(best, perf_counter() - begin)
    return best, torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
