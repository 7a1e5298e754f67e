"""Searching for the settings of pretraining that do best within the cohorts that train."""
