"""Evaluation whose records stay at their sites."""
