"""Contrastive pretraining: encoder, augmentation, batching, objective and the training loop."""
