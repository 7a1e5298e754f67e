"""A run shown in TensorBoard and MLflow while it goes on, from what is in its ``metrics.jsonl``."""
