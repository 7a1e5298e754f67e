"""Leads, units, preprocessing profiles and signal quality."""
