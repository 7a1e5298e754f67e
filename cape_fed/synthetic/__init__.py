"""Synthetic cohorts with known physiology and known artefacts."""
