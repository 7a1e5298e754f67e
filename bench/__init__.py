"""Measurements behind every claim about speed: each is a ratio from one run, with the least that the work needs."""
