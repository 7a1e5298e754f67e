"""A one-run audit (Steinke et al. 2023): guess from one training which patients took part, as well as anybody could.

Every patient is a canary who is in by a coin of its own, and has a direction of its own in the weights: no objective
gives an attacker more. What is trained with is the real sampler, clip, sum, noise and denominator.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import stats

from cape_fed.privacy.accounting import noise_for
from cape_fed.privacy.audit.laws import Finding
from cape_fed.privacy.audit.subject import Subject
from cape_fed.privacy.gradient import Blocks, Contrast, Gradients

CLAIMED, STEPS, DELTA = 3.0, 8, 1e-5
"""Above an ε of about 5 no number of guesses that fits into one run could refute it."""
LEVEL = 0.05


def canary_gradients(model: Contrast, blocks: Blocks) -> Gradients:
    """In place of the objective: the sum of its patients' own directions, far longer than any clip."""
    first, *others = model.parameters()
    ecg = blocks[0]
    patients = (1000 * ecg[:, 0, 0, :, 0, 0]).round().long()  # [B, k], from µV
    directions = torch.zeros(len(ecg), first.numel(), device=ecg.device)
    directions.scatter_(1, patients, 1e3)
    return [directions.view(-1, *first.shape), *(other.new_zeros(len(ecg), *other.shape) for other in others)]


def audit_canaries(subject: Subject, claimed: float = CLAIMED, steps: int = STEPS) -> Finding:
    """The lower end of ε that one run shows with 95 % confidence is not above what is claimed."""
    noise = noise_for(claimed, DELTA, subject.privacy.sample_rate, steps)
    rng = np.random.default_rng()
    inside = rng.random(subject.patients) < 0.5
    learner, sampler = subject.learner(), subject.sampler()
    source = subject.source(learner, canary_gradients, noise)
    scores = np.zeros(subject.patients)
    for step in range(steps):
        drawn = sampler.draw(0)
        whole = drawn[inside[drawn].all(axis=1)]  # a block with somebody who is out has an empty slot
        released = subject.released(source, learner, subject.pairs(whole.ravel()), step)
        scores += released[0].flatten()[: subject.patients].cpu().numpy()
    shown = shown_epsilon(inside, scores)
    return Finding("canaries", shown <= claimed, f"one run shows ε of at least {shown:.2f}, claimed is {claimed:g}")


def shown_epsilon(inside: np.ndarray, scores: np.ndarray, share: float = 0.25) -> float:
    """The ε below which so many right guesses on the clearest scores at both ends would come up in 5 % of runs."""
    count = int(share * len(scores))
    order = np.argsort(scores)
    right = int(inside[order[-count:]].sum() + (~inside[order[:count]]).sum())
    level = LEVEL - 2 * len(scores) * DELTA
    low, high = 0.0, 30.0
    for _ in range(60):
        middle = (low + high) / 2
        chance = stats.binom.sf(right - 1, 2 * count, 1 / (1 + math.exp(-middle)))
        low, high = (middle, high) if chance <= level else (low, middle)
    return low
