"""What a site computes with: device, memory and time of a training step, versions of what it stands on."""

from __future__ import annotations

import importlib.metadata
import platform
from statistics import median
from time import perf_counter
from typing import Literal

import torch
from packaging.requirements import Requirement

from cape_fed.errors import InputError
from cape_fed.pretrain.cohorts import Cohort, open_stores, split_stores
from cape_fed.pretrain.config import PretrainConfig
from cape_fed.pretrain.device import choose_device
from cape_fed.pretrain.workbench import Workbench
from cape_fed.site.check.finding import Finding, Subject, failed, passed, skipped, warning

EXTRA = "federation"
"""What a site is installed with."""
STEPS = 3
"""Timed steps at most, after one that is not: it allocates and chooses kernels."""
ENOUGH = 5.0
"""Seconds of timed steps after which no more are taken."""
Precision = Literal["float32", "bfloat16"]


def check_device(subject: Subject) -> Finding:
    """The device is there."""
    device = choose_device(subject.site.device)
    if device.type == "cuda":
        return passed(f"{device}, {torch.cuda.get_device_name(device)}")
    said = f"{device} with {torch.get_num_threads()} threads"
    if torch.cuda.is_available():
        return warning(f"{said}, though this machine has a GPU", 'write device = "auto" in site.toml to use it')
    return passed(said)


def check_step(subject: Subject) -> Finding:
    """A training step of the planned size fits into memory; how long it takes in either precision."""
    if subject.site.role != "train":
        return skipped("this site does not train")
    if subject.plan is None:
        return skipped("site.toml names no plan, so the size of a batch is not known")
    device = choose_device(subject.site.device)
    pairs = subject.plan.train.pairs
    threads = torch.get_num_threads()
    torch.set_num_threads(subject.site.threads or threads)
    try:
        seconds = {name: _seconds(subject, name, device) for name in ("float32", "bfloat16")}
    except torch.OutOfMemoryError:
        total = torch.cuda.get_device_properties(device).total_memory
        return failed(
            f"a batch of {pairs} pairs does not fit into the {total / 1e9:.0f} GB of {device}",
            "free the GPU of other processes, or ask the coordinator for a smaller train.pairs",
        )
    finally:
        torch.set_num_threads(threads)
    said = f"{pairs} pairs: " + ", ".join(f"{name} {value:.3g} s a step" for name, value in seconds.items())
    if device.type == "cuda":
        peak, total = torch.cuda.max_memory_allocated(device), torch.cuda.get_device_properties(device).total_memory
        said += f"; {peak / 1e9:.1f} of {total / 1e9:.0f} GB"
    if subject.plan.precision == "bfloat16" and seconds["bfloat16"] > seconds["float32"]:
        return warning(
            f"{said}; the plan says bfloat16, which is the slower one here", "ask the coordinator for float32"
        )
    if seconds["bfloat16"] > seconds["float32"]:
        said += "; bfloat16 is the slower one here"
    return passed(said)


def _seconds(subject: Subject, precision: Precision, device: torch.device) -> float:
    """Median time of a step on the site's own records; nothing is kept of what is trained."""
    assert subject.plan is not None
    plan: PretrainConfig = subject.plan.model_copy(update={"precision": precision})
    stores = open_stores(subject.site.stores)
    splits = split_stores(stores, plan.split)
    cohorts = [Cohort(store, splits[store.cohort]) for store in stores]
    bench = Workbench(plan, subject.site.name, cohorts, STEPS + 1, device)
    times, begin = [], perf_counter()
    for _, loss in bench.train(0, STEPS + 1):
        float(loss)  # waits for the device
        times.append(perf_counter() - begin)
        if sum(times[1:]) > ENOUGH:
            break
        begin = perf_counter()
    return median(times[1:])


def check_versions(subject: Subject) -> Finding:
    """What is installed is what this version of cape-fed was made for."""
    own = importlib.metadata.version("cape-fed")
    try:
        required = [Requirement(text) for text in importlib.metadata.requires("cape-fed") or ()]
    except importlib.metadata.PackageNotFoundError as error:
        raise InputError("cape-fed is not installed as a package: pip install it") from error
    wrong = []
    for requirement in required:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": EXTRA}):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    if wrong:
        remedy = f"install the versions in constraints.txt: pip install -c constraints.txt 'cape-fed[{EXTRA}]'"
        return failed("; ".join(wrong), remedy)
    flower, torch_version = (importlib.metadata.version(name) for name in ("flwr", "torch"))
    return passed(f"cape-fed {own}, Flower {flower}, PyTorch {torch_version}, Python {platform.python_version()}")
