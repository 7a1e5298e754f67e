"""Probes on frozen embeddings, metrics with intervals, comparison of methods, the report."""
