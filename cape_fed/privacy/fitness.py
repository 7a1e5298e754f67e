"""Whether a model can be trained with a gradient that is private by blocks."""

from __future__ import annotations

from torch import nn

from cape_fed.errors import InputError


def check_private_module(model: nn.Module) -> None:
    """InputError for a model that mixes patients outside the objective: by Opacus' validator, or by any buffer."""
    from opacus.validators import ModuleValidator  # imports of Opacus take a second

    if buffers := [name for name, _ in model.named_buffers()]:
        raise InputError(
            f"privacy=patient cannot train buffers, which hold statistics of patients: {buffers[0]}; norm=group"
        )
    training = model.training
    errors = ModuleValidator.validate(model.train())
    model.train(training)
    if errors:
        raise InputError(f"privacy=patient cannot train this encoder: {' '.join(str(errors[0]).split())[:200]}")
