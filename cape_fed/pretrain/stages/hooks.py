"""Refuses per-sample gradient hooks on a contrastive loss."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from cape_fed.errors import InputError

NAIVE = (
    "per-sample clipping protects nobody here: the contrastive loss of a patient depends on all others in the batch, "
    "so that leaving one out changes every clipped gradient; use privacy=patient, which clips blocks of patients"
)


def refuse_per_sample_hooks(modules: Iterable[nn.Module]) -> None:
    """InputError where Opacus has hooked into a module whose gradient is that of a contrastive batch loss."""
    for module in modules:
        for part in module.modules():
            hooks = (*part._forward_hooks.values(), *part._backward_hooks.values())
            if _from_opacus(part) or any(_from_opacus(hook) for hook in hooks):
                raise InputError(NAIVE)


def _from_opacus(thing: object) -> bool:
    thing = getattr(thing, "func", thing)  # a partial
    owner = getattr(thing, "__self__", thing)  # a bound method
    return type(owner).__module__.partition(".")[0] == "opacus" or str(getattr(thing, "__module__", "")).startswith(
        "opacus."
    )
