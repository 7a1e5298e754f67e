"""Federated contrastive pretraining of ECG encoders."""
