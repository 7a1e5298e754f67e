"""Attacks and law checks on the real private step: what a mistake in it would change."""
