"""The stages of a training step: sampling of pairs, gradient source, transforms of the gradient, optimiser."""
