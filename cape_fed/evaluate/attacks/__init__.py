"""Attacks that ask whether a patient is in a sum or was trained on, and how many patients they find."""
